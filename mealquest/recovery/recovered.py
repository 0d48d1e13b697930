"""Recovered money: counted once an invoice, put down to one thing, in the currency it came in."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core.clock import utc_now
from mealquest.recovery import cases, tasks, usage
from mealquest.recovery.case_models import Recovery, RecoveryCase
from mealquest.recovery.domain import BroughtBy, Closed, Metric
from mealquest.recovery.gateway import Invoice
from mealquest.recovery.models import DailyRecovery

WINDOW = timedelta(days=7)  # how long a mail, a visit or a charge by hand may have brought it


def paid(
    session: Session, merchant_id: str, invoice: Invoice, at: datetime, event_id: str
) -> Recovery | None:
    """An invoice that had failed is paid: end its case and count the money.

    Of several events that tell of one payment the earliest counts, whichever comes first. None:
    it is counted so already, or was never in recovery.
    """
    case = cases.locked(session, merchant_id, invoice.id)
    if case is None:
        return None
    why = Closed.PAID_OUT_OF_BAND if invoice.is_paid_out_of_band else Closed.PAID
    cases.end(session, merchant_id, invoice.id, why, at)
    known = of_invoice(session, merchant_id, invoice.id)
    if cases.is_start(case) or (known and (known.recovered_at, known.event_id) <= (at, event_id)):
        return None
    counted = _counted(case, invoice, at, event_id)
    if known is None:
        session.add(counted)
        is_money = counted.brought_by is not BroughtBy.OUT_OF_BAND
        if is_money:
            usage.log(session, merchant_id, Metric.RECOVERY_SUCCESS)
        details = {"amount": counted.amount_minor, "currency": counted.currency}
        details |= {"by": counted.brought_by.value, "step": counted.step}
        cases.note(session, merchant_id, invoice.id, "recovered", details)
    else:
        _add(session, known, -1)
        counted = session.merge(counted)
    _add(session, counted, 1)
    session.flush()
    return counted


def of_invoice(session: Session, merchant_id: str, invoice_id: str) -> Recovery | None:
    return session.scalar(
        select(Recovery)
        .where(Recovery.merchant_id == merchant_id, Recovery.invoice_id == invoice_id)
        .with_for_update()
    )


def came_off_stripe(
    session: Session, merchant_id: str, invoice_id: str, off_stripe: int, paid_in_all: int
) -> bool:
    """Take back what was counted though it came past Stripe, which no event says. Whether it did.

    `off_stripe` of `paid_in_all` minor units came so.
    """
    tasks.lock_of_invoices(session, merchant_id, [invoice_id])
    case = cases.locked(session, merchant_id, invoice_id)
    known = of_invoice(session, merchant_id, invoice_id)
    amount = max(0, paid_in_all - off_stripe)
    if case is None or known is None or off_stripe <= 0 or amount >= known.amount_minor:
        return False
    _add(session, known, -1)
    known.amount_minor = amount
    if not amount:
        known.brought_by, known.step = BroughtBy.OUT_OF_BAND, 0
        case.closed_why = Closed.PAID_OUT_OF_BAND
    _add(session, known, 1)
    session.flush()
    details = {"amount": amount, "currency": known.currency}
    cases.note(session, merchant_id, invoice_id, "paid_out_of_band", details)
    return True


def reported(
    session: Session, merchant_id: str, invoice_id: str, amount_minor: int, currency: str
) -> bool:
    """Count what somebody else's worker says it brought, so that an event which tells of the same
    payment later counts no more. False: it is counted already.

    `currency` is of an invoice that never came into recovery; nothing of ours brought its money.
    """
    case = cases.locked(session, merchant_id, invoice_id)
    now = utc_now()
    brought_by, step = brought(case, now) if case else (BroughtBy.STRIPE_RETRY, 0)
    one = Recovery(
        merchant_id=merchant_id,
        invoice_id=invoice_id,
        amount_minor=amount_minor,
        currency=case.currency if case else currency,
        brought_by=brought_by,
        step=step,
        decline_class=case.decline_class if case else None,
        recovered_at=now,
        event_id="worker",
        is_checked=case is None,
    )
    if not _is_first(session, one):
        return False
    usage.log(session, merchant_id, Metric.RECOVERY_SUCCESS)
    _add(session, one, 1)
    return True


def _is_first(session: Session, one: Recovery) -> bool:
    """Write it unless its invoice is counted; without a case no lock keeps two apart."""
    columns = Recovery.__table__.c
    values = {name: getattr(one, name) for name in columns.keys()}  # noqa: SIM118
    fresh = insert(Recovery).values(**values).on_conflict_do_nothing()
    return session.execute(fresh.returning(columns.invoice_id)).first() is not None


def brought(case: RecoveryCase, at: datetime) -> tuple[BroughtBy, int]:
    """What a payment at this time is put down to, and which mail: the last thing that was done."""
    if case.holdout:
        return BroughtBy.HOLDOUT, 0
    done = [
        (case.charged_by_hand_at, BroughtBy.MERCHANT, 0),
        (case.page_opened_at, BroughtBy.PAGE, case.last_step),
        (case.last_mail_at, BroughtBy.MAIL, case.last_step),
    ]
    # Stripe tells the second in which it was paid, and our times are finer.
    until = at + timedelta(seconds=1)
    recent = [one for one in done if one[0] is not None and at - WINDOW <= one[0] < until]
    if not recent:
        return BroughtBy.STRIPE_RETRY, 0
    _, what, step = max(recent, key=lambda one: one[0] or at)
    return what, step


def _counted(case: RecoveryCase, invoice: Invoice, at: datetime, event_id: str) -> Recovery:
    is_out_of_band = invoice.is_paid_out_of_band
    brought_by, step = (BroughtBy.OUT_OF_BAND, 0) if is_out_of_band else brought(case, at)
    return Recovery(
        merchant_id=case.merchant_id,
        invoice_id=case.invoice_id,
        amount_minor=0 if is_out_of_band else max(0, invoice.amount_paid - invoice.off_stripe),
        currency=invoice.currency or case.currency,
        brought_by=brought_by,
        step=step,
        decline_class=case.decline_class,
        recovered_at=at,
        event_id=event_id,
    )


def _add(session: Session, one: Recovery, sign: int) -> None:
    """Into the figures of its day, or out of them. What came past Stripe is no recovered money."""
    day = one.recovered_at.date()
    is_money = one.brought_by is not BroughtBy.OUT_OF_BAND
    usage.add_to_day(
        session,
        one.merchant_id,
        day=day,
        recovered_cents=sign * one.amount_minor,
        recoveries=sign * int(is_money),
    )
    key = {
        "merchant_id": one.merchant_id,
        "metric_date": day,
        "currency": one.currency,
        "brought_by": one.brought_by,
        "step": one.step,
        "decline_class": one.decline_class or cases.UNKNOWN,
    }
    columns = DailyRecovery.__table__.c
    added: dict[str, ColumnElement[int]] = {
        "amount_minor": columns.amount_minor + sign * one.amount_minor,
        "count": columns["count"] + sign,
    }
    # What is taken back was added before, so that nothing negative is ever inserted.
    fresh = insert(DailyRecovery).values(**key, amount_minor=one.amount_minor, count=1)
    session.execute(fresh.on_conflict_do_update(index_elements=list(key), set_=added))
