"""Recovered money: counted once an invoice, put down to one thing, in the currency it came in."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.recovery import cases, usage
from mealquest.recovery.case_models import Recovery, RecoveryCase
from mealquest.recovery.domain import BroughtBy, Closed, Metric
from mealquest.recovery.gateway import Invoice
from mealquest.recovery.models import DailyRecovery

WINDOW = timedelta(days=7)  # how long a mail, a visit or a charge by hand may have brought it


def paid(
    session: Session, merchant_id: str, invoice: Invoice, at: datetime, event_id: str
) -> Recovery | None:
    """An invoice that had failed is paid: end its case and count the money.

    None: it is counted already, or was never in recovery.
    """
    why = Closed.PAID_OUT_OF_BAND if invoice.is_paid_out_of_band else Closed.PAID
    case = cases.end(session, merchant_id, invoice.id, why, at)
    if case is None:
        return None
    brought_by, step = brought(case, at)
    amount = 0 if invoice.is_paid_out_of_band else max(0, invoice.amount_paid)
    counted = session.scalar(
        insert(Recovery)
        .values(
            merchant_id=merchant_id,
            invoice_id=invoice.id,
            amount_minor=amount,
            currency=invoice.currency,
            brought_by=brought_by,
            step=step,
            decline_class=case.decline_class,
            recovered_at=at,
            event_id=event_id,
        )
        .on_conflict_do_nothing(index_elements=["merchant_id", "invoice_id"])
        .returning(Recovery)
    )
    if counted is not None:
        _add(session, counted)
    return counted


def brought(case: RecoveryCase, at: datetime) -> tuple[BroughtBy, int]:
    """What a payment at this time is put down to, and which mail: the last thing that was done."""
    if case.closed_why is Closed.PAID_OUT_OF_BAND:
        return BroughtBy.OUT_OF_BAND, 0
    if case.holdout:
        return BroughtBy.HOLDOUT, 0
    done = [
        (case.charged_by_hand_at, BroughtBy.MERCHANT, 0),
        (case.page_opened_at, BroughtBy.PAGE, case.last_step),
        (case.last_mail_at, BroughtBy.MAIL, case.last_step),
    ]
    recent = [one for one in done if one[0] is not None and at - WINDOW <= one[0] <= at]
    if not recent:
        return BroughtBy.STRIPE_RETRY, 0
    _, what, step = max(recent, key=lambda one: one[0] or at)
    return what, step


def _add(session: Session, one: Recovery) -> None:
    day = one.recovered_at.date()
    is_money = one.brought_by is not BroughtBy.OUT_OF_BAND
    usage.add_to_day(
        session,
        one.merchant_id,
        day=day,
        recovered_cents=one.amount_minor,
        recoveries=int(is_money),
    )
    if is_money:
        usage.log(session, one.merchant_id, Metric.RECOVERY_SUCCESS)
    fresh = insert(DailyRecovery).values(
        merchant_id=one.merchant_id,
        metric_date=day,
        currency=one.currency,
        brought_by=one.brought_by,
        step=one.step,
        decline_class=one.decline_class or cases.UNKNOWN,
        amount_minor=one.amount_minor,
        count=1,
    )
    columns = DailyRecovery.__table__.c
    added: dict[str, ColumnElement[int]] = {
        name: columns[name] + fresh.excluded[name] for name in ("amount_minor", "count")
    }
    keys = ["merchant_id", "metric_date", "currency", "brought_by", "step", "decline_class"]
    session.execute(fresh.on_conflict_do_update(index_elements=keys, set_=added))
    details = {"amount": one.amount_minor, "currency": one.currency, "by": one.brought_by.value}
    cases.note(session, one.merchant_id, one.invoice_id, "recovered", details | {"step": one.step})
