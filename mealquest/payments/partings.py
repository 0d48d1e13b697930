"""Why a store must not move to another database yet: what it has begun with other stores.

Stores in different databases cannot finish together what they began: an order that waits holds
parts of the other one's wallet, and what is owed could not be settled in both books.
"""

from collections.abc import Iterable

from sqlalchemy import text

from mealquest.core.db import transaction
from mealquest.wallet.service import settlement

_WAITING = text(
    """
    SELECT store_id FROM shared_holds WHERE merchant_id = :merchant
     UNION
    SELECT wallet_merchant_id FROM payments
     WHERE merchant_id = :merchant AND status = 'PENDING_EXTERNAL'
       AND wallet_merchant_id IS NOT NULL
     ORDER BY 1
    """
)


def partings(merchant_id: str) -> list[str]:
    """What to do first, by partner, for people who run the server; nothing for a store alone.

    That wallets are shared at all is the alliance's to say.
    """
    with transaction(merchant_id) as session:
        kept = settlement.positions(session, merchant_id)
        waiting = list(session.scalars(_WAITING, {"merchant": merchant_id}))
    owed = [one.partner_id for one in kept if one.position_minor]
    return [
        *_each(owed, "it and {} owe each other money: settle it on the partner's page"),
        *_each(waiting, "an order waits on a wallet shared with {}: half an hour ends it"),
    ]


def _each(partners: Iterable[str], reason: str) -> list[str]:
    return [reason.format(partner) for partner in sorted(partners)]
