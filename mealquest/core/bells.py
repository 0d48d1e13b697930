"""Bells: a committed row rings, RQ wakes a job that looks for work. PostgreSQL remembers.

A lost ring costs seconds: the scheduler's tick rings again for every row that is due.
"""

import threading
import time

import redis
import structlog
from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.serializers import JSONSerializer

QUEUE = "default"
QUIET_S = 0.05  # a process rings the same bell at most this often; the tick covers the rest

# Every job that can be rung, by bell.
JOBS = {
    "outbox": "jobs.outbox.relay",
    "messages": "jobs.messages.deliver",
    "wallet-expiry": "jobs.wallet.expire",
    "housekeeping": "jobs.housekeeping.purge",
}

log = structlog.get_logger(__name__)


class Bells:
    """Enqueues at most one waiting job per bell; a Redis that is away is logged, never raised."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self.connection = redis.Redis.from_url(
            redis_url, socket_timeout=1, socket_connect_timeout=1
        )
        self.queue = Queue(QUEUE, connection=self.connection, serializer=JSONSerializer)
        self._rung: dict[str, float] = {}
        self._lock = threading.Lock()

    def connection_for_worker(self) -> redis.Redis:
        """A connection that may block while it waits for work."""
        return redis.Redis.from_url(self._url, socket_connect_timeout=5)

    def ring(self, bell: str) -> None:
        if self._too_soon(bell):
            return
        try:
            self.queue.enqueue(
                JOBS[bell],
                job_id=f"bell-{bell}",
                unique=True,
                result_ttl=0,
                failure_ttl=60,
                job_timeout=120,
            )
        except DuplicateJobError:
            return  # it waits already
        except redis.RedisError as away:
            log.warning("bell not rung", bell=bell, error=type(away).__name__)

    def _too_soon(self, bell: str) -> bool:
        now = time.monotonic()
        with self._lock:
            if now - self._rung.get(bell, 0.0) < QUIET_S:
                return True
            self._rung[bell] = now
            return False
