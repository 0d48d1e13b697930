"""What a refund moves in a wallet: parts that come back, and gifts that are taken back.

Money comes back out of sales, so that sales are what the shop keeps. What is taken back goes to
the gifts that it came from; what cannot be taken is owed by the customer, in an account of its
own. The outside part is owed back until the gateway has it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import Text

from mealquest.core.ids import new_id
from mealquest.core.money import Money
from mealquest.core.wire import number
from mealquest.identity import service as identity
from mealquest.wallet import booking, ledger, queries
from mealquest.wallet.balances import add_lot
from mealquest.wallet.campaign_grants import GRANTED_BACK
from mealquest.wallet.domain import Deduction, Lot, LotUse, VoucherStatus
from mealquest.wallet.errors import BalancesDiffer
from mealquest.wallet.ledger import (
    DUE_BACK,
    GIFTS,
    NOTE,
    RECEIVABLES,
    SALES,
    VOUCHERS,
    WRITTEN_OFF,
    Bucket,
    Posting,
    outside_account,
    wallet_account,
)
from mealquest.wallet.models import EntryKind, TopUpMethod
from mealquest.wallet.queries import LockedWallet

RECLAIMED = "reclaimedByKeeper"  # in a refund's details: what left the wallet for its keeper


@dataclass(frozen=True, slots=True)
class Return:
    """What one refund moves, minor units.

    `to_principal`, `to_lots` and `to_new_lot` are where the principal and bonus parts come back
    to; `from_*` is taken back of what is free, and `receivable` stays owed. Of what is taken,
    `reclaimed` is for the bonus that had paid, and goes to whoever keeps the wallet; the rest is
    for gifts that the store gave for the payment.
    """

    refund_id: str
    payment_id: str
    parts: Deduction
    to_principal: int
    to_lots: tuple[LotUse, ...]
    to_new_lot: int
    from_lots: tuple[LotUse, ...]
    from_silver: int
    from_principal: int
    from_granted: int  # of it what a campaign had given
    reclaimed: int
    receivable: int
    voucher_id: str | None  # the order's own, usable again
    withdrawn: tuple[str, ...]  # vouchers that the payment had earned

    @property
    def to_bonus(self) -> int:
        return sum(use.minor for use in self.to_lots) + self.to_new_lot

    @property
    def from_bonus(self) -> int:
        return sum(use.minor for use in self.from_lots)


@dataclass(frozen=True, slots=True)
class VoucherUse:
    """How a voucher stands; `used_by` is the payment that spent or holds it."""

    status: VoucherStatus
    used_by: str | None
    expires_at: datetime


def give_back(
    session: Session, wallet: LockedWallet, back: Return, details: dict[str, Any]
) -> None:
    """Do what a plan made under this lock says; the ledger entry gets the refund's id.

    BalancesDiffer: wallet, lots or vouchers are not as the plan has them.
    """
    queries.move(
        session,
        wallet,
        principal=back.to_principal - back.from_principal,
        bonus=back.to_bonus - back.from_bonus,
        silver=back.parts.silver - back.from_silver,
        lots=_lot_changes(back),
    )
    if back.to_new_lot:
        add_lot(session, wallet, back.to_new_lot, expires_at=None, granted_by=back.refund_id)
    if back.voucher_id:
        _reactivate(session, wallet, back.voucher_id, back.payment_id)
    if back.withdrawn:
        _withdraw(session, wallet, back.withdrawn)
    if back.from_granted:
        details |= {GRANTED_BACK: back.from_granted}
    if wallet.is_shared and back.reclaimed:  # the keeper's book has the line, this one tells of it
        details |= {RECLAIMED: number(Money(back.reclaimed, wallet.currency).major)}
    booking.book(
        session,
        wallet,
        entry_id=back.refund_id,
        kind=EntryKind.REFUND,
        reference=back.refund_id,
        amount_minor=back.parts.order,
        details=details,
        postings=_postings(wallet.customer_id, back),
        capped=False,
    )


def lots_about(
    session: Session, merchant_id: str, customer_id: str, named: Iterable[str]
) -> list[Lot]:
    """Lots of which something is free, and those named; `left_minor` is what is free of them.

    Soonest expiry first, those without one last.
    """
    values = {"merchant": merchant_id, "customer": customer_id, "named": sorted(set(named))}
    return [Lot(row.id, row.free, row.expires_at) for row in session.execute(_LOTS, values)]


def expired_of_lots(
    session: Session, merchant_id: str, customer_id: str, lot_ids: Iterable[str]
) -> dict[str, int]:
    """How much of each lot expired unspent, by the ledger."""
    values = {"merchant": merchant_id, "customer": customer_id, "lots": sorted(set(lot_ids))}
    return {row.lot: row.minor for row in session.execute(_EXPIRED, values)}


def voucher_uses(
    session: Session, merchant_id: str, voucher_ids: Iterable[str]
) -> dict[str, VoucherUse]:
    rows = session.execute(_USES, {"merchant": merchant_id, "ids": sorted(set(voucher_ids))})
    return {
        row.id: VoucherUse(VoucherStatus(row.status), row.used_by, row.expires_at) for row in rows
    }


def settle_receivable(
    session: Session,
    wallet: LockedWallet,
    receivable_id: str,
    minor: int,
    method: TopUpMethod | None,
    details: dict[str, Any],
    note: str = "",
) -> str:
    """Book that a customer has paid what they owed, or (without a method) that it is given up.

    `note` is sealed under the customer's key, so that it ends with them; of somebody who has left
    none is kept. Returns the entry's id.
    """
    source = WRITTEN_OFF if method is None else outside_account(method)
    entry_id = new_id("txn")
    if note:
        key = identity.personal_key(session, wallet.store_id, wallet.customer_id)
        details |= {} if key.is_erased else {NOTE: key.seal(note, ledger.note_place(entry_id))}
    booking.book(
        session,
        wallet,
        entry_id=entry_id,
        kind=EntryKind.RECEIVABLE_SETTLED,
        reference=f"{receivable_id}:{entry_id}",
        amount_minor=minor,
        details=details,
        postings=[Posting(source, RECEIVABLES, minor)],
    )
    return entry_id


def budget_used(session: Session, merchant_id: str) -> int:
    """What the merchant has spent on vouchers, minor units: the ledger's sum, refunds taken off."""
    return -ledger.balance_of(session, merchant_id, VOUCHERS)


