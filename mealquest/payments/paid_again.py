"""Payments that somebody seems to have paid outside twice: noticed, shown, never booked.

The gateway reports a success under another number of its own for a payment that has its money. The
books keep the first; the second is between the customer and the gateway until somebody looks.
"""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.payments.domain import PaymentStatus
from mealquest.payments.models import PaidAgain
from mealquest.payments.waiting import WaitingPayment

HAVE_MONEY = frozenset({PaymentStatus.PAID, PaymentStatus.EXTERNAL_REFUND_DUE})


def notice(session: Session, payment: WaitingPayment, external_txn_id: str | None) -> None:
    """Keep the number of a second success. Without two numbers nobody can tell it from a repeat."""
    first = payment.external_txn_id
    if payment.status in HAVE_MONEY and first and external_txn_id not in {None, first}:
        session.execute(
            insert(PaidAgain)
            .values(
                merchant_id=payment.merchant_id,
                payment_id=payment.id,
                external_txn_id=external_txn_id,
            )
            .on_conflict_do_nothing()
        )


def numbers_of(session: Session, merchant_id: str, payment_id: str) -> tuple[str, ...]:
    """Under which further numbers the payment was paid, oldest first."""
    found = select(PaidAgain.external_txn_id).where(
        PaidAgain.merchant_id == merchant_id, PaidAgain.payment_id == payment_id
    )
    in_order = found.order_by(PaidAgain.noticed_at, PaidAgain.external_txn_id)
    return tuple(session.scalars(in_order))


def how_many_since(session: Session, merchant_id: str, since: datetime) -> int:
    """Payments of which that was noticed since then."""
    payments = func.count(PaidAgain.payment_id.distinct())
    found = session.scalar(
        select(payments).where(PaidAgain.merchant_id == merchant_id, PaidAgain.noticed_at >= since)
    )
    return found or 0
