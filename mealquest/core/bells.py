"""Bells: a committed row rings, RQ wakes a job that looks for work. PostgreSQL remembers.

A lost ring costs seconds: the scheduler's tick rings again for every row that is due.
"""

import math
import threading
import time

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer

QUEUE = "default"
AGENT_QUEUE = "agent"  # its jobs wait for a model, which nothing else is to wait for
RECOVERY_QUEUE = "recovery"  # its jobs wait for Stripe and for mail servers
QUEUES = (QUEUE, AGENT_QUEUE, RECOVERY_QUEUE)
QUIET_S = 0.05  # a process rings the same bell at most this often; the tick covers the rest
WAITS_S = 5  # a ring whose job was lost on its way to a worker counts for no longer than this
MOST_WAITING = (
    100  # more jobs wait only when nobody works; then the rows wait, and Redis stays small
)
ANSWER_S = 0.5  # how long a request waits for Redis at most
AWAY_S = 2.0  # and how long nobody asks again after it did not answer

# Every job that can be rung, by bell.
JOBS = {
    "outbox": "jobs.outbox.relay",
    "messages": "jobs.messages.deliver",
    "payments": "jobs.payments.settle",
    "wallet-expiry": "jobs.wallet.expire",
    "settlement": "jobs.wallet.close_days",
    "audit": "jobs.audit.seal",
    "doctor": "jobs.doctor.watch",
    "privacy": "jobs.privacy.make",
    "campaigns": "jobs.campaigns.look",
    "birthdays": "jobs.campaigns.birthdays",
    "strategy": "jobs.strategy.answer",
    "replays": "jobs.replays.make",
    "recovery": "jobs.recovery.work",
    "recovery-janitor": "jobs.recovery.tend",
    "waiting": "jobs.waiting.do",
    "housekeeping": "jobs.housekeeping.purge",
    "moves": "jobs.moves.drive",
}

QUEUE_OF = {
    "strategy": AGENT_QUEUE,
    "recovery": RECOVERY_QUEUE,
}  # of the bells whose jobs are not in the default one

USUAL_S = 120  # how long a job may take
LONGEST_S = {"moves": 6 * 3600}  # a large merchant is copied in one go

log = structlog.get_logger(__name__)


class Bells:
    """Enqueues at most one waiting job per bell; a Redis that is away is logged, never raised."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self.connection = redis.Redis.from_url(
            redis_url,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=ANSWER_S,
            retry=Retry(NoBackoff(), 0),
        )
        self.queues = {
            name: Queue(name, connection=self.connection, serializer=JSONSerializer)
            for name in QUEUES
        }
        self.queue = self.queues[QUEUE]
        self._away_until = 0.0
        self._rung: dict[str, float] = {}  # until when a bell is left alone, by its name
        self._lock = threading.Lock()

    def connection_for_worker(self) -> redis.Redis:
        """A connection that may block while it waits for work."""
        return redis.Redis.from_url(self._url, socket_connect_timeout=5)

    @property
    def is_away(self) -> bool:
        """Redis did not answer a moment ago: nobody hears a ring now."""
        return time.monotonic() < self._away_until

    def ring(self, bell: str) -> None:
        if not self._takes_turn(bell):
            return
        away_until = 0.0
        try:
            queue = self.queues[QUEUE_OF.get(bell, QUEUE)]
            if self._claims(bell, queue):
                queue.enqueue(
                    JOBS[bell],
                    result_ttl=0,
                    failure_ttl=60,
                    job_timeout=LONGEST_S.get(bell, USUAL_S),
                )
        except redis.RedisError as away:
            self._away_until = away_until = time.monotonic() + AWAY_S
            log.warning("bell not rung", bell=bell, error=type(away).__name__)
        finally:
            self._rung[bell] = max(away_until, time.monotonic() + QUIET_S)

    def heard(self, job: str) -> None:
        """A worker is about to look for work: who commits from now on rings again."""
        bells = [bell for bell, target in JOBS.items() if target == job]
        if bells:
            self.connection.delete(*map(_waiting, bells))

    def _claims(self, bell: str, queue: Queue) -> bool:
        """Whether no job of this bell waits, so that this ring brings one.

        The mark is not the job: a job that was started and died holds up no later ring.
        """
        if not self.connection.set(_waiting(bell), "", nx=True, ex=WAITS_S):
            return False
        return queue.count < MOST_WAITING

    def _takes_turn(self, bell: str) -> bool:
        """Whether this caller rings; nobody else does until it has, and a moment longer."""
        with self._lock:
            if time.monotonic() < self._rung.get(bell, 0.0):
                return False
            self._rung[bell] = math.inf
            return True


def _waiting(bell: str) -> str:
    return f"mealquest:bell:{bell}:waits"
