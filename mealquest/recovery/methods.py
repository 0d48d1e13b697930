"""A payer's new payment method: what was said about the old one is not to be said any more."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from mealquest.recovery import cases, tasks
from mealquest.recovery.case_models import RecoveryCase
from mealquest.recovery.domain import OF_MERCHANTS, CaseStatus

OUTCOME = "new_method"


def attached(session: Session, merchant_id: str, payer_id: str, at: datetime) -> int:
    """Stop what waits for a payer's open invoices that failed before; returns how many.

    If the new method is declined too, that failure is told, and reminded of, anew.
    """
    open_ones = session.scalars(
        select(RecoveryCase.invoice_id)
        .where(
            RecoveryCase.merchant_id == merchant_id,
            RecoveryCase.stripe_customer_id == payer_id,
            RecoveryCase.status == CaseStatus.OPEN,
            RecoveryCase.last_failed_at <= at,
        )
        .order_by(RecoveryCase.invoice_id)
        .with_for_update()
    ).all()
    for invoice_id in open_ones:
        for task_type in OF_MERCHANTS:
            tasks.end_of_type(session, merchant_id, invoice_id, task_type, OUTCOME)
        cases.note(session, merchant_id, invoice_id, OUTCOME, {}, at=at)
    return len(open_ones)
