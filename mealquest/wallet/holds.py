"""Holds: parts of a wallet reserved for one payment until money from outside comes, or does not.

A hold changes no balance. It is captured (the parts leave the wallet) or released (they are free
again), once, under the wallet's lock. The payment keeps which lots the bonus was reserved in.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.numeric import Int8
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger, Text

from mealquest.core.ids import new_id
from mealquest.wallet import booking, ledger, queries, settlement
from mealquest.wallet.domain import Checkout, Deduction, LotUse, spendable, use_lots
from mealquest.wallet.errors import BalancesDiffer, VoucherNotUsable
from mealquest.wallet.ledger import DUE_BACK, GATEWAY, Posting
from mealquest.wallet.models import EntryKind
from mealquest.wallet.queries import LockedWallet


@dataclass(frozen=True, slots=True)
class Hold:
    """What one payment reserves, minor units; `external` of the parts comes from outside."""

    payment_id: str
    parts: Deduction
    lots: tuple[LotUse, ...]
    voucher_id: str | None

    @property
    def from_wallet(self) -> int:
        """What the balances give: neither the voucher's part nor what comes from outside."""
        return self.parts.bonus + self.parts.principal + self.parts.silver

    @classmethod
    def of(cls, payment_id: str, planned: Checkout) -> "Hold":
        voucher_id = planned.voucher.id if planned.voucher else None
        return cls(payment_id, planned.deduction, planned.lots, voucher_id)


def hold(session: Session, wallet: LockedWallet, wanted: Hold) -> None:
    """Reserve what a checkout planned under this lock.

    Raises VoucherNotUsable and BalancesDiffer as spending it would.
    """
    _move_held(session, wallet, wanted, 1)
    if wanted.voucher_id and not _hold_voucher(
        session, wallet, wanted.voucher_id, wanted.payment_id
    ):
        raise VoucherNotUsable("it is not active any more")


def note_pending(
    session: Session,
    wallet: LockedWallet,
    payment_id: str,
    order_minor: int,
    details: dict[str, Any],
) -> None:
    """Note in the ledger that an order waits for outside money; no money moves."""
    booking.book(
        session,
        wallet,
        entry_id=new_id("txn"),
        kind=EntryKind.PAYMENT_PENDING,
        reference=payment_id,
        amount_minor=order_minor,
        details=details,
        postings=[],
    )


def release(session: Session, wallet: LockedWallet, held: Hold) -> None:
    """Let everything go. What expired meanwhile is swept by the expiry job."""
    _move_held(session, wallet, held, -1)
    if held.voucher_id:
        _free_voucher(session, wallet, held.voucher_id, held.payment_id)


def capture(
    session: Session, wallet: LockedWallet, held: Hold, external_txn_id: str | None
) -> None:
    """Turn a hold into a sale, now that its outside part has come; expiry does not matter."""
    release(session, wallet, held)
    _sell(session, wallet, held, external_txn_id)


def capture_late(
    session: Session,
    wallet: LockedWallet,
    wanted: Hold,
    external_txn_id: str | None,
    now: datetime,
) -> Hold | None:
    """Take the same parts again after their hold was released.

    The bonus may come from other lots; the hold that is returned names them. None: the parts are
    not all there, or the wallet's keeper may not owe the store as much; nothing was taken.
    """
    again = _still_there(session, wallet, wanted, now)
    if again is not None and _has_room(session, wallet, wanted):
        _sell(session, wallet, again, external_txn_id)
        return again
    return None


def receive_for_return(
    session: Session, wallet: LockedWallet, refused: Hold, external_txn_id: str | None
) -> None:
    """Book outside money that cannot be used: it is owed back."""
    _post_outside(
        session,
        wallet,
        kind=EntryKind.EXTERNAL_RECEIVED,
        reference=refused.payment_id,
        details={"paymentTxnId": refused.payment_id, "externalTxnId": external_txn_id},
        posting=Posting(GATEWAY, DUE_BACK, refused.parts.external),
    )


