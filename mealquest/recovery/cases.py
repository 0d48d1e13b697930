"""Invoices in recovery: opened by a failure, ended once. Events may come in any order, and twice.

A case is what its events say, whichever came first: facts are those of the newest event, the end
is the earliest that Stripe told of, and a payment outweighs every other end.
"""

from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core import outbox
from mealquest.recovery import tasks, usage
from mealquest.recovery.case_models import CaseEntry, DunningSettings, RecoveryCase
from mealquest.recovery.declines import decline_of
from mealquest.recovery.domain import CaseStatus, Closed, Metric, TaskStatus, new_number
from mealquest.recovery.gateway import Invoice

CHANGED = "RECOVERY_CHANGED"
UNKNOWN = "unknown"
# What a live task of an invoice ends with, by why the invoice left recovery.
OUTCOMES = {
    Closed.PAID: "invoice_paid",
    Closed.PAID_OUT_OF_BAND: "invoice_paid",
    Closed.VOIDED: "invoice_voided",
    Closed.UNCOLLECTIBLE: "invoice_uncollectible",
    Closed.SUBSCRIPTION_ENDED: "subscription_ended",
    Closed.DISCONNECTED: "disconnected",
}
PAID = frozenset({Closed.PAID, Closed.PAID_OUT_OF_BAND})
FAILED = frozenset({Closed.UNCOLLECTIBLE, Closed.SUBSCRIPTION_ENDED})  # a void one never was due
STARTS = "subscription_create"


def failed(
    session: Session,
    merchant_id: str,
    invoice: Invoice,
    at: datetime,
    event_id: str,
    *,
    needs_action: bool = False,
) -> RecoveryCase:
    """Note a failed payment of an invoice, locked until the end of the transaction."""
    is_new = _open(session, merchant_id, invoice, at)
    row = locked(session, merchant_id, invoice.id)
    if row is None:
        raise RuntimeError("a case that was just opened is there")
    if is_new:
        row.holdout = is_held_out(session, merchant_id, invoice.customer_id)
        _count(session, row, at, failures=1)
    elif at < row.first_failed_at:
        _count(session, row, row.first_failed_at, failures=-1)
        _count(session, row, at, failures=1)
        row.first_failed_at = at
    if row.closed_why is Closed.DISCONNECTED and at > _closed_at(row):
        _reopen(session, row)
    row.needs_action = row.needs_action or needs_action
    if (at, event_id) >= (row.last_event_at, row.last_event_id or ""):
        row.last_event_id = event_id
        _take_facts(row, invoice, at)
    kind = "action_required" if needs_action else "failed"
    if is_new or not _is_noted(session, row, kind, invoice.attempt_count):
        note(session, merchant_id, invoice.id, kind, _failure_details(invoice), at=at)
    session.flush()
    return row


def _open(session: Session, merchant_id: str, invoice: Invoice, at: datetime) -> bool:
    """Whether there was no case of the invoice before."""
    opened = session.execute(
        insert(RecoveryCase)
        .values(
            merchant_id=merchant_id,
            invoice_id=invoice.id,
            status=CaseStatus.OPEN,
            currency=invoice.currency,
            amount_due=max(0, invoice.amount_remaining),
            attempt_count=invoice.attempt_count,
            billing_reason=invoice.billing_reason,
            first_failed_at=at,
            last_failed_at=at,
            last_event_at=at,
        )
        .on_conflict_do_nothing(index_elements=["merchant_id", "invoice_id"])
        .returning(RecoveryCase.invoice_id)
    )
    return opened.first() is not None


def is_start(row: RecoveryCase) -> bool:
    """Whether it is the first payment of a subscription, which nobody can lose or win back.

    Somebody sits in front of it and authenticates; the merchant's own page sees to that.
    """
    return row.billing_reason == STARTS


def _count(session: Session, row: RecoveryCase, at: datetime, **figures: int) -> None:
    if not is_start(row):
        usage.add_to_day(session, row.merchant_id, day=at.date(), **figures)


def _count_loss(session: Session, row: RecoveryCase, sign: int) -> None:
    """A disconnection loses nothing: the payer may pay yet, and the merchant may come back."""
    if row.status is CaseStatus.LOST and row.closed_why is not Closed.DISCONNECTED:
        _count(session, row, _closed_at(row), losses=sign)


def _closed_at(row: RecoveryCase) -> datetime:
    if row.closed_at is None:
        raise RuntimeError("a closed case says when")
    return row.closed_at


def _reopen(session: Session, row: RecoveryCase) -> None:
    """The account is connected again, and the invoice still unpaid."""
    row.status, row.closed_why, row.closed_at = CaseStatus.OPEN, None, None
    row.scheduled_attempt = 0


def _take_facts(row: RecoveryCase, invoice: Invoice, at: datetime) -> None:
    """Of the newest event. What is due is what is left of it, after part payments and credits."""
    row.last_event_at = row.last_failed_at = at
    row.stripe_customer_id = invoice.customer_id
    row.subscription_id = invoice.subscription_id
    row.currency = invoice.currency
    row.amount_due = max(0, invoice.amount_remaining)
    row.attempt_count = max(row.attempt_count, invoice.attempt_count)
    row.billing_reason = invoice.billing_reason
    row.next_payment_attempt = (
        invoice.next_payment_attempt if row.status is CaseStatus.OPEN else None
    )
    if invoice.decline:
        found = decline_of(invoice.decline.decline_code, invoice.decline.code)
        row.decline_code = invoice.decline.decline_code or invoice.decline.code
        row.decline_class = found.kind.value


