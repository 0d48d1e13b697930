"""The count behind a merchant's limits: a sliding window, in Redis and without it."""

import threading
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mealquest.core.ids import new_id
from mealquest.tenancy.service import Limit
from mealquest.web import quota
from mealquest.web.quota import MOMENTS, Quotas

NOWHERE = "redis://127.0.0.1:1/0"
BEGIN = 1_790_000_000_000


class Clock:
    """Milliseconds, as told."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> int:
        return self.now


class Model:
    """The rule as somebody would write it down: every use, and how long it counts."""

    def __init__(self, limit: Limit) -> None:
        fits = limit.limit <= MOMENTS
        self.limit, self.width = limit, 1 if fits else limit.window_ms // MOMENTS
        self.uses: list[int] = []  # when each was made, put down to the moment it belongs to

    def living(self, now: int) -> list[int]:
        counts = self.limit.window_ms + self.width - 1
        return sorted(use for use in self.uses if now < use + counts)

    def take(self, now: int) -> tuple[bool, int]:
        living = self.living(now)
        if len(living) < self.limit.limit:
            self.uses.append(now - now % self.width)
            return True, 0
        leaves = living[len(living) - self.limit.limit]
        return False, leaves + self.width - 1 + self.limit.window_ms - now


@pytest.fixture(params=["redis", "alone"])
def counting(request, redis_url):
    """Make a count by a clock that is told: the one of Redis, and that of a process alone."""
    where = redis_url if request.param == "redis" else NOWHERE
    clock = Clock()
    return Quotas(where, clock), clock


steps = st.lists(
    st.tuples(st.sampled_from(["take", "take", "give back", "look"]), st.integers(0, 700)),
    min_size=1,
    max_size=40,
)


@given(
    limit=st.builds(Limit, st.integers(1, 4), st.sampled_from([1, 250, 1000, 20_000, 900_000])),
    steps=steps,
)
@settings(max_examples=60, deadline=None)
def test_it_counts_as_the_model_does(redis_url, limit, steps) -> None:
    for where in (redis_url, NOWHERE):
        clock, model, places = Clock(), Model(limit), []
        quotas, merchant = Quotas(where, clock), new_id("m")
        for act, later in steps:
            clock.now += later * max(1, limit.window_ms // 1000)
            if act == "take":
                use = quotas.take(merchant, "OP", limit)
                assert (use.has_room, use.wait_ms) == model.take(clock.now)
                places += [use.place] if use.place else []
            elif act == "give back" and places:
                place = places.pop()
                quotas.give_back(place)
                if place.moment in model.living(clock.now):
                    model.uses.remove(place.moment)
            elif where == redis_url:
                assert quotas.look(merchant, {"OP": limit})["OP"].used == len(
                    model.living(clock.now)
                )


def test_a_limit_larger_than_the_count_is_strict_to_a_moment(redis_url, monkeypatch) -> None:
    """As the test above, in a count of five moments of 200 ms."""
    monkeypatch.setattr(quota, "MOMENTS", 5)
    clock, limit, merchant = Clock(), Limit(7, 1000), new_id("m")
    quotas, done = Quotas(redis_url, clock), []
    for _ in range(200):
        clock.now += 41
        if quotas.take(merchant, "OP", limit).has_room:
            done.append(clock.now)
    assert all(eighth - first >= 1000 for first, eighth in zip(done, done[7:], strict=False))
    assert all(
        eighth - first < 1000 + 200 + 41 for first, eighth in zip(done, done[7:], strict=False)
    )
    assert quotas._redis.zcard(quota._keys(merchant, "OP")[0]) <= 7


def test_no_stretch_of_time_holds_one_too_many(counting) -> None:
    """Not even across what would be the border of a fixed window."""
    quotas, clock = counting
    limit, merchant, done = Limit(5, 1000), new_id("m"), []
    for _ in range(300):
        clock.now += 37
        if quotas.take(merchant, "OP", limit).has_room:
            done.append(clock.now)
    for first, sixth in zip(done, done[5:], strict=False):
        assert sixth - first >= limit.window_ms
    assert len(done) == pytest.approx(300 * 37 / 1000 * 5, abs=20)


def test_the_wait_is_until_enough_have_left(counting) -> None:
    quotas, clock = counting
    merchant = new_id("m")
    for _ in range(3):
        assert quotas.take(merchant, "OP", Limit(3, 1000)).has_room
        clock.now += 100
    refused = quotas.take(merchant, "OP", Limit(3, 1000))
    assert (refused.has_room, refused.used, refused.wait_ms) == (False, 3, 700)
    assert quotas.take(merchant, "OP", Limit(2, 1000)).wait_ms == 800  # a limit that was lowered
    assert quotas.take(merchant, "OP", Limit(4, 1000)).has_room  # and one that was raised

    clock.now += 699
    assert quotas.take(merchant, "OP", Limit(3, 1000)).wait_ms == 101  # the raised one's use
    assert quotas.take(new_id("m"), "OP", Limit(1, 1000)).has_room
    assert quotas.take(merchant, "OTHER", Limit(1, 1000)).has_room


def test_what_is_given_back_late_is_forgiven(counting) -> None:
    quotas, clock = counting
    merchant, limit = new_id("m"), Limit(1, 1000)
    place = quotas.take(merchant, "OP", limit).place
    clock.now += 1000
    assert quotas.take(merchant, "OP", limit).has_room
    quotas.give_back(place)  # its time was over: the other one still counts
    assert not quotas.take(merchant, "OP", limit).has_room


@pytest.mark.parametrize("limit", [Limit(7, 60_000), Limit(7, 3_600_000)])
def test_many_at_once_are_as_many_as_the_limit_says(redis_url, limit) -> None:
    processes, merchant = [Quotas(redis_url) for _ in range(3)], new_id("m")
    start, rooms = threading.Barrier(24), []

    def ask(quotas: Quotas) -> None:
        start.wait(10)
        rooms.append(quotas.take(merchant, "OP", limit).has_room)

    threads = [threading.Thread(target=ask, args=[processes[n % 3]]) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert Counter(rooms) == {True: 7, False: 17}


def test_a_huge_limit_takes_little_memory_and_ends_by_itself(redis_url) -> None:
    clock = Clock()
    quotas, merchant, limit = Quotas(redis_url, clock), new_id("m"), Limit(1_000_000, 60_000_000)
    for _ in range(400):
        clock.now += 700
        assert quotas.take(merchant, "OP", limit).has_room
    at, uses = quota._keys(merchant, "OP")
    assert quotas._redis.zcard(at) <= 400 * 700 // 6000 + 2
    assert quotas.look(merchant, {"OP": limit})["OP"].used == 400
    assert 0 < quotas._redis.pttl(at) <= 60_006_000
    assert 0 < quotas._redis.pttl(uses) <= 60_006_000


def test_redis_that_was_away_is_left_alone_for_a_while_and_then_used_again(
    redis_url, monkeypatch
) -> None:
    quotas, limit, merchant = Quotas(NOWHERE), Limit(1, 60_000), new_id("m")
    assert quotas.take(merchant, "OP", limit).has_room
    assert not quotas.take(merchant, "OP", limit).has_room  # counted alone
    assert quotas.look(merchant, {"OP": limit}) == {}

    there = Quotas(redis_url)
    monkeypatch.setattr(quotas, "_use", there._use)
    assert not quotas.take(merchant, "OP", limit).has_room  # not asked yet
    monkeypatch.setattr(quotas, "_away_until", 0.0)
    assert quotas.take(merchant, "OP", limit).has_room
    assert there.look(merchant, {"OP": limit})["OP"].used == 1
