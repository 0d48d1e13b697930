"""So many turns with the model at once, over all workers; the others wait, each merchant in turn.

The line is a small state that all workers share. Who waits says so again and again, and who is
served renews a short lease: a worker that was killed holds nobody up for longer than that.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import redis
from prometheus_client import Histogram

from mealquest.core.ids import new_id
from mealquest.strategy.agent.config import QUEUE_MOST, ModelConfig
from mealquest.strategy.agent.shared import Json, Shared

WAIT_S = 45.0
MERCHANT_MOST = 4  # of one merchant's turns may wait at once
UNSEEN_S = 3.0  # a waiting turn that has not asked for so long is gone
LEASE_S = 6.0
RENEWALS = 4  # of a lease, before it would end
POLL_S = 0.05

queue_seconds = Histogram(
    "mealquest_ai_queue_wait_seconds",
    "Time a turn waited for the model until it was served, or turned away: full, late.",
    ["outcome"],
    buckets=(0.01, 0.05, 0.25, 1, 2.5, 5, 10, 20, 45),
)


class QueueFull(Exception):
    """So many turns wait already that this one would not be served in time."""


class WaitedTooLong(Exception):
    """The turn was not served within the time a person waits."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """`concurrency` turns at once, `most` wait, for `wait_s` each; a dead one counts `lease_s`."""

    concurrency: int
    lease_s: float = LEASE_S
    most: int = QUEUE_MOST
    merchant_most: int = MERCHANT_MOST
    wait_s: float = WAIT_S


def in_turn(
    waiting: Sequence[tuple[str, str]], running: Sequence[str], served: Sequence[str]
) -> list[str]:
    """Tickets in the order they are served in.

    A merchant with fewer turns running, counting those ahead in this very order, comes first;
    among equals the one whose last turn is longer ago; then the older ticket.

    Args:
        waiting: (ticket, merchant), oldest first.
        running: the merchant of each turn that is being served.
        served: merchants that were served lately, the latest one last.
    """
    left, order = list(waiting), []
    busy, last = Counter(running), {merchant: n for n, merchant in enumerate(served)}
    while left:
        chosen = min(
            range(len(left)), key=lambda n: (busy[left[n][1]], last.get(left[n][1], -1), n)
        )
        ticket, merchant = left.pop(chosen)
        order.append(ticket)
        busy[merchant] += 1
    return order


def swept(state: Json, now: float) -> Json:
    """Without those who are gone: served past their lease, or waiting and not asking any more."""
    return {
        "waiting": [w for w in state.get("waiting", []) if now - w["seen"] <= UNSEEN_S],
        "running": [r for r in state.get("running", []) if now < r["until"]],
        "served": state.get("served", []),
    }


def joined(
    state: Json, now: float, ticket: str, merchant: str, bounds: Bounds
) -> tuple[Json, bool]:
    """False: the line is full, for everybody or for this merchant.

    A ticket that is there already is of the same turn in a process that was killed: it is
    replaced, and what it held is free.
    """
    state, _ = left(state, now, ticket)
    waiting = state["waiting"]
    own = sum(w["merchant"] == merchant for w in waiting)
    if len(waiting) >= bounds.most or own >= bounds.merchant_most:
        return state, False
    entry = {"ticket": ticket, "merchant": merchant, "seen": now}
    return state | {"waiting": [*waiting, entry]}, True


def asked(state: Json, now: float, ticket: str, merchant: str, bounds: Bounds) -> tuple[Json, bool]:
    """Whether the ticket is served from now on. One that was swept by mistake waits again."""
    state = swept(state, now)
    others = [w for w in state["waiting"] if w["ticket"] != ticket]
    entry = {"ticket": ticket, "merchant": merchant, "seen": now}
    place = next((n for n, w in enumerate(state["waiting"]) if w["ticket"] == ticket), len(others))
    waiting = [*others[:place], entry, *others[place:]]
    state |= {"waiting": waiting}
    order = in_turn(
        [(w["ticket"], w["merchant"]) for w in waiting],
        [r["merchant"] for r in state["running"]],
        state["served"],
    )
    free = bounds.concurrency - len(state["running"])
    if ticket not in order[: max(0, free)]:
        return state, False
    running = {"ticket": ticket, "merchant": merchant, "until": now + bounds.lease_s}
    lately = [m for m in state["served"] if m != merchant]
    return {
        "waiting": others,
        "running": [*state["running"], running],
        "served": [*lately, merchant][-200:],
    }, True


def renewed(
    state: Json, now: float, ticket: str, merchant: str, bounds: Bounds
) -> tuple[Json, None]:
    """One that was swept by mistake counts again."""
    state, _ = left(state, now, ticket)
    running = {"ticket": ticket, "merchant": merchant, "until": now + bounds.lease_s}
    return state | {"running": [*state["running"], running]}, None


def left(state: Json, now: float, ticket: str) -> tuple[Json, None]:
    state = swept(state, now)
    return state | {
        part: [entry for entry in state[part] if entry["ticket"] != ticket]
        for part in ("waiting", "running")
    }, None


class Gate:
    """The line in front of one model."""

    def __init__(self, bounds: Bounds, connection: "redis.Redis | None") -> None:
        self.bounds = bounds
        self._shared = Shared(connection, "gate")

    @classmethod
    def of(cls, config: ModelConfig, connection: "redis.Redis | None") -> "Gate":
        return cls(Bounds(config.concurrency), connection)

    @contextmanager
    def turn(self, merchant: str, ticket: str = "") -> Iterator[None]:
        """Wait until it is this merchant's turn, and hold a place. QueueFull, WaitedTooLong.

        `ticket` names the work, so that it may be taken up again after a kill.
        """
        ticket = ticket or new_id("ait")
        if not self._shared.change(
            lambda state, now: joined(state, now, ticket, merchant, self.bounds)
        ):
            queue_seconds.labels("full").observe(0)
            raise QueueFull
        try:
            self._wait(ticket, merchant)
            with self._renewing(ticket, merchant):
                yield
        finally:
            self._shared.change(lambda state, now: left(state, now, ticket))

    def _wait(self, ticket: str, merchant: str) -> None:
        began = time.monotonic()
        while not self._shared.change(
            lambda state, now: asked(state, now, ticket, merchant, self.bounds)
        ):
            if time.monotonic() - began > self.bounds.wait_s:
                queue_seconds.labels("late").observe(time.monotonic() - began)
                raise WaitedTooLong
            time.sleep(POLL_S)
        queue_seconds.labels("served").observe(time.monotonic() - began)

    @contextmanager
    def _renewing(self, ticket: str, merchant: str) -> Iterator[None]:
        done = threading.Event()

        def renew() -> None:
            while not done.wait(self.bounds.lease_s / RENEWALS):
                self._shared.change(
                    lambda state, now: renewed(state, now, ticket, merchant, self.bounds)
                )

        thread = threading.Thread(target=renew, name="ai lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def look(self) -> tuple[int, int]:
        """Turns that are served, and turns that wait."""

        def step(state: Json, now: float) -> tuple[Json, tuple[int, int]]:
            there = swept(state, now)
            return state, (len(there["running"]), len(there["waiting"]))

        return self._shared.change(step)
