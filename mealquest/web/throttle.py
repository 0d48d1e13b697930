"""Rate limits on Redis. When Redis is away each process counts for itself until it is back."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import structlog
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from mealquest.core.errors import TooManyRequests

ANSWER_S = 0.5  # how long a request waits for Redis at most
RETRY_REDIS_S = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Throttle:
    """Limits such as `"1/minute"`, counted by what `key` returns for a validated input.

    None: this input is not one of those that are counted.
    """

    name: str
    limits: tuple[str, ...]
    key: Callable[[Any], str | None]


def _opaque(key: str) -> str:
    """A phone or an address is counted without being kept in Redis."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


class Throttles:
    def __init__(self, redis_url: str, *, enabled: bool) -> None:
        self.enabled = enabled
        connections = ConnectionPool.from_url(
            redis_url,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=ANSWER_S,
            retry=Retry(NoBackoff(), 0),
        )
        storage = RedisStorage(redis_url, connection_pool=connections)
        self._shared = MovingWindowRateLimiter(storage)
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._away_until = 0.0

    def take(self, throttle: Throttle, form: Any) -> None:
        """Count one use. TooManyRequests with the seconds to wait when it is one too many."""
        key = throttle.key(form) if self.enabled else None
        if key is not None:
            self.spend(throttle.limits, throttle.name, _opaque(key))

    def spend(self, limits: tuple[str, ...], *names: str) -> None:
        for item in map(parse, limits):
            if not self.hit(item, *names):
                raise TooManyRequests(
                    "too many requests, try again later", retry_after=self.wait(item, *names)
                )

    def hit(self, item: RateLimitItem, *names: str) -> bool:
        return bool(self._try(lambda limiter: limiter.hit(item, *names)))

    def wait(self, item: RateLimitItem, *names: str) -> int:
        """Whole seconds until the next use would pass, at least one."""
        stats = self._try(lambda limiter: limiter.get_window_stats(item, *names))
        return int(max(1, ceil(stats.reset_time - time.time())))

    def _try(self, use: Callable[[MovingWindowRateLimiter], Any]) -> Any:
        if time.monotonic() >= self._away_until:
            try:
                return use(self._shared)
            except RedisError as away:
                self._away_until = time.monotonic() + RETRY_REDIS_S
                log.warning("rate limits counted per process", error=type(away).__name__)
        return use(self._own)
