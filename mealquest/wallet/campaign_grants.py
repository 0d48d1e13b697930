"""Money that a campaign gives: one ledger entry for each hit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from mealquest.core.ids import new_id
from mealquest.wallet import booking, queries
from mealquest.wallet.balances import add_lot
from mealquest.wallet.domain import VoucherType
from mealquest.wallet.ledger import GIFTS, Bucket, Posting, wallet_account
from mealquest.wallet.models import EntryKind, Voucher
from mealquest.wallet.queries import LockedWallet, WalletRow

GRANTED_BACK = "fromGrantedMinor"  # in a refund's details: what it took of granted principal


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
    booking.book(
        session,
        wallet,
        entry_id=entry_id,
        kind=EntryKind.CAMPAIGN_GRANT,
        reference=hit_id,
        amount_minor=sum(given.values()),
        details=details,
        postings=[
            Posting(GIFTS, wallet_account(wallet.customer_id, bucket), minor)
            for bucket, minor in given.items()
            if minor
        ],
    )
    return lots


# Principal that campaigns gave and nobody has spent. Of principal, what was paid in is spent first;
# once a payment has used granted principal, money that is paid in later does not bring it back.
# With N, what came and went that was no gift, and G, gifts less what refunds took back of them:
# the smaller of G and of G plus the lowest that N ever was.
_GRANTED = text(
    """
    WITH moved AS (
        SELECT e.created_at, e.id, e.kind, e.details,
               sum(CASE WHEN p.destination = :account THEN p.amount_minor
                        ELSE -p.amount_minor END) AS minor
          FROM ledger_entries e
          JOIN ledger_postings p ON p.merchant_id = e.merchant_id AND p.entry_id = e.id
         WHERE e.merchant_id = :merchant AND e.customer_id = :customer
           AND :account IN (p.source, p.destination)
         GROUP BY e.merchant_id, e.id),
    apart AS (
        SELECT created_at, id, minor,
               CASE WHEN kind = 'CAMPAIGN_GRANT' THEN minor
                    ELSE -coalesce(CAST(details ->> :back AS bigint), 0) END AS gift
          FROM moved),
    running AS (
        SELECT gift, sum(minor - gift) OVER (ORDER BY created_at, id) AS own FROM apart)
    SELECT CAST(coalesce(sum(gift) + least(0, min(own)), 0) AS bigint) FROM running
    """
)


def granted_principal(session: Session, wallet: WalletRow) -> int:
    """Free principal that campaigns gave and that is unspent, minor units; reads their ledger."""
    values = {
        "merchant": wallet.merchant_id,
        "customer": wallet.customer_id,
        "account": wallet_account(wallet.customer_id, Bucket.PRINCIPAL),
        "back": GRANTED_BACK,
    }
    left = int(session.execute(_GRANTED, values).scalar_one())
    return max(0, min(left, wallet.free_principal))


def giver_of_card(session: Session, merchant_id: str, voucher_id: str) -> str | None:
    """What granted a discount card, such as the id of a hit; None: it is no such card."""
    return session.scalar(
        select(Voucher.granted_by).where(
            Voucher.merchant_id == merchant_id,
            Voucher.id == voucher_id,
            Voucher.type == VoucherType.DISCOUNT_CARD,
        )
    )
