"""The Idempotency-Key of a request, and what is known under it."""

from typing import Any

from flask import request

from mealquest.core import idempotency
from mealquest.core.db import transaction
from mealquest.core.errors import Invalid
from mealquest.core.idempotency import KeyedRequest, request_hash
from mealquest.core.principal import Principal
from mealquest.core.wire import Input
from mealquest.web import inputs
from mealquest.web.frame import Endpoint

KEY_LENGTH = 255


def sent_key(endpoint: Endpoint, values: dict[str, Any]) -> str | None:
    """None where it may be left out, or is not asked for. Invalid: not a key, or none."""
    if not endpoint.idempotent:
        return None
    key = request.headers.get("Idempotency-Key") or values.get("idempotencyKey")
    if key is None and endpoint.key_optional:
        return None
    if not isinstance(key, str) or not key.strip():
        raise Invalid("Idempotency-Key is required", code="IDEMPOTENCY_KEY_REQUIRED")
    if len(key) > KEY_LENGTH or not key.isprintable():
        raise Invalid(f"Idempotency-Key must be printable and at most {KEY_LENGTH} characters")
    return key.strip()


def keyed(endpoint: Endpoint, principal: Principal, key: str, form: Input) -> KeyedRequest:
    about = getattr(form, "user_id", None)
    return KeyedRequest(principal.actor, endpoint.full_name, key, request_hash(form), about)


def was_answered(
    endpoint: Endpoint, principal: Principal, merchant_id: str, values: dict[str, Any]
) -> bool:
    """Whether this very request, which nobody has checked yet, only repeats one that was done."""
    try:
        key = sent_key(endpoint, values)
        if key is None:
            return False
        asked = keyed(endpoint, principal, key, inputs.checked(endpoint.input, values))
    except Invalid:
        return False
    with transaction(merchant_id) as session:
        return idempotency.was_answered(session, merchant_id, asked)
