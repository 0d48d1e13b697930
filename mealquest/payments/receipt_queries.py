"""The statement behind a receipt, and the one behind the customers at hand."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.core.money import Currency
from mealquest.identity import service as identity
from mealquest.identity.service import CustomerView, masked
from mealquest.payments.domain import PaymentStatus
from mealquest.wallet.service import Deduction


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """A payment as a receipt tells it. `left_after` is what its quote said would be left."""

    payment_id: str
    customer_id: str
    display_name: str
    phone_last4: str | None
    status: PaymentStatus
    currency: Currency
    parts: Deduction
    refunded_minor: int
    voucher_name: str | None
    left_after: dict[str, Any] | None
    taken_at: datetime
    paid_at: datetime


_ONE = text(
    """
    SELECT p.id, p.customer_id, c.phone_last4, p.status, p.currency,
           p.voucher_minor, p.bonus_minor, p.principal_minor, p.silver_minor, p.external_minor,
           p.refunded_minor, p.quote #>> '{selectedVoucher,name}' AS voucher_name,
           p.quote -> 'remainingWallet' AS left_after, p.created_at,
           coalesce(p.confirmed_at, p.created_at) AS paid_at
      FROM payments p
      JOIN customers c ON c.merchant_id = p.merchant_id AND c.id = p.customer_id
     WHERE p.merchant_id = :merchant AND p.id = :id
    """
)
# The newest payments along their index, so that a long history costs nothing.
_SERVED = text(
    """
    SELECT c.id, c.phone_last4, c.tags, c.created_at FROM (
           SELECT customer_id, max(place) AS place FROM (
                  SELECT customer_id, row_number() OVER (ORDER BY created_at, id) AS place
                    FROM (SELECT customer_id, created_at, id FROM payments
                           WHERE merchant_id = :merchant
                           ORDER BY created_at DESC, id DESC LIMIT :payments) newest
                  ) placed
            GROUP BY customer_id
           ) served
      JOIN customers c ON c.merchant_id = :merchant AND c.id = served.customer_id
     WHERE c.deleted_at IS NULL
     ORDER BY served.place DESC LIMIT :customers
    """
)


def receipt_facts(session: Session, merchant_id: str, payment_id: str) -> ReceiptFacts | None:
    row = session.execute(_ONE, {"merchant": merchant_id, "id": payment_id}).first()
    if row is None:
        return None
    people = identity.shown_customers(session, merchant_id, [row.customer_id])
    return ReceiptFacts(
        row.id,
        row.customer_id,
        people[row.customer_id].display_name,
        row.phone_last4,
        PaymentStatus(row.status),
        Currency(row.currency),
        Deduction(
            row.voucher_minor,
            row.bonus_minor,
            row.principal_minor,
            row.silver_minor,
            row.external_minor,
        ),
        row.refunded_minor,
        row.voucher_name,
        row.left_after,
        row.created_at,
        row.paid_at,
    )


def last_served(
    session: Session, merchant_id: str, *, payments: int, customers: int
) -> list[CustomerView]:
    """The customers of the newest `payments` payments, the last one first."""
    named = {"merchant": merchant_id, "payments": payments, "customers": customers}
    rows = session.execute(_SERVED, named).all()
    people = identity.shown_customers(session, merchant_id, [row.id for row in rows])
    return [
        CustomerView(
            uid=row.id,
            display_name=people[row.id].display_name,
            phone_masked=masked(row.phone_last4),
            tags=row.tags,
            created_at=row.created_at,
        )
        for row in rows
    ]
