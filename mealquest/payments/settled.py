"""A settled payment as papers about it need it: what paid for it, and what went back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from mealquest.core.money import Currency
from mealquest.payments.domain import PaymentStatus
from mealquest.payments.errors import PaymentNotFound
from mealquest.wallet.service import Deduction


@dataclass(frozen=True, slots=True)
class PaymentOnPaper:
    """`parts` sum to the order, whatever was refunded; `paid_at`: when its last money came."""

    id: str
    customer_id: str
    status: PaymentStatus
    currency: Currency
    parts: Deduction
    refunded_minor: int
    paid_at: datetime


@dataclass(frozen=True, slots=True)
class RefundOnPaper:
    id: str
    payment_id: str
    amount_minor: int
    parts: Deduction


_PAYMENT = text(
    """
    SELECT id, customer_id, status, currency, voucher_minor, bonus_minor, principal_minor,
           silver_minor, external_minor, refunded_minor,
           coalesce(confirmed_at, created_at) AS paid_at
      FROM payments WHERE merchant_id = :merchant AND id = :id
       FOR NO KEY UPDATE
    """
)
_REFUND = text(
    """
    SELECT id, payment_id, amount_minor, voucher_minor, bonus_minor, principal_minor, silver_minor,
           external_minor
      FROM refunds WHERE merchant_id = :merchant AND id = :id
    """
)
_OF_PAYMENT = text("SELECT id FROM refunds WHERE merchant_id = :merchant AND payment_id = :id")


def payment_on_paper(session: Session, merchant_id: str, payment_id: str) -> PaymentOnPaper:
    """The payment, whose row stays locked: nothing is refunded until the caller has committed.

    PaymentNotFound: no such payment at this merchant.
    """
    row = session.execute(_PAYMENT, {"merchant": merchant_id, "id": payment_id}).one_or_none()
    if row is None:
        raise PaymentNotFound
    return PaymentOnPaper(
        row.id,
        row.customer_id,
        PaymentStatus(row.status),
        Currency(row.currency),
        _parts(row),
        row.refunded_minor,
        row.paid_at,
    )


def refund_on_paper(session: Session, merchant_id: str, refund_id: str) -> RefundOnPaper:
    """One refund. PaymentNotFound: no such refund at this merchant."""
    row = session.execute(_REFUND, {"merchant": merchant_id, "id": refund_id}).one_or_none()
    if row is None:
        raise PaymentNotFound
    return RefundOnPaper(row.id, row.payment_id, row.amount_minor, _parts(row))


def refund_ids(session: Session, merchant_id: str, payment_id: str) -> list[str]:
    """Every refund of a payment so far."""
    return list(session.scalars(_OF_PAYMENT, {"merchant": merchant_id, "id": payment_id}))


def _parts(row: Row[Any]) -> Deduction:
    return Deduction(
        row.voucher_minor,
        row.bonus_minor,
        row.principal_minor,
        row.silver_minor,
        row.external_minor,
    )