def _failure_details(invoice: Invoice) -> dict[str, Any]:
    return {
        "attempt": invoice.attempt_count,
        "amountDue": invoice.amount_due,
        "currency": invoice.currency,
    }


def end(
    session: Session, merchant_id: str, invoice_id: str, why: Closed, at: datetime
) -> RecoveryCase | None:
    """End a case and its live tasks. The case when this changed it; None: no case, or ended so."""
    row = locked(session, merchant_id, invoice_id)
    if row is None or not _outweighs(row, why, at):
        return None
    was_open = row.status is CaseStatus.OPEN
    _count_loss(session, row, -1)
    row.status = CaseStatus.RECOVERED if why in PAID else CaseStatus.LOST
    row.closed_why, row.closed_at, row.next_payment_attempt = why, at, None
    session.flush()
    _count_loss(session, row, 1)
    tasks.end_of_invoice(
        session,
        merchant_id,
        invoice_id,
        TaskStatus.COMPLETED if why in PAID else TaskStatus.CANCELLED,
        OUTCOMES[why],
    )
    if was_open and why in FAILED and not is_start(row):
        usage.log(session, merchant_id, Metric.RECOVERY_FAILED)
    if was_open or not _is_noted(session, row, why.value, None):
        note(session, merchant_id, invoice_id, why.value, {}, at=at)
    return row


def _outweighs(row: RecoveryCase, why: Closed, at: datetime) -> bool:
    if row.closed_at is None:
        return True
    if (why in PAID) is not (row.status is CaseStatus.RECOVERED):
        return why in PAID
    return (at, why.value) < (row.closed_at, str(row.closed_why))


def end_of_subscription(
    session: Session, merchant_id: str, subscription_id: str, at: datetime
) -> int:
    """End every case of a subscription that is no more; returns how many that changed."""
    ids = of_subscription(session, merchant_id, subscription_id)
    tasks.lock_of_invoices(session, merchant_id, ids)
    ended = [end(session, merchant_id, one, Closed.SUBSCRIPTION_ENDED, at) for one in ids]
    return len([one for one in ended if one])


def of_subscription(session: Session, merchant_id: str, subscription_id: str) -> list[str]:
    """Invoices that are open, or were lost for a reason that came later than another may have."""
    return list(
        session.scalars(
            select(RecoveryCase.invoice_id)
            .where(
                RecoveryCase.merchant_id == merchant_id,
                RecoveryCase.subscription_id == subscription_id,
                RecoveryCase.status != CaseStatus.RECOVERED,
            )
            .order_by(RecoveryCase.invoice_id)
        )
    )


def end_all(session: Session, merchant_id: str, at: datetime) -> int:
    """End every open case, as a disconnection does; returns how many."""
    ids = session.scalars(
        select(RecoveryCase.invoice_id)
        .where(RecoveryCase.merchant_id == merchant_id, RecoveryCase.status == CaseStatus.OPEN)
        .order_by(RecoveryCase.invoice_id)
    ).all()
    for one in ids:
        end(session, merchant_id, one, Closed.DISCONNECTED, at)
    return len(ids)


def locked(session: Session, merchant_id: str, invoice_id: str) -> RecoveryCase | None:
    return session.scalar(
        select(RecoveryCase)
        .where(RecoveryCase.merchant_id == merchant_id, RecoveryCase.invoice_id == invoice_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def note(
    session: Session,
    merchant_id: str,
    invoice_id: str,
    kind: str,
    details: dict[str, Any],
    *,
    at: datetime | None = None,
) -> None:
    """A line of the invoice's timeline, and word of it to open pages."""
    session.execute(
        insert(CaseEntry).values(
            merchant_id=merchant_id,
            id=new_number(),
            invoice_id=invoice_id,
            kind=kind,
            details=details,
            at=at or func.now(),
        )
    )
    outbox.publish(session, merchant_id, CHANGED, {"invoiceId": invoice_id, "what": kind})


def _is_noted(session: Session, row: RecoveryCase, kind: str, attempt: int | None) -> bool:
    """Whether the timeline has that line: Stripe may tell of one thing by two events."""
    query = select(CaseEntry.id).where(
        CaseEntry.merchant_id == row.merchant_id,
        CaseEntry.invoice_id == row.invoice_id,
        CaseEntry.kind == kind,
    )
    if attempt is not None:
        query = query.where(CaseEntry.details["attempt"].as_integer() == attempt)
    return session.scalars(query.limit(1)).first() is not None


def is_held_out(session: Session, merchant_id: str, payer_id: str | None) -> bool:
    """By lot, always the same for one payer: whom the merchant never mails, to tell the lift."""
    percent = session.scalar(
        select(DunningSettings.holdout_percent).where(DunningSettings.merchant_id == merchant_id)
    )
    drawn = int.from_bytes(sha256(f"{merchant_id}\n{payer_id}".encode()).digest()[:4])
    return bool(percent) and payer_id is not None and drawn % 10_000 < (percent or 0) * 100
