"""A worker's batch: claimed together, kept by a heartbeat, done one by one, and given back unbegun.

A task whose end is only its outcome waits for the others of its batch, and they are written
together; one with effects is written at once, in their transaction. Who is lost before that is
done again, as after any crash: processors make sure that a repeat does no harm.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from types import TracebackType

import structlog
from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError

from mealquest.core.db import platform_transaction
from mealquest.core.errors import Unavailable
from mealquest.core.everywhere import everywhere
from mealquest.recovery import queue_queries as queue
from mealquest.recovery import running, tasks
from mealquest.recovery.queue_queries import Task
from mealquest.recovery.running import MOST_ATTEMPTS, Done, Later, Outcome

LEASE_S = 60.0
BATCH_S = 20.0  # after this no further task of a batch is begun: others may have time for it
FRESH_S = 1.0  # so long after the claim a task is certainly still its worker's
WRITE_EVERY_S = 2.0

Told = Callable[[Task, str], None]
log = structlog.get_logger(__name__)


class Held:
    """Claimed tasks, whose leases are renewed until each is ended or given back.

    A task that is worked on for longer than a task may take is kept no more: it hangs.
    """

    def __init__(self, batch: list[Task], lease_s: float) -> None:
        self.left = list(batch)
        self._mine = {_key(one): one for one in batch}
        self._lease_s = lease_s
        self._claimed = self._began = time.monotonic()
        self._longest_s = longest_s()
        self._guard = threading.Lock()
        self._over = threading.Event()
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        beat = copy_context().run  # in the database of the batch
        self._heart = threading.Thread(target=beat, args=(self._beat, app), daemon=True)

    def __enter__(self) -> "Held":
        self._heart.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._heart.join()

    def begin(self) -> Task | None:
        """The next task that is still this worker's."""
        while self.left:
            one = self.left.pop(0)
            self._began = time.monotonic()
            if self._began - self._claimed < FRESH_S or self._begins(one):
                return one
            self.drop(one)
            log.info("task lost before it began", task_id=one.id, merchant_id=one.merchant_id)
        return None

    def drop(self, *ended: Task) -> None:
        with self._guard:
            for one in ended:
                self._mine.pop(_key(one), None)

    def _begins(self, one: Task) -> bool:
        with platform_transaction("a batch holds tasks of several merchants") as session:
            return queue.begin(session, one, self._lease_s)

    def _beat(self, app: Flask) -> None:
        with app.app_context():
            while not self._over.wait(self._lease_s / 3):
                if time.monotonic() - self._began > self._longest_s:
                    log.error("a task hangs; its lease runs out")
                    return
                self._renew()

    def _renew(self) -> None:
        with self._guard:
            mine = list(self._mine.values())
        try:
            with platform_transaction("a batch holds tasks of several merchants") as session:
                queue.renew(session, mine, self._lease_s)
        except (SQLAlchemyError, Unavailable) as away:
            log.warning("leases not renewed", error=type(away).__name__)


def work(
    *,
    most: int = queue.BATCH,
    after: str = "",
    lease_s: float = LEASE_S,
    stops: Callable[[], bool] = lambda: False,
    told: Told = lambda one, outcome: None,
) -> tuple[int, str]:
    """Claim one batch and do it. Its size, and the merchant after whom the next claim goes on.

    `stops` is asked before each task: what is not begun then is given back. `told` hears what
    became of each.
    """
    batch, after = tasks.claim(worker_name(), after=after, most=most, lease_s=lease_s)
    if batch:
        with Held(batch, lease_s) as held:
            _do_all(held, stops, told)
    return len(batch), after


def next_batch(most: int, took_s: float) -> int:
    """How much to claim next: more where tasks are over at once, few where each takes a while, so
    that no worker holds what another has time for."""
    return min(most * 2, queue.LARGEST_BATCH) if took_s < FRESH_S else queue.BATCH


def _do_all(held: Held, stops: Callable[[], bool], told: Told) -> None:
    give_up = time.monotonic() + BATCH_S
    plain: list[tuple[Task, str]] = []
    written = time.monotonic()
    while not stops() and time.monotonic() < give_up and (one := held.begin()):
        outcome = running.outcome_of(one)
        if isinstance(outcome, Done) and not (outcome.effects or outcome.next):
            plain.append((one, outcome.outcome))
        else:
            _settle(held, one, outcome)
        told(one, _words(outcome))
        if time.monotonic() - written > WRITE_EVERY_S:
            _end(held, plain)
            plain, written = [], time.monotonic()
    _end(held, plain)
    _give_back(held)


def _settle(held: Held, one: Task, outcome: Outcome) -> None:
    if not running.settle(one, outcome):
        log.warning("task lost while it ran", task_id=one.id, merchant_id=one.merchant_id)
    held.drop(one)


def _end(held: Held, plain: list[tuple[Task, str]]) -> None:
    """Write ends without effects together; whose task was lost meanwhile changes nothing."""
    if not plain:
        return
    with platform_transaction("a batch holds tasks of several merchants") as session:
        ended = queue.complete_many(session, plain)
    if ended < len(plain):
        log.warning("tasks lost while they ran", count=len(plain) - ended)
    held.drop(*(one for one, _ in plain))


def _give_back(held: Held) -> None:
    if not held.left:
        return
    with platform_transaction("a batch holds tasks of several merchants") as session:
        queue.release(session, held.left)
    held.drop(*held.left)


def rescue() -> int:
    """Take tasks from workers that died or hang; a rescue counts as an attempt."""
    return sum(everywhere(_rescue))


def _rescue() -> int:
    with platform_transaction("lost tasks of every merchant") as session:
        return queue.rescue(session, MOST_ATTEMPTS, longest_s())


def longest_s() -> float:
    """How long a task may be worked on."""
    return float(current_app.config["SETTINGS"].zombie_after_s)


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _key(one: Task) -> tuple[str, int]:
    return one.merchant_id, one.id


def _words(outcome: Outcome) -> str:
    if isinstance(outcome, Done):
        return outcome.outcome
    return f"later: {outcome.why}" if isinstance(outcome, Later) else f"failed: {outcome.why}"
