"""A customer who watches their wallet at one store hears what moved it at another.

Only that it moved and what is in it now: what was bought where stays with the store it was
bought at.
"""

from typing import Any

from mealquest.alliance import queries
from mealquest.core import outbox
from mealquest.core.db import transaction
from mealquest.core.outbox import Event, Subscribers
from mealquest.identity import service as identity
from mealquest.identity.service import UserNotFound

HEARD = (
    "PAYMENT_VERIFIED",
    "PAYMENT_REFUNDED",
    "PAYMENT_CANCELLED",
    "PAYMENT_EXPIRED",
    "WALLET_TOPPED_UP",
)
TOLD = "WALLET_MOVED"


def echo(event: Event) -> None:
    """Tell every other store that uses the wallet. Told twice, it is told twice: it is true."""
    said = event.payload
    scope, user_id = said.get("walletScope") or {}, said.get("userId")
    if not (scope.get("walletShared") and user_id and said.get("wallet")):
        return
    keeper = scope["walletMerchantId"]
    news = {"userId": user_id, "walletMerchantId": keeper, "wallet": said["wallet"]}
    for store in sorted({keeper, *_who_share_with(keeper)} - {event.merchant_id}):
        _tell(store, keeper, user_id, news)


def _who_share_with(keeper: str) -> set[str]:
    with transaction(keeper) as session:
        return queries.sharing(session, [keeper])[keeper]


def _tell(store: str, keeper: str, user_id: str, news: dict[str, Any]) -> None:
    with transaction(store) as session:
        if queries.scope(session, store).wallet_merchant_id != keeper:
            return
        try:
            identity.customer_facts(session, store, user_id)
        except UserNotFound:
            return
        outbox.publish(session, store, TOLD, news)


SUBSCRIPTIONS: Subscribers = dict.fromkeys(HEARD, (echo,))
