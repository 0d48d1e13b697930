"""Work done by somebody else's worker, over HTTP: the same claim, the same single end."""

from typing import Any

from sqlalchemy.orm import Session

from mealquest.core.db import databases, transaction
from mealquest.core.errors import Conflict
from mealquest.core.everywhere import one_after_another
from mealquest.core.places import here
from mealquest.recovery import queue_queries as queue
from mealquest.recovery import recovered, task_acts, tasks, usage
from mealquest.recovery import task_queries as queries
from mealquest.recovery.domain import OF_MERCHANTS, Metric, TaskStatus
from mealquest.recovery.errors import NoSuchTask, TaskNotClaimed
from mealquest.recovery.models import ScheduledTask
from mealquest.recovery.queue_queries import Task
from mealquest.recovery.task_forms import CompleteForm
from mealquest.recovery.task_replies import Claimed, ClaimedTask, TaskDone
from mealquest.recovery.working import longest_s

CODE_LENGTH = 3  # of a currency
REPORTED = "the worker reported a failure"
_after: dict[str, str] = {}  # where this process's next claim goes on, by database


def claim(worker: str) -> Claimed:
    """One due task, kept for as long as a task may take: nobody renews this lease."""
    found: list[Task] = []
    one_after_another(lambda: _claim_here(worker, found))
    if not found:
        return Claimed(task=None)
    (one,) = found
    with transaction(one.merchant_id) as session:
        row = queries.one(session, one.merchant_id, one.id)
        if row is None or row.claim_token != one.claim_token:
            return Claimed(task=None)
        return Claimed(task=ClaimedTask.of(row))


def _claim_here(worker: str, found: list[Task]) -> bool:
    place = here(databases()).name
    after = _after.get(place, "")
    found[:], _after[place] = tasks.claim(worker, after=after, most=1, lease_s=longest_s())
    return bool(found)


def complete(form: CompleteForm) -> TaskDone:
    """End a claimed task; the same end told again changes nothing.

    NoSuchTask. TaskNotClaimed: it is not running, or ran for another claim, or ended otherwise.
    """
    merchant_id = task_acts.whose(form.merchant_id or "", form.task_id)
    wanted = TaskStatus.COMPLETED if form.success else TaskStatus.FAILED
    with transaction(merchant_id) as session:
        row = queries.one(session, merchant_id, form.task_id, lock=True)
        if row is None:
            raise NoSuchTask
        if row.status is wanted and row.claimed_by is not None:
            return TaskDone()
        _end(session, row, form, wanted)
    return TaskDone()


def _end(session: Session, row: ScheduledTask, form: CompleteForm, wanted: TaskStatus) -> None:
    token = row.claim_token or ""
    if row.status is not TaskStatus.RUNNING or form.claim_token not in {None, token}:
        raise TaskNotClaimed
    one = Task(
        row.merchant_id, row.id, row.task_type, row.payload, row.attempts, row.invoice_id, token
    )
    outcome, error = ("done", None) if form.success else (None, REPORTED)
    if not queue.end(session, one, wanted, outcome, error):
        raise Conflict("the task has no claim to end", code=TaskNotClaimed.code)
    if row.task_type in OF_MERCHANTS:
        _count(session, row, form)
    task_acts.told(session, row.merchant_id, row.invoice_id)


def _count(session: Session, row: ScheduledTask, form: CompleteForm) -> None:
    """What a worker says it brought is counted once an invoice, as what Stripe says is."""
    if not form.success:
        usage.log(session, row.merchant_id, Metric.RECOVERY_FAILED, task_id=row.id)
        return
    cents = form.recovered_cents or 0
    if not (row.invoice_id and cents):
        usage.log(session, row.merchant_id, Metric.RECOVERY_SUCCESS, task_id=row.id)
    else:
        currency = _currency(row.payload)
        recovered.reported(session, row.merchant_id, row.invoice_id, cents, currency)
    if cents and not row.invoice_id:
        usage.add_to_day(session, row.merchant_id, recovered_cents=cents)


def _currency(payload: dict[str, Any]) -> str:
    """Of a task's amounts: Stripe's code; US dollars where the task names none."""
    said = payload.get("currency")
    is_code = isinstance(said, str) and len(said) == CODE_LENGTH and said.isalpha()
    return str(said).lower() if is_code and str(said).isascii() else "usd"
