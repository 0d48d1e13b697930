"""Run claimed tasks: the processor of each type says what became of one, and that is written once.

A processor opens no transaction around what it asks foreign systems. What it wants written, its
effects, the task's end and its successor are one transaction, which the claim's token guards.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from mealquest.core.db import transaction
from mealquest.recovery import queue_queries as queue
from mealquest.recovery import tasks
from mealquest.recovery.domain import TaskStatus, TaskType
from mealquest.recovery.queue_queries import Task as Task
from mealquest.recovery.tasks import NewTask as NewTask

BACKOFF_S = (60, 300, 1800, 7200, 21_600)  # after the first, second … failed attempt
MOST_ATTEMPTS = len(BACKOFF_S) + 1
LONGEST_WAIT_S = 86_400.0  # that a foreign system may ask for
ERROR_LENGTH = 500

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """It is done, or has become pointless: `outcome` says which.

    `locks` takes rows that have to be locked before the task's own, as others do. `though_lost` is
    what has to be written of an effect that is out, though somebody else has ended the task.
    """

    outcome: str = "done"
    effects: Callable[[Session], None] | None = None
    next: NewTask | None = None
    locks: Callable[[Session], object] | None = None
    though_lost: Callable[[Session], None] | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """Not now. A planned wait is no attempt; else `wait_s`, or the back-off, counts as one."""

    why: str
    wait_s: float | None = None
    planned: bool = False
    effects: Callable[[Session], None] | None = None


@dataclass(frozen=True, slots=True)
class Never:
    """It cannot be done; the task is parked with the reason."""

    why: str
    effects: Callable[[Session], None] | None = None
    next: NewTask | None = None


Outcome = Done | Later | Never
Processor = Callable[[Task], Outcome]

PROCESSORS: dict[TaskType, Processor] = {}


def processor(task_type: TaskType) -> Callable[[Processor], Processor]:
    """Name the function that does tasks of this type."""

    def named(function: Processor) -> Processor:
        PROCESSORS[task_type] = function
        return function

    return named


def settle(one: Task, outcome: Outcome) -> bool:
    """Write the end of a task with its effects, in one transaction. False: it was lost."""
    with transaction(one.merchant_id) as session:
        if isinstance(outcome, Done) and outcome.locks:
            outcome.locks(session)
        if not _write(session, one, outcome):
            if isinstance(outcome, Done) and outcome.though_lost:
                outcome.though_lost(session)
            return False
        if outcome.effects:
            outcome.effects(session)
        if isinstance(outcome, Done | Never) and outcome.next:
            tasks.add(session, outcome.next)
    return True


def still_mine(one: Task) -> bool:
    """Whether the lease still holds: asked right before what cannot be taken back."""
    with transaction(one.merchant_id) as session:
        return queue.is_mine(session, one)


def backoff_s(attempts: int) -> float | None:
    """Seconds until the next attempt, with jitter; None: there is none."""
    if attempts > len(BACKOFF_S):
        return None
    return BACKOFF_S[attempts - 1] * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load only


def outcome_of(one: Task) -> Outcome:
    """What its processor says of a task; an exception is a failure that may pass."""
    try:
        process = PROCESSORS[TaskType(one.type)]
    except (KeyError, ValueError):
        return Never(f"unknown task type {one.type}")
    try:
        return process(one)
    except Exception as failure:
        log.error("task failed", task_id=one.id, merchant_id=one.merchant_id, exc_info=failure)
        return Later(_name_of(failure)[:ERROR_LENGTH])


def _name_of(failure: Exception) -> str:
    """For people to read: a database's error would show them a statement and its values."""
    if isinstance(failure, SQLAlchemyError):
        return type(getattr(failure, "orig", None) or failure).__name__
    return f"{type(failure).__name__}: {failure}"


def _write(session: Session, one: Task, outcome: Outcome) -> bool:
    if isinstance(outcome, Done):
        return queue.end(session, one, TaskStatus.COMPLETED, outcome.outcome, None)
    if isinstance(outcome, Never):
        return queue.end(session, one, TaskStatus.FAILED, None, outcome.why[:ERROR_LENGTH])
    wait_s = outcome.wait_s if outcome.wait_s is not None else backoff_s(one.attempts)
    if wait_s is not None and not outcome.planned:
        wait_s = min(wait_s, LONGEST_WAIT_S)
    if wait_s is None or (not outcome.planned and one.attempts >= MOST_ATTEMPTS):
        return queue.end(session, one, TaskStatus.FAILED, None, outcome.why[:ERROR_LENGTH])
    return queue.put_back(session, one, outcome.why, wait_s, planned=outcome.planned)
