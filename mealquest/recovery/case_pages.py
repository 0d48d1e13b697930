"""Invoices in recovery, as a list and one by one; stop its reminders, or send the next one now."""

from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core.db import after_commit_ring, transaction
from mealquest.core.paging import EXPORT_BATCH, Keyset, batches, cut, span_of_days
from mealquest.core.principal import Principal
from mealquest.recovery import cases, tasks
from mealquest.recovery.activity_forms import CasesForm
from mealquest.recovery.case_models import CaseEntry, Recovery, RecoveryCase
from mealquest.recovery.case_replies import (
    CaseRowView,
    CasesView,
    CaseView,
    ChangedCaseView,
    EntryView,
    OpenTaskView,
    RecoveredView,
)
from mealquest.recovery.declines import DeclineClass
from mealquest.recovery.domain import LIVE, OF_MERCHANTS, CaseStatus, TaskStatus
from mealquest.recovery.errors import NoSuchCase, NothingToSend
from mealquest.recovery.models import ScheduledTask
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation

ENTRIES = 200  # newest lines of a timeline
STOPPED, HURRIED = "reminders_stopped", "reminder_hurried"


def listed(merchant_id: str, form: CasesForm) -> CasesView:
    """A page of it, the newest failure first. Days are the shop's."""
    found, after = _page(merchant_id, form, form.cursor, form.limit)
    return CasesView(items=found, next_cursor=after)


def every(merchant_id: str, form: CasesForm) -> Iterator[Sequence[CaseRowView]]:
    """All of the filter, in batches that are read as they are asked for."""
    return batches(lambda cursor: _page(merchant_id, form, cursor, EXPORT_BATCH))


def one(merchant_id: str, invoice_id: str) -> CaseView:
    """NoSuchCase: this invoice never failed, or is another merchant's."""
    with transaction(merchant_id) as session:
        row = session.get(RecoveryCase, (merchant_id, invoice_id))
        if row is None:
            raise NoSuchCase
        account = tenancy.account_of(session, merchant_id)
        live = tasks.live_tasks(session, merchant_id, invoice_id)
        return CaseView(
            **CaseRowView.values(row),
            next_at=min((task.run_at for task in live), default=None),
            subscription_id=row.subscription_id,
            billing_reason=row.billing_reason,
            last_failed_at=row.last_failed_at,
            entries=_entries(session, merchant_id, invoice_id),
            tasks=[_task(task) for task in live],
            recovered=_recovered(session, merchant_id, invoice_id),
            may_charge=_may_charge(row) and account.is_connected,
            is_connected=account.is_connected,
        )


def stop(merchant_id: str, invoice_id: str, by: Principal) -> ChangedCaseView:
    """Send no more reminders of this invoice; what waits is cancelled. A repeat changes nothing."""
    with transaction(merchant_id) as session:
        row = _open_case(session, merchant_id, invoice_id)
        if row.reminders_stopped_at is not None:
            return ChangedCaseView(invoice_id=invoice_id, changed=False)
        row.reminders_stopped_at = session.scalars(select(func.now())).one()
        session.flush()
        ended = tasks.end_of_invoice(
            session, merchant_id, invoice_id, TaskStatus.CANCELLED, STOPPED
        )
        cases.note(session, merchant_id, invoice_id, STOPPED, {"cancelled": ended})
        details = {"invoiceId": invoice_id, "cancelled": ended}
        audit.record(session, merchant_id, Operation.RECOVERY_REMINDERS_STOP, by, details)
    return ChangedCaseView(invoice_id=invoice_id, changed=True)


def hurry(merchant_id: str, invoice_id: str, by: Principal) -> ChangedCaseView:
    """Make the reminder that waits due now; quiet hours, gaps and caps hold all the same.

    NothingToSend: none waits.
    """
    with transaction(merchant_id) as session:
        _open_case(session, merchant_id, invoice_id)
        moved = session.scalars(
            update(ScheduledTask)
            .where(
                ScheduledTask.merchant_id == merchant_id,
                ScheduledTask.invoice_id == invoice_id,
                ScheduledTask.status == TaskStatus.PENDING,
                ScheduledTask.task_type.in_(OF_MERCHANTS),
            )
            .values(run_at=func.now(), is_due=True)
            .returning(ScheduledTask.id)
            .execution_options(synchronize_session=False)
        ).all()
        if not moved:
            raise NothingToSend
        after_commit_ring(session, tasks.BELL)
        cases.note(session, merchant_id, invoice_id, HURRIED, {})
        details = {"invoiceId": invoice_id}
        audit.record(session, merchant_id, Operation.RECOVERY_REMINDER_SEND, by, details)
    return ChangedCaseView(invoice_id=invoice_id, changed=True)


