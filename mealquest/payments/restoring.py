"""Payments and refunds as another server kept them, written as they were, with their ids."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from mealquest.core.money import Currency
from mealquest.payments.domain import ExternalStatus, PaymentStatus
from mealquest.payments.models import Payment, Refund
from mealquest.payments.refund_domain import share
from mealquest.tenancy.service import RefundPolicy
from mealquest.wallet.service import Deduction

AT_ONCE = 500  # rows of one statement
PARTS = ("voucher", "bonus", "principal", "silver", "external")


@dataclass(frozen=True, slots=True)
class OldPayment:
    """`lots`: which gave, or hold, its bonus. The last six are of one that asked for money from
    outside."""

    id: str
    customer_id: str
    status: PaymentStatus
    parts: Deduction
    refunded_minor: int
    voucher_id: str | None
    quote: Mapping[str, Any]
    taken_by: str
    created_at: datetime
    lots: Mapping[str, int]
    hold_expires_at: datetime | None = None
    provider: str | None = None
    payment_intent_id: str | None = None
    external_status: ExternalStatus | None = None
    external_txn_id: str | None = None
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OldRefund:
    """`parts`: as today's rule spreads it, so that what is given back later adds up."""

    id: str
    payment_id: str
    parts: Deduction
    from_bonus: int
    from_principal: int
    lots: Mapping[str, int]
    refunded_by: str
    created_at: datetime


def spread(parts: Deduction, back: Deduction, amount: int) -> Deduction:
    """How refunding `amount` is spread over what paid, after `back`."""
    return Deduction(*share(_in_order(parts), _in_order(back), amount))


def restore(
    session: Session,
    merchant_id: str,
    currency: Currency,
    payments: Sequence[OldPayment],
    refunds: Sequence[OldRefund],
) -> None:
    """Write them; their customers are there."""
    own = {"merchant_id": merchant_id, "currency": currency}
    _add(session, Payment, (own | _payment_row(one) for one in payments))
    _add(session, Refund, (own | _refund_row(one) for one in refunds))


_SUMS = text(
    """
    SELECT status, count(*), CAST(sum(order_minor) AS bigint), CAST(sum(refunded_minor) AS bigint)
      FROM payments WHERE merchant_id = :merchant GROUP BY status
    """
)


def sums(session: Session, merchant_id: str) -> dict[str, tuple[int, int, int]]:
    """By status: how many payments, their orders, and what of these was refunded."""
    rows = session.execute(_SUMS, {"merchant": merchant_id})
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def _add(session: Session, table: type[Any], rows: Iterable[dict[str, Any]]) -> None:
    found = list(rows)
    for start in range(0, len(found), AT_ONCE):
        session.execute(insert(table), found[start : start + AT_ONCE])


def _in_order(parts: Deduction) -> tuple[int, ...]:
    return tuple(getattr(parts, name) for name in PARTS)


def _minors(parts: Deduction) -> dict[str, int]:
    return {f"{name}_minor": getattr(parts, name) for name in PARTS}


def _payment_row(payment: OldPayment) -> dict[str, Any]:
    names = [name for name in payment.__slots__ if name != "parts"]
    row = {name: getattr(payment, name) for name in names}
    dicts = {"quote": dict(payment.quote), "lots": dict(payment.lots)}
    return row | dicts | {"order_minor": payment.parts.order} | _minors(payment.parts)


def _refund_row(refund: OldRefund) -> dict[str, Any]:
    return {
        "id": refund.id,
        "payment_id": refund.payment_id,
        "policy": RefundPolicy.CLAWBACK,
        "amount_minor": refund.parts.order,
        **_minors(refund.parts),
        "reclaim_minor": refund.from_bonus + refund.from_principal,
        "from_bonus_minor": refund.from_bonus,
        "from_principal_minor": refund.from_principal,
        "lots": dict(refund.lots),
        "voucher_id": None,
        "withdrawn": [],
        "refunded_by": refund.refunded_by,
        "created_at": refund.created_at,
    }
