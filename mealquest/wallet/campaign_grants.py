"""Money that a campaign gives: one ledger entry for each hit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from mealquest.core.ids import new_id
from mealquest.wallet import ledger, queries
from mealquest.wallet.balances import add_lot
from mealquest.wallet.domain import VoucherType
from mealquest.wallet.ledger import GIFTS, Bucket, Posting, wallet_account
from mealquest.wallet.models import EntryKind, Voucher
from mealquest.wallet.queries import LockedWallet


@dataclass(frozen=True, slots=True)
class BonusGift:
    """`minor` units of bonus, a lot of their own; `expires_at` None: never."""

    minor: int
    expires_at: datetime | None


def grant_by_campaign(
    session: Session,
    wallet: LockedWallet,
    hit_id: str,
    details: dict[str, Any],
    *,
    principal: int = 0,
    silver: int = 0,
    bonus: Sequence[BonusGift] = (),
) -> list[str]:
    """Give what one hit gives, more than nothing, in minor units. Returns the lots' ids in order.

    The database refuses a second entry about the same hit.
    """
    given = {
        Bucket.PRINCIPAL: principal,
        Bucket.BONUS: sum(gift.minor for gift in bonus),
        Bucket.SILVER: silver,
    }
    entry_id = new_id("txn")
    queries.move(session, wallet, principal=principal, bonus=given[Bucket.BONUS], silver=silver)
    lots = [
        add_lot(session, wallet, gift.minor, expires_at=gift.expires_at, granted_by=entry_id)
        for gift in bonus
    ]
    ledger.post(
        session,
        wallet.merchant_id,
        entry_id=entry_id,
        kind=EntryKind.CAMPAIGN_GRANT,
        reference=hit_id,
        customer_id=wallet.customer_id,
        amount_minor=sum(given.values()),
        currency=wallet.currency,
        details=details,
        postings=[
            Posting(GIFTS, wallet_account(wallet.customer_id, bucket), minor)
            for bucket, minor in given.items()
            if minor
        ],
    )
    return lots


def giver_of_card(session: Session, merchant_id: str, voucher_id: str) -> str | None:
    """What granted a discount card, such as the id of a hit; None: it is no such card."""
    return session.scalar(
        select(Voucher.granted_by).where(
            Voucher.merchant_id == merchant_id,
            Voucher.id == voucher_id,
            Voucher.type == VoucherType.DISCOUNT_CARD,
        )
    )