def _open_case(session: Session, merchant_id: str, invoice_id: str) -> RecoveryCase:
    row = cases.locked(session, merchant_id, invoice_id)
    if row is None:
        raise NoSuchCase
    if row.status is not CaseStatus.OPEN:
        raise NothingToSend
    return row


def _may_charge(row: RecoveryCase) -> bool:
    """As far as is known here; Stripe and the networks' limits are asked when it is done."""
    is_hard = row.decline_class == DeclineClass.HARD.value
    return row.status is CaseStatus.OPEN and not is_hard and row.next_payment_attempt is None


def _entries(session: Session, merchant_id: str, invoice_id: str) -> list[EntryView]:
    """The newest last."""
    rows = session.scalars(
        select(CaseEntry)
        .where(CaseEntry.merchant_id == merchant_id, CaseEntry.invoice_id == invoice_id)
        .order_by(CaseEntry.at.desc(), CaseEntry.id.desc())
        .limit(ENTRIES)
    ).all()
    return [EntryView(kind=row.kind, at=row.at, details=row.details) for row in reversed(rows)]


def _recovered(session: Session, merchant_id: str, invoice_id: str) -> RecoveredView | None:
    row = session.get(Recovery, (merchant_id, invoice_id))
    if row is None:
        return None
    return RecoveredView(
        amount_minor=row.amount_minor,
        currency=row.currency,
        brought_by=row.brought_by.value,
        step=row.step,
        at=row.recovered_at,
    )


def _task(row: ScheduledTask) -> OpenTaskView:
    return OpenTaskView(
        id=row.id,
        task_type=str(row.task_type),
        status=row.status.value,
        run_at=row.run_at,
        attempts=row.attempts,
        last_error=row.last_error,
    )


def _page(
    merchant_id: str, form: CasesForm, cursor: str | None, limit: int
) -> tuple[list[CaseRowView], str | None]:
    place = Keyset.decode(cursor) if cursor else None
    with transaction(merchant_id) as session:
        zone = ZoneInfo(tenancy.place_of(session, merchant_id).time_zone)
        query = _query(merchant_id, form, zone).limit(limit + 1)
        if place:
            last = tuple_(RecoveryCase.first_failed_at, RecoveryCase.invoice_id)
            query = query.where(last < (place.moment, place.id))
        rows, after = cut(session.scalars(query).all(), limit, _place)
        due = _due(session, merchant_id, [row.invoice_id for row in rows])
    shown = [
        CaseRowView(**CaseRowView.values(row), next_at=due.get(row.invoice_id)) for row in rows
    ]
    return shown, after


def _query(merchant_id: str, form: CasesForm, zone: ZoneInfo) -> Any:
    query = (
        select(RecoveryCase)
        .where(RecoveryCase.merchant_id == merchant_id)
        .order_by(RecoveryCase.first_failed_at.desc(), RecoveryCase.invoice_id.desc())
    )
    days = span_of_days(form.from_day, form.to_day, zone)
    if form.status:
        query = query.where(RecoveryCase.status == form.status)
    if form.decline:
        query = query.where(func.coalesce(RecoveryCase.decline_class, "unknown") == form.decline)
    if days.since:
        query = query.where(RecoveryCase.first_failed_at >= days.since)
    if days.until:
        query = query.where(RecoveryCase.first_failed_at < days.until)
    return query


def _due(session: Session, merchant_id: str, invoices: list[str]) -> dict[str, Any]:
    """When the next reminder of each is due."""
    rows = session.execute(
        select(ScheduledTask.invoice_id, func.min(ScheduledTask.run_at))
        .where(
            ScheduledTask.merchant_id == merchant_id,
            ScheduledTask.invoice_id.in_(invoices),
            ScheduledTask.status.in_(LIVE),
        )
        .group_by(ScheduledTask.invoice_id)
    )
    return {str(invoice_id): run_at for invoice_id, run_at in rows}


def _place(row: RecoveryCase) -> str:
    return Keyset(row.first_failed_at, row.invoice_id).encode()
