"""Run claimed tasks: the processor of each type says what became of one, and that is written once.

A processor opens no transaction around what it asks foreign systems. What it wants written, its
effects, the task's end and its successor are one transaction, which the claim's token guards.
"""

import os
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.orm import Session

from mealquest.core.db import platform_transaction, transaction
from mealquest.recovery import queue_queries as queue
from mealquest.recovery import tasks
from mealquest.recovery.domain import TaskStatus, TaskType
from mealquest.recovery.queue_queries import Task
from mealquest.recovery.tasks import NewTask

LEASE_S = 60.0
BACKOFF_S = (60, 300, 1800, 7200, 21_600)  # after the first, second … failed attempt
MOST_ATTEMPTS = len(BACKOFF_S) + 1
ERROR_LENGTH = 500

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """It is done, or has become pointless: `outcome` says which."""

    outcome: str = "done"
    effects: Callable[[Session], None] | None = None
    next: NewTask | None = None


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


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def work(*, most: int = queue.BATCH, after: str = "") -> tuple[int, str]:
    """Claim one batch and run it. Returns its size and the merchant the next claim goes on from."""
    batch = tasks.claim(worker_name(), after=after, most=most, lease_s=LEASE_S)
    for number, one in enumerate(batch):
        if number:
            _keep(batch[number:])
        run(one)
    return len(batch), max((one.merchant_id for one in batch), default="")


def run(one: Task) -> None:
    """Do one claimed task, and write what became of it unless it was lost meanwhile."""
    if not still_mine(one):
        log.info("task lost before it began", task_id=one.id, merchant_id=one.merchant_id)
        return
    if not settle(one, _outcome(one)):
        log.warning("task lost while it ran", task_id=one.id, merchant_id=one.merchant_id)


def settle(one: Task, outcome: Outcome) -> bool:
    """Write the end of a task with its effects, in one transaction. False: it was lost."""
    with transaction(one.merchant_id) as session:
        if not _write(session, one, outcome):
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


def _outcome(one: Task) -> Outcome:
    try:
        process = PROCESSORS[TaskType(one.type)]
    except (KeyError, ValueError):
        return Never(f"unknown task type {one.type}")
    try:
        return process(one)
    except Exception as failure:
        log.error("task failed", task_id=one.id, merchant_id=one.merchant_id, exc_info=failure)
        return Later(f"{type(failure).__name__}: {failure}"[:ERROR_LENGTH])


def _write(session: Session, one: Task, outcome: Outcome) -> bool:
    if isinstance(outcome, Done):
        return queue.end(session, one, TaskStatus.COMPLETED, outcome.outcome, None)
    if isinstance(outcome, Never):
        return queue.end(session, one, TaskStatus.FAILED, None, outcome.why[:ERROR_LENGTH])
    wait_s = outcome.wait_s if outcome.wait_s is not None else backoff_s(one.attempts)
    if wait_s is None or (not outcome.planned and one.attempts >= MOST_ATTEMPTS):
        return queue.end(session, one, TaskStatus.FAILED, None, outcome.why[:ERROR_LENGTH])
    return queue.put_back(session, one, outcome.why, wait_s, planned=outcome.planned)


def _keep(batch: list[Task]) -> None:
    """Renew the leases of what is still to be done of a batch."""
    with platform_transaction("a batch holds tasks of several merchants") as session:
        queue.renew(session, batch, LEASE_S)


def rescue() -> int:
    """Take tasks from workers that died or hang; a rescue counts as an attempt."""
    with platform_transaction("lost tasks of every merchant") as session:
        return queue.rescue(session, MOST_ATTEMPTS)
