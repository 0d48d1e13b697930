"""A small state that all workers change one after another: in Redis, in this process without it.

What is kept here may be lost: how a model has behaved lately, and who waits for it at the moment.
"""

import json
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis
import structlog
from redis.client import Pipeline

Json = dict[str, Any]
Result = TypeVar("Result")
# From the state and the time in seconds to the state that follows, and what the caller is told.
Step = Callable[[Json, float], tuple[Json, Result]]

KEPT_S = 24 * 3600

log = structlog.get_logger(__name__)


class Shared:
    """One named state. Steps are pure: they may run again when somebody else was faster."""

    def __init__(self, connection: "redis.Redis | None", name: str) -> None:
        self._connection = connection
        self._key = f"mealquest:ai:{name}"
        self._alone: Json = {}
        self._lock = threading.Lock()

    def change(self, step: Step[Result]) -> Result:
        """Replace the state by what `step` makes of it, in one piece."""
        if self._connection is not None:
            try:
                return self._changed(self._connection, step)
            except redis.RedisError as away:
                log.warning("ai state kept in this process", error=type(away).__name__)
        with self._lock:
            self._alone, told = step(self._alone, time.time())
            return told

    def read(self) -> Json:
        return self.change(lambda state, _now: (state, dict(state)))

    def _changed(self, connection: "redis.Redis", step: Step[Result]) -> Result:
        seconds, micros = connection.time()  # one clock for all machines
        now = seconds + micros / 1e6

        told: list[Result] = []

        def swap(pipe: Pipeline) -> None:
            stored = pipe.get(self._key)
            state: Json = json.loads(stored) if isinstance(stored, str | bytes) else {}
            after, answer = step(state, now)
            told[:] = [answer]
            pipe.multi()
            if after != state:
                pipe.set(self._key, json.dumps(after), ex=KEPT_S)

        connection.transaction(swap, self._key)
        return told[0]