def return_outside(
    session: Session, wallet: LockedWallet, payment_id: str, refund_id: str, minor: int
) -> None:
    """Book that outside money went back; once per refund."""
    _post_outside(
        session,
        wallet,
        kind=EntryKind.GATEWAY_REFUND,
        reference=refund_id,
        details={"paymentTxnId": payment_id, "refundId": refund_id},
        posting=Posting(DUE_BACK, GATEWAY, minor),
    )


def _sell(session: Session, wallet: LockedWallet, sold: Hold, external_txn_id: str | None) -> None:
    parts = sold.parts
    if parts.bonus or parts.principal or parts.silver:
        queries.move(
            session,
            wallet,
            principal=-parts.principal,
            bonus=-parts.bonus,
            silver=-parts.silver,
            lots=sold.lots,
        )
    if sold.voucher_id and not queries.use_voucher(
        session, wallet, sold.voucher_id, sold.payment_id
    ):
        raise VoucherNotUsable("it is not active any more")
    booking.book(
        session,
        wallet,
        entry_id=new_id("txn"),
        kind=EntryKind.PAYMENT_EXTERNAL_CONFIRM,
        reference=sold.payment_id,
        amount_minor=parts.external,
        details={"paymentTxnId": sold.payment_id, "externalTxnId": external_txn_id},
        postings=ledger.capture_postings(wallet.customer_id, parts),
        capped=False,
    )


def _still_there(
    session: Session, wallet: LockedWallet, wanted: Hold, now: datetime
) -> Hold | None:
    """The same parts out of what is free now, the bonus in whatever lots have it."""
    purse = queries.purse(
        session,
        wallet.merchant_id,
        wallet.customer_id,
        wanted.voucher_id,
        at_store=wallet.store_id,
    )
    lots, parts = spendable(purse.lots, now), wanted.parts
    enough = (
        wallet.free_principal >= parts.principal
        and wallet.free_silver >= parts.silver
        and sum(lot.left_minor for lot in lots) >= parts.bonus
    )
    usable = wanted.voucher_id is None or any(
        voucher.id == wanted.voucher_id and voucher.is_usable(now) for voucher in purse.vouchers
    )
    if not (enough and usable):
        return None
    return Hold(wanted.payment_id, parts, use_lots(lots, parts.bonus), wanted.voucher_id)


def _has_room(session: Session, wallet: LockedWallet, wanted: Hold) -> bool:
    store, holder, minor = wallet.store_id, wallet.merchant_id, wanted.from_wallet
    return not wallet.is_shared or settlement.has_room(
        session, store=store, holder=holder, minor=minor
    )


def _post_outside(
    session: Session,
    wallet: LockedWallet,
    *,
    kind: EntryKind,
    reference: str,
    details: dict[str, Any],
    posting: Posting,
) -> None:
    booking.book(
        session,
        wallet,
        entry_id=new_id("txn"),
        kind=kind,
        reference=reference,
        amount_minor=posting.minor,
        details=details,
        postings=[posting],
    )


# --- statements ---------------------------------------------------------------------------

