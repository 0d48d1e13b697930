"""What a payment earned its customer: noted by whoever gives it, taken back by refunds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.numeric import Int8
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from mealquest.core.ids import new_id
from mealquest.payments.domain import GiftKind
from mealquest.payments.refund_domain import Gift
from mealquest.wallet import service as wallets
from mealquest.wallet.service import VoucherStatus, VoucherUse, WalletRow

SPENT = frozenset({VoucherStatus.USED, VoucherStatus.HELD})


@dataclass(frozen=True, slots=True)
class Earned:
    """Bonus (in a lot), silver, principal, a voucher or fragments (of a kind).

    `minor`: how much; of a voucher its value, of fragments how many pieces.
    """

    kind: GiftKind
    minor: int
    granted_by: str
    lot_id: str | None = None
    voucher_id: str | None = None
    fragment: str | None = None


def may_earn(session: Session, merchant_id: str, payment_id: str) -> bool:
    """Whether a payment can still earn gifts: it is settled, and not refunded in full.

    Ask under the payer's wallet lock, and before anything is given: every refund takes that lock.
    """
    return bool(session.scalar(_MAY_EARN, {"merchant": merchant_id, "payment": payment_id}))


def note_gift(session: Session, merchant_id: str, payment_id: str, earned: Earned) -> str:
    """Remember what a payment earned, so that a refund takes it back in proportion.

    Once for each gift, in the transaction that gives it. Returns the note's id.
    """
    gift_id = new_id("gift")
    session.execute(
        _ADD,
        {
            "merchant": merchant_id,
            "id": gift_id,
            "payment": payment_id,
            "kind": earned.kind.value,
            "amount": Int8(earned.minor),
            "lot": earned.lot_id,
            "voucher": earned.voucher_id,
            "fragment": earned.fragment,
            "granted_by": earned.granted_by,
        },
    )
    return gift_id


def earned_by(
    session: Session, wallet: WalletRow, payment_id: str, now: datetime
) -> tuple[Gift, ...]:
    """The payment's gifts as they stand; one statement for a payment that earned none.

    What expired unspent was worth nothing. A voucher that paid for something was worth what it
    took off there. One that came back from that payment, after some of it was claimed, is not taken
    as well: the customer pays for the rest of it and keeps it.
    """
    keeper = wallet.merchant_id
    values = {"merchant": wallet.store_id, "keeper": keeper, "payment": payment_id}
    rows = session.execute(_OF_PAYMENT, values).all()
    if not rows:
        return ()
    lots = [row.lot_id for row in rows if row.lot_id]
    named = wallets.lots_about(session, wallet.merchant_id, wallet.customer_id, lots)
    expired = wallets.expired_of_lots(session, wallet.merchant_id, wallet.customer_id, lots)
    for lot in named:
        if lot.id in lots and lot.expires_at and lot.expires_at <= now:
            expired[lot.id] = expired.get(lot.id, 0) + lot.left_minor
    ids = [row.voucher_id for row in rows if row.voucher_id]
    uses = wallets.voucher_uses(session, wallet.merchant_id, ids)
    return tuple(_gift(row, expired, uses, now) for row in rows)


def claim(session: Session, merchant_id: str, claims: Mapping[str, int]) -> None:
    """Count what a refund claims for each gift."""
    for gift_id, minor in claims.items():
        if minor:
            values = {"merchant": merchant_id, "id": gift_id, "minor": Int8(minor)}
            session.execute(_CLAIM, values)


def _gift(
    row: Row[Any], expired: Mapping[str, int], uses: Mapping[str, VoucherUse], now: datetime
) -> Gift:
    worth, returnable = row.amount_minor - expired.get(row.lot_id, 0), False
    if use := uses.get(row.voucher_id):
        usable = use.status is VoucherStatus.ACTIVE and use.expires_at > now
        returnable = usable and not row.claimed_minor
        if not usable:
            worth = _taken_off(row) if use.status in SPENT else 0
    return Gift(
        id=row.id,
        kind=GiftKind(row.kind),
        worth=max(0, worth),
        claimed=row.claimed_minor,
        lot_id=row.lot_id,
        voucher_id=row.voucher_id,
        fragment=row.fragment,
        returnable=returnable,
    )


def _taken_off(row: Row[Any]) -> int:
    """What a spent voucher took off; at a third store, whose payments are not seen, its value."""
    return int(row.amount_minor if row.taken_off is None else row.taken_off)


# --- statements ---------------------------------------------------------------------------

_MAY_EARN = text(
    """
    SELECT status = 'PAID' AND refunded_minor < order_minor FROM payments
     WHERE merchant_id = :merchant AND id = :payment
    """
)
_ADD = text(
    """
    INSERT INTO payment_gifts
           (merchant_id, id, payment_id, kind, amount_minor, lot_id, voucher_id, fragment,
            granted_by)
    VALUES (:merchant, :id, :payment, :kind, :amount, :lot, :voucher, :fragment, :granted_by)
    """
)
_OF_PAYMENT = text(
    """
    SELECT g.id, g.kind, g.amount_minor, g.claimed_minor, g.lot_id, g.voucher_id,
           g.fragment,
           (SELECT p.voucher_minor FROM vouchers v
              JOIN payments p ON p.merchant_id IN (:merchant, :keeper) AND p.id = v.used_by
             WHERE v.merchant_id = :keeper AND v.id = g.voucher_id) AS taken_off
      FROM payment_gifts g
     WHERE g.merchant_id = :merchant AND g.payment_id = :payment
     ORDER BY g.created_at, g.id
    """
)
_CLAIM = text(
    """
    UPDATE payment_gifts SET claimed_minor = claimed_minor + :minor
     WHERE merchant_id = :merchant AND id = :id
    """
)
