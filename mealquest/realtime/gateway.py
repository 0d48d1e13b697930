"""Redis between processes. It carries only the news that there is news: rows hold the rest."""

import time

import redis
import structlog
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.retry import Retry

CHANNEL = "mealquest:live"
ANSWER_S = 1.0
AWAY_S = 2.0  # how long nobody asks again after Redis did not answer
PING_S = 3.0  # a silent connection is proved this often

log = structlog.get_logger(__name__)


def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_timeout=ANSWER_S,
        socket_connect_timeout=ANSWER_S,
        health_check_interval=PING_S,
        retry=Retry(NoBackoff(), 0),
    )


class Rings:
    """Says that a merchant has news. A Redis that is away is logged, never raised."""

    def __init__(self, url: str) -> None:
        self._client = _client(url)
        self._away_until = 0.0

    def ring(self, merchant_id: str) -> None:
        if time.monotonic() < self._away_until:
            return
        try:
            self._client.publish(CHANNEL, merchant_id)
        except redis.RedisError as away:
            self._away_until = time.monotonic() + AWAY_S
            log.warning("sockets will find news by themselves", error=type(away).__name__)


class Ear:
    """Hears rings, for one thread. While Redis is away it hears nothing, and says so."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pubsub: PubSub | None = None
        self._retry_at = 0.0

    @property
    def hears(self) -> bool:
        return self._pubsub is not None

    def wait(self, seconds: float) -> set[str]:
        """Merchants that were rung for since the last call; waits for one, but not for long."""
        if self._pubsub is None and not self._open():
            time.sleep(seconds)
            return set()
        try:
            return self._heard(seconds)
        except (redis.RedisError, OSError) as away:
            log.warning("rings are not heard", error=type(away).__name__)
            self._close()
            return set()

    def _heard(self, seconds: float) -> set[str]:
        rung: set[str] = set()
        while self._pubsub is not None:
            message = self._pubsub.get_message(timeout=0 if rung else seconds)
            if message is None:
                break
            if message["type"] == "message":
                rung.add(message["data"].decode())
        return rung

    def _open(self) -> bool:
        if time.monotonic() < self._retry_at:
            return False
        self._retry_at = time.monotonic() + AWAY_S
        try:
            pubsub: PubSub = _client(self._url).pubsub()  # type: ignore[no-untyped-call]
            pubsub.subscribe(CHANNEL)
        except (redis.RedisError, OSError) as away:
            log.warning("rings are not heard", error=type(away).__name__)
            return False
        self._pubsub = pubsub
        return True

    def _close(self) -> None:
        pubsub, self._pubsub = self._pubsub, None
        self._retry_at = time.monotonic() + AWAY_S
        if pubsub is not None:
            pubsub.close()
