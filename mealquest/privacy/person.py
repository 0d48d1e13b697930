"""The customer themselves, for the file that is theirs: in clear, with what they hold."""

from typing import Any

from mealquest.core.clock import iso_millis
from mealquest.core.db import transaction
from mealquest.identity import service as identity
from mealquest.wallet import service as wallets


def person_of(merchant_id: str, customer_id: str) -> dict[str, Any]:
    """UserNotFound: not at this merchant, or gone for good."""
    with transaction(merchant_id) as session:
        texts = identity.personal_texts(session, merchant_id, customer_id)
    held = wallets.customer_detail(merchant_id, customer_id).model_dump(mode="json", by_alias=True)
    return {
        "uid": customer_id,
        "displayName": texts.display_name,
        "phone": texts.phone,
        "birthday": texts.birthday,
        "createdAt": iso_millis(texts.created_at),
        **{name: held[name] for name in ("tags", "fragments", "currency", "wallet", "vouchers")},
    }
