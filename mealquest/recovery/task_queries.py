"""Reads of tasks along their indexes, and changes that hold only while the state allows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, text, tuple_, update
from sqlalchemy.orm import Session

from mealquest.core.paging import Keyset
from mealquest.recovery.domain import TaskStatus, TaskType
from mealquest.recovery.models import ScheduledTask

DELETED_AT_ONCE = 5000

# Whose task a number is: one probe of the primary key for each merchant that has tasks.
_OWNER = text(
    """
    WITH RECURSIVE turn (merchant_id) AS (
        (SELECT merchant_id FROM scheduled_tasks ORDER BY merchant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT n.merchant_id FROM scheduled_tasks AS n
                 WHERE n.merchant_id > turn.merchant_id ORDER BY n.merchant_id LIMIT 1)
          FROM turn
         WHERE turn.merchant_id IS NOT NULL
    )
    SELECT t.merchant_id
      FROM turn
      JOIN scheduled_tasks AS t ON t.merchant_id = turn.merchant_id AND t.id = :id
     LIMIT 1
    """
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks. Without a merchant those of all, which only a platform transaction sees."""

    merchant_id: str = ""
    status: TaskStatus | None = None
    task_type: TaskType | None = None
    after: Keyset | None = None


def page(session: Session, wanted: Wanted, limit: int) -> Sequence[ScheduledTask]:
    """Newest first."""
    return session.scalars(
        select(ScheduledTask)
        .where(*_conditions(wanted))
        .order_by(ScheduledTask.created_at.desc(), ScheduledTask.id.desc())
        .limit(limit)
    ).all()


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.merchant_id:
        found.append(ScheduledTask.merchant_id == wanted.merchant_id)
    if wanted.status:
        found.append(ScheduledTask.status == wanted.status)
    if wanted.task_type:
        found.append(ScheduledTask.task_type == wanted.task_type)
    if wanted.after:
        place = tuple_(ScheduledTask.created_at, ScheduledTask.id)
        found.append(place < tuple_(wanted.after.moment, int(wanted.after.id)))
    return found


def owner_of(session: Session, task_id: int) -> str | None:
    found: str | None = session.scalar(_OWNER, {"id": task_id})
    return found


def one(
    session: Session, merchant_id: str, task_id: int, *, lock: bool = False
) -> ScheduledTask | None:
    query = select(ScheduledTask).where(
        ScheduledTask.merchant_id == merchant_id, ScheduledTask.id == task_id
    )
    if lock:
        query = query.with_for_update()
    return session.scalar(query.execution_options(populate_existing=True))


def take_up_again(session: Session, merchant_id: str, task_id: int) -> ScheduledTask | None:
    """A failed task among the pending, as if it were new; None when it has not failed."""
    return session.scalar(
        update(ScheduledTask)
        .where(
            ScheduledTask.merchant_id == merchant_id,
            ScheduledTask.id == task_id,
            ScheduledTask.status == TaskStatus.FAILED,
        )
        .values(
            status=TaskStatus.PENDING,
            run_at=func.now(),
            is_due=True,
            attempts=0,
            claimed_at=None,
            claimed_by=None,
            claim_token=None,
            lease_until=None,
            last_error=None,
            outcome=None,
            completed_at=None,
        )
        .returning(ScheduledTask)
        .execution_options(populate_existing=True)
    )


def remove(session: Session, merchant_id: str, task_id: int) -> bool:
    return bool(
        session.scalar(
            delete(ScheduledTask)
            .where(ScheduledTask.merchant_id == merchant_id, ScheduledTask.id == task_id)
            .returning(ScheduledTask.id)
        )
    )


def remove_completed(session: Session, merchant_id: str) -> int:
    """Some of the completed tasks of a merchant, or of all; 0 when none is left."""
    which = select(ScheduledTask.merchant_id, ScheduledTask.id).where(
        ScheduledTask.status == TaskStatus.COMPLETED
    )
    if merchant_id:
        which = which.where(ScheduledTask.merchant_id == merchant_id)
    some = which.limit(DELETED_AT_ONCE)
    statement: Any = delete(ScheduledTask).where(
        tuple_(ScheduledTask.merchant_id, ScheduledTask.id).in_(some)
    )
    changed: int = session.execute(  # type: ignore[attr-defined]
        statement, execution_options={"synchronize_session": False}
    ).rowcount
    return changed
