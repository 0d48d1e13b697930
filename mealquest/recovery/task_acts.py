"""Tasks as people and operators handle them: looked at, asked for, taken up again, removed.

An empty merchant stands for every merchant, which only operators may name.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import outbox
from mealquest.core.db import platform_transaction, transaction
from mealquest.core.errors import FieldError, Invalid
from mealquest.core.everywhere import everywhere, in_turns
from mealquest.core.paging import EXPORT_BATCH, Keyset, batches, cut
from mealquest.core.principal import Principal, Role
from mealquest.recovery import plans, tasks, usage
from mealquest.recovery import task_queries as queries
from mealquest.recovery.domain import OF_MERCHANTS, PLATFORM, Metric, TaskType, chain_key
from mealquest.recovery.errors import NoSuchTask, TaskIsLive, TaskNotFailed
from mealquest.recovery.models import ScheduledTask
from mealquest.recovery.task_forms import NewTaskForm, TasksForm
from mealquest.recovery.task_queries import Wanted
from mealquest.recovery.task_replies import TaskDeleted, TasksDeleted, TasksPage, TaskView
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation

CHANGED = "RECOVERY_CHANGED"
INVOICE_LENGTH = 255
MOST_ROUNDS = 100_000


def listed(merchant_id: str, form: TasksForm, limit: int) -> TasksPage:
    """Newest first. NotFound: an operator named a merchant that does not exist."""
    if merchant_id:
        _require_merchant(merchant_id)
    found, following = _page(merchant_id, form, form.cursor, limit)
    return TasksPage(items=[TaskView.of(row) for row in found], next_cursor=following)


def every(merchant_id: str, form: TasksForm) -> Iterator[list[TaskView]]:
    """All tasks of the filter, in batches that are read as they are asked for."""
    read = batches(lambda cursor: _page(merchant_id, form, cursor, EXPORT_BATCH))
    return ([TaskView.of(row) for row in found] for found in read)


def one(merchant_id: str, task_id: int) -> TaskView:
    merchant_id = whose(merchant_id, task_id)
    with transaction(merchant_id) as session:
        row = queries.one(session, merchant_id, task_id)
        if row is None:
            raise NoSuchTask
        return TaskView.of(row)


def create(merchant_id: str, form: NewTaskForm, by: Principal) -> TaskView:
    """A task that is asked for by hand; it replaces a live one for the same invoice.

    MonthUsedUp, NoPlaceLeft: the plan holds no more. Invalid: the payload lacks what it needs.
    """
    _require_merchant(merchant_id)
    if form.task_type in OF_MERCHANTS:
        return _create_reminder(merchant_id, form, by)
    if by.role is not Role.OPERATOR:
        raise _no("taskType", "taskType is not one of the allowed values")
    return _create_link(merchant_id, form)


def retry(merchant_id: str, task_id: int, by: Principal) -> TaskView:
    """Take a failed task up again, as if it were new, under the limits of a new one.

    TaskNotFailed: it is in any other state. TaskIsLive: another has taken its place.
    """
    merchant_id = whose(merchant_id, task_id)
    try:
        with transaction(merchant_id) as session:
            return _retry(session, merchant_id, task_id, by)
    except IntegrityError:
        raise TaskIsLive from None


def delete(merchant_id: str, task_id: int, by: Principal) -> TaskDeleted:
    """Remove a task; who runs it has lost it and writes nothing more."""
    merchant_id = whose(merchant_id, task_id)
    with transaction(merchant_id) as session:
        if not queries.remove(session, merchant_id, task_id):
            raise NoSuchTask
        _noted(session, merchant_id, {"taskId": task_id, "act": "deleted"}, by)
    return TaskDeleted()


def delete_completed(merchant_id: str, by: Principal) -> TasksDeleted:
    total = 0
    if merchant_id:
        while gone := _delete_some(merchant_id):
            total += gone
    else:
        total = in_turns(lambda: _delete_some(""), MOST_ROUNDS)
    if merchant_id and total:
        with transaction(merchant_id) as session:
            _noted(session, merchant_id, {"act": "completed deleted", "count": total}, by)
    return TasksDeleted(deleted=total)


def whose(merchant_id: str, task_id: int) -> str:
    """The merchant of a task, looked for among all when none is named."""
    if merchant_id:
        return merchant_id
    found = [owner for owner in everywhere(lambda: _owner_here(task_id)) if owner is not None]
    if not found:
        raise NoSuchTask
    return found[0]


def _owner_here(task_id: int) -> str | None:
    with platform_transaction("an operator names a task and no merchant") as session:
        return queries.owner_of(session, task_id)


def told(session: Session, merchant_id: str, invoice_id: str | None) -> None:
    """Open pages hear that a task changed."""
    if merchant_id != PLATFORM:
        outbox.publish(session, merchant_id, CHANGED, {"invoiceId": invoice_id, "what": "task"})


def _page(
    merchant_id: str, form: TasksForm, cursor: str | None, limit: int
) -> tuple[Sequence[ScheduledTask], str | None]:
    after = _place(cursor) if cursor else None
    wanted = Wanted(merchant_id, form.status, form.task_type, after)
    if merchant_id:
        with transaction(merchant_id) as session:
            found = queries.page(session, wanted, limit + 1)
    else:
        found = _page_of_all(wanted, limit + 1)
    return cut(found, limit, lambda row: Keyset(row.created_at, str(row.id)).encode())


def _page_of_all(wanted: Wanted, limit: int) -> Sequence[ScheduledTask]:
    """One order over every database that answers: each gives as many as the page may need."""
    found = [row for rows in everywhere(lambda: _page_here(wanted, limit)) for row in rows]
    return sorted(found, key=lambda row: (row.created_at, row.id), reverse=True)[:limit]


def _page_here(wanted: Wanted, limit: int) -> Sequence[ScheduledTask]:
    with platform_transaction("an operator looks at tasks of every merchant") as session:
        return queries.page(session, wanted, limit)


def _place(cursor: str) -> Keyset:
    place = Keyset.decode(cursor)
    if not (place.id.isascii() and place.id.isdigit() and len(place.id) <= 18):
        raise Invalid("cursor is not valid", code="CURSOR_INVALID")
    return place


def _require_merchant(merchant_id: str) -> None:
    if not merchant_id:
        raise _no("merchantId", "merchantId is required")
    if merchant_id != PLATFORM:
        with transaction(merchant_id) as session:
            tenancy.account_of(session, merchant_id)


def _create_reminder(merchant_id: str, form: NewTaskForm, by: Principal) -> TaskView:
    invoice_id = form.payload.get("invoiceId")
    if not isinstance(invoice_id, str) or not 0 < len(invoice_id.strip()) <= INVOICE_LENGTH:
        raise _no("payload", "payload.invoiceId is required")
    kind = "dunning" if form.task_type is TaskType.DUNNING_RETRY else "action"
    with transaction(merchant_id) as session:
        plans.check_month(session, merchant_id)
        tasks.end_of_type(session, merchant_id, invoice_id, form.task_type, "replaced")
        plans.check_places(session, merchant_id)
        task_id = tasks.enqueue(
            session,
            merchant_id,
            form.task_type,
            form.payload,
            run_at=form.run_at,
            dedupe_key=f"{kind}:{invoice_id}",
            invoice_id=invoice_id,
        )
        if task_id is None:  # one that came in between
            raise TaskIsLive
        _noted(session, merchant_id, {"taskId": task_id, "act": "created"}, by, invoice_id)
        return TaskView.of(_there(session, merchant_id, task_id))


def _create_link(merchant_id: str, form: NewTaskForm) -> TaskView:
    """A link of a chain that is not live. TaskIsLive: it is."""
    owner = PLATFORM if form.task_type is TaskType.REPORT_USAGE else merchant_id
    with transaction(owner) as session:
        task_id = tasks.enqueue(
            session,
            owner,
            form.task_type,
            form.payload,
            run_at=form.run_at,
            dedupe_key=chain_key(form.task_type),
        )
        if task_id is None:
            raise TaskIsLive
        return TaskView.of(_there(session, owner, task_id))


def _there(session: Session, merchant_id: str, task_id: int) -> ScheduledTask:
    row = queries.one(session, merchant_id, task_id)
    if row is None:
        raise NoSuchTask
    return row


def _retry(session: Session, merchant_id: str, task_id: int, by: Principal) -> TaskView:
    _there(session, merchant_id, task_id)
    row = queries.take_up_again(session, merchant_id, task_id)
    if row is None:
        raise TaskNotFailed
    view = TaskView.of(row)
    if merchant_id != PLATFORM:
        if row.task_type in OF_MERCHANTS:
            plans.check_month(session, merchant_id)
            plans.check_places(session, merchant_id)
        usage.log(session, merchant_id, Metric.TASK_RETRY, task_id=task_id)
        _noted(session, merchant_id, {"taskId": task_id, "act": "retried"}, by, row.invoice_id)
    tasks.ring(session)
    return view


def _delete_some(merchant_id: str) -> int:
    if merchant_id:
        with transaction(merchant_id) as session:
            return queries.remove_completed(session, merchant_id)
    with platform_transaction("an operator removes completed tasks of every merchant") as session:
        return queries.remove_completed(session, "")


def _noted(
    session: Session,
    merchant_id: str,
    details: dict[str, object],
    by: Principal,
    invoice_id: str | None = None,
) -> None:
    if merchant_id != PLATFORM:
        audit.record(session, merchant_id, Operation.RECOVERY_TASK_SET, by, details)
        told(session, merchant_id, invoice_id)


def _no(field: str, message: str) -> Invalid:
    return Invalid(message, fields=(FieldError(field, message),))
