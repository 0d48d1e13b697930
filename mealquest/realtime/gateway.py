"""Redis between processes. It carries the news that there is news, and what is kept nowhere."""

import json
import time
from dataclasses import dataclass, field
from datetime import datetime

import redis
import structlog
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.retry import Retry

from mealquest.realtime.domain import Passing

CHANNEL = "mealquest:live"  # merchants that have news: rows hold them
PASSING = "mealquest:passing"  # what passes by, whole
PASSING_MOST = 100  # handed on at once
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
    """Tells the other processes. A Redis that is away is logged, never raised."""

    def __init__(self, url: str) -> None:
        self._client = _client(url)
        self._away_until = 0.0

    def ring(self, merchant_id: str) -> None:
        """This merchant has news."""
        self._publish(CHANNEL, merchant_id)

    def whisper(self, passing: Passing) -> None:
        moment = passing.moment.isoformat()
        said = [passing.merchant_id, passing.type, passing.payload, moment]
        self._publish(PASSING, json.dumps(said))

    def _publish(self, channel: str, message: str) -> None:
        if time.monotonic() < self._away_until:
            return
        try:
            self._client.publish(channel, message)
        except redis.RedisError as away:
            self._away_until = time.monotonic() + AWAY_S
            log.warning("sockets will find news by themselves", error=type(away).__name__)


@dataclass(slots=True)
class Heard:
    """Merchants that were rung for, and what passed by, in its order."""

    rung: set[str] = field(default_factory=set)
    passing: list[Passing] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.rung or self.passing)


class Ear:
    """Hears rings, for one thread. While Redis is away it hears nothing, and says so."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pubsub: PubSub | None = None
        self._retry_at = 0.0

    @property
    def hears(self) -> bool:
        return self._pubsub is not None

    def wait(self, seconds: float) -> Heard:
        """What was told since the last call; waits for something, but not for long."""
        if self._pubsub is None and not self._open():
            time.sleep(seconds)
            return Heard()
        try:
            return self._heard(seconds)
        except (redis.RedisError, OSError) as away:
            log.warning("rings are not heard", error=type(away).__name__)
            self._close()
            return Heard()

    def _heard(self, seconds: float) -> Heard:
        heard = Heard()
        while self._pubsub is not None and len(heard.passing) < PASSING_MOST:
            message = self._pubsub.get_message(timeout=0 if heard else seconds)
            if message is None:
                break
            if message["type"] == "message":
                data = message["data"].decode()
                if message["channel"].decode() == CHANNEL:
                    heard.rung.add(data)
                else:
                    heard.passing.append(_passing(data))
        return heard

    def _open(self) -> bool:
        if time.monotonic() < self._retry_at:
            return False
        self._retry_at = time.monotonic() + AWAY_S
        try:
            pubsub: PubSub = _client(self._url).pubsub()  # type: ignore[no-untyped-call]
            pubsub.subscribe(CHANNEL, PASSING)
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


def _passing(data: str) -> Passing:
    merchant_id, kind, payload, moment = json.loads(data)
    return Passing(merchant_id, kind, payload, datetime.fromisoformat(moment))
