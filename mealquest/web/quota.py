"""How often a merchant did something lately: never more than so many times in any stretch of time.

A use is counted before the handler runs, so that of many at once not one too many comes through,
and given back when nothing came of it. Redis counts for all processes, by its own clock; while it
is away each process counts for itself, so that a limit still is one.

The count is exact to the millisecond for limits up to ten thousand. Of a larger one uses of one
ten-thousandth of the window share an entry, to the strict side, so that it takes no more memory.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from prometheus_client import Counter
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from mealquest.tenancy.service import Limit

ANSWER_S = 0.5  # how long a request waits for Redis at most
RETRY_REDIS_S = 5.0
MOMENTS = 10_000  # that a count has at most
MOST_OWN = 1_000  # counts of a process by itself; the emptiest are forgotten first

# KEYS: moments (a sorted set) and their uses (a hash, `all` is the sum).
# ARGV: limit, window and moment in ms, 1 to take a place, the time in ms or 0 for the server's.
_USE = """
local limit, window, width = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = tonumber(ARGV[5])
if now == 0 then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local over = string.format('%.0f', now - window - width + 1)
for _, moment in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', over)) do
    local uses = tonumber(redis.call('HGET', KEYS[2], moment)) or 0
    redis.call('HINCRBY', KEYS[2], 'all', -uses)
    redis.call('HDEL', KEYS[2], moment)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', over)
local used = tonumber(redis.call('HGET', KEYS[2], 'all')) or 0
if used < limit then
    local moment = string.format('%.0f', now - now % width)
    if ARGV[4] == '1' then
        redis.call('ZADD', KEYS[1], moment, moment)
        redis.call('HINCRBY', KEYS[2], moment, 1)
        redis.call('HINCRBY', KEYS[2], 'all', 1)
        redis.call('PEXPIRE', KEYS[1], window + width)
        redis.call('PEXPIRE', KEYS[2], window + width)
    end
    return {1, used, 0, moment}
end
local excess, wait, first = used - limit + 1, window, 0
while excess > 0 do
    local some = redis.call('ZRANGE', KEYS[1], first, first + 99)
    if #some == 0 then
        break
    end
    for _, moment in ipairs(some) do
        excess = excess - (tonumber(redis.call('HGET', KEYS[2], moment)) or 0)
        if excess <= 0 then
            wait = moment + width - 1 + window - now
            break
        end
    end
    first = first + 100
end
return {0, used, wait, ''}
"""
_GIVE_BACK = """
local uses = tonumber(redis.call('HGET', KEYS[2], ARGV[1]))
if not uses then
    return 0
end
if uses > 1 then
    redis.call('HINCRBY', KEYS[2], ARGV[1], -1)
else
    redis.call('HDEL', KEYS[2], ARGV[1])
    redis.call('ZREM', KEYS[1], ARGV[1])
end
return redis.call('HINCRBY', KEYS[2], 'all', -1)
"""

counted_alone = Counter(
    "mealquest_quota_uses_counted_alone",
    "Uses of a limited operation that a process counted for itself, because Redis was away.",
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """A use that is counted, until its window is over or it is given back."""

    merchant_id: str
    operation: str
    moment: int
    shared: bool


@dataclass(frozen=True, slots=True)
class Use:
    """How a limit stands: uses that count now, and, where it is used up, until when in ms."""

    has_room: bool
    used: int
    wait_ms: int
    place: Place | None = None


class Quotas:
    """`clock`: the time in ms where the server's is not wanted."""

    def __init__(self, redis_url: str, clock: Callable[[], int] | None = None) -> None:
        self._redis = Redis.from_url(
            redis_url,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=ANSWER_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._use = self._redis.register_script(_USE)
        self._give_back = self._redis.register_script(_GIVE_BACK)
        self._clock = clock
        self._own = _Own(clock or (lambda: int(time.time() * 1000)))
        self._away_until = 0.0

    def take(self, merchant_id: str, operation: str, limit: Limit) -> Use:
        """Count one use if there is room for it; then its place says what to give back."""
        found = self._asked(merchant_id, operation, limit, takes=True)
        if found is not None:
            return found
        counted_alone.inc()
        return self._own.take(merchant_id, operation, limit)

    def give_back(self, place: Place) -> None:
        """Count that use no more. What Redis does not hear of is counted until its time is over."""
        if not place.shared:
            self._own.give_back(place)
        elif time.monotonic() >= self._away_until:
            keys = _keys(place.merchant_id, place.operation)
            try:
                self._give_back(keys=keys, args=[place.moment])
            except RedisError as away:
                self._leave_alone(away)

    def look(self, merchant_id: str, limits: Mapping[str, Limit]) -> dict[str, Use]:
        """How each of these limits stands; what cannot be known now is left out."""
        found = {
            operation: self._asked(merchant_id, operation, limit, takes=False)
            for operation, limit in limits.items()
        }
        return {operation: use for operation, use in found.items() if use is not None}

    def _asked(self, merchant_id: str, operation: str, limit: Limit, *, takes: bool) -> Use | None:
        """None while Redis is away, which is not asked again for some seconds."""
        if time.monotonic() < self._away_until:
            return None
        now = self._clock() if self._clock else 0
        args = [limit.limit, limit.window_ms, _width(limit), int(takes), now]
        try:
            room, used, wait_ms, moment = self._use(keys=_keys(merchant_id, operation), args=args)
        except RedisError as away:
            self._leave_alone(away)
            return None
        taken = Place(merchant_id, operation, int(moment), shared=True) if room and takes else None
        return Use(bool(room), int(used), int(wait_ms), taken)

    def _leave_alone(self, away: RedisError) -> None:
        self._away_until = time.monotonic() + RETRY_REDIS_S
        log.warning("limits counted per process", error=type(away).__name__)


class _Own:
    """The same count in this process alone; a limit of more than it can hold lets all through."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._uses: dict[tuple[str, str], list[int]] = {}  # their times in ms, in order

    def take(self, merchant_id: str, operation: str, limit: Limit) -> Use:
        name, now = (merchant_id, operation), self._clock()
        if limit.limit > MOMENTS:
            return Use(True, 0, 0)
        with self._lock:
            over = now - limit.window_ms
            uses = [moment for moment in self._uses.get(name, ()) if moment > over]
            used = len(uses)
            if used >= limit.limit:
                self._uses[name] = uses
                return Use(False, used, uses[used - limit.limit] + limit.window_ms - now)
            self._uses[name] = sorted([*uses, now])
            self._stay_small()
        return Use(True, used, 0, Place(merchant_id, operation, now, shared=False))

    def give_back(self, place: Place) -> None:
        with self._lock:
            uses = self._uses.get((place.merchant_id, place.operation), [])
            if place.moment in uses:
                uses.remove(place.moment)

    def _stay_small(self) -> None:
        if len(self._uses) > MOST_OWN:
            del self._uses[min(self._uses, key=lambda name: len(self._uses[name]))]


def _keys(merchant_id: str, operation: str) -> list[str]:
    name = f"mealquest:quota:{{{merchant_id}}}:{operation}"
    return [f"{name}:at", f"{name}:uses"]


def _width(limit: Limit) -> int:
    """How long a moment is, in ms."""
    return 1 if limit.limit <= MOMENTS else max(1, limit.window_ms // MOMENTS)