# The keeper of a wallet cannot see payments of another store: it has a note of what they hold.
_NOTE_HELD = """
    INSERT INTO shared_holds
           (merchant_id, store_id, payment_id, customer_id, principal_minor, bonus_minor,
            silver_minor, lots)
    SELECT :merchant, :store, :payment, :customer, :principal, :bonus, :silver, :held_lots
     WHERE CAST(:store AS text) <> :merchant
    RETURNING payment_id
"""
_FORGET_HELD = """
    DELETE FROM shared_holds
     WHERE merchant_id = :merchant AND store_id = :store AND payment_id = :payment
    RETURNING payment_id
"""
_MOVE_HELD = """
    WITH lots AS (
        UPDATE bonus_lots AS lot SET held_minor = lot.held_minor + held.minor
          FROM unnest(:lots, :minors) AS held (id, minor)
         WHERE lot.merchant_id = :merchant AND lot.customer_id = :customer AND lot.id = held.id
        RETURNING lot.id),
    moved AS (
        UPDATE wallets
           SET held_principal_minor = held_principal_minor + :principal,
               held_bonus_minor = held_bonus_minor + :bonus,
               held_silver_minor = held_silver_minor + :silver
         WHERE merchant_id = :merchant AND customer_id = :customer
           AND held_principal_minor + :principal BETWEEN 0 AND principal_minor
           AND held_bonus_minor + :bonus BETWEEN 0 AND bonus_minor
           AND held_silver_minor + :silver BETWEEN 0 AND silver_minor
        RETURNING customer_id),
    note AS ({note})
    SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM lots), (SELECT count(*) FROM note)
"""
_ARRAYS = (bindparam("lots", type_=ARRAY(Text)), bindparam("minors", type_=ARRAY(BigInteger)))
_HOLD = text(_MOVE_HELD.format(note=_NOTE_HELD)).bindparams(
    *_ARRAYS, bindparam("held_lots", type_=JSONB)
)
_RELEASE = text(_MOVE_HELD.format(note=_FORGET_HELD)).bindparams(*_ARRAYS)
_HOLD_VOUCHER = text(
    """
    UPDATE vouchers SET status = 'HELD', used_by = :used_by
     WHERE merchant_id = :merchant AND customer_id = :customer AND id = :id
       AND status = 'ACTIVE'
    """
)
_FREE_VOUCHER = text(
    """
    UPDATE vouchers SET status = 'ACTIVE', used_by = NULL
     WHERE merchant_id = :merchant AND customer_id = :customer AND id = :id
       AND status = 'HELD' AND used_by = :used_by
    """
)


def _move_held(session: Session, wallet: LockedWallet, held: Hold, sign: int) -> None:
    """Hold the parts (`sign` 1) or let them go (-1). BalancesDiffer: they are not there."""
    if not held.from_wallet and not wallet.is_shared:
        return
    parts = held.parts
    values = {
        "merchant": wallet.merchant_id,
        "customer": wallet.customer_id,
        "store": wallet.store_id,
        "payment": held.payment_id,
        "principal": Int8(sign * parts.principal),
        "bonus": Int8(sign * parts.bonus),
        "silver": Int8(sign * parts.silver),
        "lots": [use.lot_id for use in held.lots],
        "minors": [Int8(sign * use.minor) for use in held.lots],
    }
    if sign > 0:
        values["held_lots"] = {use.lot_id: use.minor for use in held.lots}
    done = session.execute(_HOLD if sign > 0 else _RELEASE, values).one()
    if tuple(done) != (1, len(held.lots), int(wallet.is_shared)):
        raise BalancesDiffer(f"wallet {wallet.customer_id} of {wallet.merchant_id}")
    if wallet.is_shared:
        settlement.reserve(
            session,
            store=wallet.store_id,
            holder=wallet.merchant_id,
            currency=wallet.currency,
            minor=sign * held.from_wallet,
        )


def _hold_voucher(session: Session, wallet: LockedWallet, voucher_id: str, payment_id: str) -> bool:
    """Keep it for a payment. False: it is not active any more."""
    found = {"merchant": wallet.merchant_id, "customer": wallet.customer_id, "id": voucher_id}
    return queries.changed(session, _HOLD_VOUCHER, {**found, "used_by": payment_id}) == 1


def _free_voucher(session: Session, wallet: LockedWallet, voucher_id: str, payment_id: str) -> None:
    """Let go a voucher kept for a payment. BalancesDiffer: that payment does not hold it."""
    found = {"merchant": wallet.merchant_id, "customer": wallet.customer_id, "id": voucher_id}
    if queries.changed(session, _FREE_VOUCHER, {**found, "used_by": payment_id}) != 1:
        raise BalancesDiffer(f"voucher {voucher_id} of {wallet.merchant_id}")