def _lot_changes(back: Return) -> list[LotUse]:
    """What leaves each lot in the end; below zero where more comes than goes."""
    changes: dict[str, int] = {}
    for use in back.from_lots:
        changes[use.lot_id] = changes.get(use.lot_id, 0) + use.minor
    for use in back.to_lots:
        changes[use.lot_id] = changes.get(use.lot_id, 0) - use.minor
    return [LotUse(lot_id, minor) for lot_id, minor in changes.items() if minor]


def _postings(customer_id: str, back: Return) -> Sequence[Posting]:
    principal, bonus, silver = (
        wallet_account(customer_id, bucket)
        for bucket in (Bucket.PRINCIPAL, Bucket.BONUS, Bucket.SILVER)
    )
    moves = [
        Posting(SALES, VOUCHERS, back.parts.voucher),
        Posting(SALES, bonus, back.to_bonus),
        Posting(SALES, principal, back.to_principal),
        Posting(SALES, silver, back.parts.silver),
        Posting(SALES, DUE_BACK, back.parts.external),
    ]
    kept = back.reclaimed
    taken = ((bonus, back.from_bonus), (principal, back.from_principal), (silver, back.from_silver))
    for source, minor in taken:
        of_keeper = min(minor, kept)
        kept -= of_keeper
        moves.append(Posting(source, GIFTS, of_keeper, kept=True))
        moves.append(Posting(source, GIFTS, minor - of_keeper))
    moves.append(Posting(RECEIVABLES, GIFTS, back.receivable))
    return [move for move in moves if move.minor]


# --- statements ---------------------------------------------------------------------------

_LOTS = text(
    """
    SELECT id, left_minor - held_minor AS free, expires_at FROM bonus_lots
     WHERE merchant_id = :merchant AND customer_id = :customer
       AND ((left_minor > 0 AND left_minor > held_minor) OR id = ANY(:named))
     ORDER BY expires_at NULLS LAST, id
    """
).bindparams(bindparam("named", type_=ARRAY(Text)))
_EXPIRED = text(
    """
    SELECT details ->> 'lotId' AS lot, CAST(sum(amount_minor) AS bigint) AS minor
      FROM ledger_entries
     WHERE merchant_id = :merchant AND customer_id = :customer AND kind = 'BONUS_EXPIRY'
       AND details ->> 'lotId' = ANY(:lots)
     GROUP BY 1
    """
).bindparams(bindparam("lots", type_=ARRAY(Text)))
_USES = text(
    """
    SELECT id, status, used_by, expires_at FROM vouchers
     WHERE merchant_id = :merchant AND id = ANY(:ids)
    """
).bindparams(bindparam("ids", type_=ARRAY(Text)))
_REACTIVATE = text(
    """
    UPDATE vouchers SET status = 'ACTIVE', used_by = NULL
     WHERE merchant_id = :merchant AND customer_id = :customer AND id = :id
       AND status = 'USED' AND used_by = :used_by
    """
)
_WITHDRAW = text(
    """
    UPDATE vouchers SET status = 'WITHDRAWN'
     WHERE merchant_id = :merchant AND customer_id = :customer AND id = ANY(:ids)
       AND status = 'ACTIVE'
    """
).bindparams(bindparam("ids", type_=ARRAY(Text)))


def _reactivate(session: Session, wallet: LockedWallet, voucher_id: str, payment_id: str) -> None:
    """Let the customer use it once more; past its time it expires by the job."""
    found = {"merchant": wallet.merchant_id, "customer": wallet.customer_id, "id": voucher_id}
    if queries.changed(session, _REACTIVATE, {**found, "used_by": payment_id}) != 1:
        raise BalancesDiffer(f"voucher {voucher_id} of {wallet.merchant_id}")


def _withdraw(session: Session, wallet: LockedWallet, voucher_ids: Sequence[str]) -> None:
    values = {
        "merchant": wallet.merchant_id,
        "customer": wallet.customer_id,
        "ids": list(voucher_ids),
    }
    if queries.changed(session, _WITHDRAW, values) != len(voucher_ids):
        raise BalancesDiffer(f"vouchers of {wallet.customer_id} of {wallet.merchant_id}")
