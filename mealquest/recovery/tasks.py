"""Tasks: written with the effect that asks for them, claimed in fair turns, ended once."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, DateTime, func, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core.db import after_commit_ring, platform_transaction
from mealquest.recovery import queue_queries as queue
from mealquest.recovery.domain import LIVE, PLATFORM, TaskStatus, TaskType, new_number
from mealquest.recovery.models import ScheduledTask
from mealquest.recovery.queue_queries import Task

BELL = "recovery"
LOOK_EVERY_S = 1.0
# Written out: a prepared statement with parameters would not be seen to match the index.
_LIVE_WITH_A_KEY = text("status IN ('pending', 'running') AND dedupe_key IS NOT NULL")


_next_look: dict[str, float] = {}  # of this process at the clock, by database


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """Work to be done: at `run_at`, or `delay_s` seconds from now, or at once.

    `dedupe_key` lets one such task be live at a time.
    """

    type: TaskType
    payload: dict[str, Any]
    merchant_id: str = PLATFORM
    run_at: datetime | None = None
    delay_s: float | None = None
    dedupe_key: str | None = None
    invoice_id: str | None = None


def enqueue(
    session: Session,
    merchant_id: str,
    task_type: TaskType,
    payload: dict[str, Any],
    *,
    run_at: datetime | None = None,
    delay_s: float | None = None,
    dedupe_key: str | None = None,
    invoice_id: str | None = None,
) -> int | None:
    """Write a task; its id, or None while a live one has the same key."""
    due_at = _due_at(run_at, delay_s)
    written = session.scalar(
        insert(ScheduledTask)
        .values(
            merchant_id=merchant_id,
            id=new_number(),
            task_type=task_type,
            payload=payload,
            status=TaskStatus.PENDING,
            run_at=due_at,
            is_due=due_at <= func.now(),
            dedupe_key=dedupe_key,
            invoice_id=invoice_id,
        )
        .on_conflict_do_nothing(
            index_elements=["merchant_id", "dedupe_key"],
            index_where=_LIVE_WITH_A_KEY,
        )
        .returning(ScheduledTask.id)
    )
    if written is not None and run_at is None and not delay_s:
        after_commit_ring(session, BELL)
    return written


def ring(session: Session) -> None:
    """Have due tasks looked for once this transaction is committed."""
    after_commit_ring(session, BELL)


def add(session: Session, task: NewTask) -> int | None:
    return enqueue(
        session,
        task.merchant_id,
        task.type,
        task.payload,
        run_at=task.run_at,
        delay_s=task.delay_s,
        dedupe_key=task.dedupe_key,
        invoice_id=task.invoice_id,
    )


def _due_at(run_at: datetime | None, delay_s: float | None) -> ColumnElement[Any]:
    if run_at is not None:
        return literal(run_at, DateTime(timezone=True))
    return func.now() + timedelta(seconds=delay_s or 0.0)


def lock_of_invoices(session: Session, merchant_id: str, invoice_ids: Sequence[str]) -> None:
    """Lock the live tasks of invoices before their cases: in the order of who ends a task."""
    session.execute(
        select(ScheduledTask.id)
        .where(
            ScheduledTask.merchant_id == merchant_id,
            ScheduledTask.invoice_id.in_(invoice_ids),
            ScheduledTask.status.in_(LIVE),
        )
        .order_by(ScheduledTask.id)
        .with_for_update()
    )


def end_of_invoice(
    session: Session, merchant_id: str, invoice_id: str, status: TaskStatus, outcome: str
) -> int:
    """End the live tasks of an invoice; who runs one has lost it. Returns how many."""
    return _end_live(session, merchant_id, status, outcome, ScheduledTask.invoice_id == invoice_id)


def end_of_type(
    session: Session, merchant_id: str, invoice_id: str, task_type: TaskType, outcome: str
) -> int:
    """Cancel the live tasks of one type of an invoice, as a newer one replaces them."""
    which = (ScheduledTask.invoice_id == invoice_id) & (ScheduledTask.task_type == task_type)
    return _end_live(session, merchant_id, TaskStatus.CANCELLED, outcome, which)


def end_all(session: Session, merchant_id: str, types: frozenset[TaskType], outcome: str) -> int:
    """Cancel a merchant's live tasks of these types, as a disconnection does."""
    of_types = ScheduledTask.task_type.in_(types)
    return _end_live(session, merchant_id, TaskStatus.CANCELLED, outcome, of_types)


def _end_live(
    session: Session,
    merchant_id: str,
    status: TaskStatus,
    outcome: str,
    which: ColumnElement[bool],
) -> int:
    ended = session.scalars(
        update(ScheduledTask)
        .where(ScheduledTask.merchant_id == merchant_id, ScheduledTask.status.in_(LIVE), which)
        .values(
            status=status,
            outcome=outcome,
            completed_at=func.now(),
            claim_token=None,
            lease_until=None,
            is_due=False,
        )
        .returning(ScheduledTask.id)
        .execution_options(synchronize_session=False)
    )
    return len(ended.all())


def claim(
    worker: str, *, after: str = "", most: int = queue.BATCH, lease_s: float
) -> tuple[list[Task], str]:
    """Due tasks for this worker, in turn between merchants, and where the next claim goes on.

    Starts again at the first merchant when none comes after `after`. What became due is looked for
    at least once a second, so that a queue which is never empty holds nobody's deadline up.
    """
    with platform_transaction("a worker serves every merchant") as session:
        if _looks_at_the_clock(session.info["place"].name):
            queue.promote(session)
        found = queue.claim(session, worker, after, most, lease_s)
        last = found
        if len(found) < most:
            queue.promote(session)
            last = queue.claim(session, worker, "", most - len(found), lease_s)
            found = found + last
    return found, max((one.merchant_id for one in last or found), default="")


def _looks_at_the_clock(place: str) -> bool:
    now = time.monotonic()
    if now < _next_look.get(place, 0.0):
        return False
    _next_look[place] = now + LOOK_EVERY_S
    return True


def has_due() -> bool:
    with platform_transaction("the tick asks for every merchant at once") as session:
        return queue.has_due(session)


def live_tasks(session: Session, merchant_id: str, invoice_id: str) -> list[ScheduledTask]:
    return list(
        session.scalars(
            select(ScheduledTask).where(
                ScheduledTask.merchant_id == merchant_id,
                ScheduledTask.invoice_id == invoice_id,
                or_(*(ScheduledTask.status == status for status in LIVE)),
            )
        )
    )
