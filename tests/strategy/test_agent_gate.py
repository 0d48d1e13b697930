"""So many at once, over all workers, each merchant in turn; and nobody held up by the dead."""

import threading
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mealquest.strategy.agent.gate import (
    UNSEEN_S,
    Bounds,
    Gate,
    QueueFull,
    WaitedTooLong,
    asked,
    in_turn,
    joined,
    left,
)

LINES = st.lists(st.sampled_from("abc"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(LINES, LINES, st.permutations("abc"))
def test_everybody_is_served_once_and_nobody_twice_before_another(line, busy, served) -> None:
    waiting = [(f"t{n}", merchant) for n, merchant in enumerate(line)]
    order = in_turn(waiting, busy, served)
    assert sorted(order) == sorted(ticket for ticket, _ in waiting)
    load, of = Counter(busy), dict(waiting)
    for n, ticket in enumerate(order):
        rest = {of[other] for other in order[n:]}
        assert load[of[ticket]] == min(load[merchant] for merchant in rest)
        load[of[ticket]] += 1


def test_a_crowd_of_one_merchants_turns_waits_behind_anothers_first() -> None:
    waiting = [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("c1", "c")]
    assert in_turn(waiting, [], []) == ["a1", "b1", "c1", "a2", "a3"]
    assert in_turn(waiting, ["a"], ["a"]) == ["b1", "c1", "a1", "a2", "a3"]
    assert in_turn(waiting, [], ["b", "a"]) == ["c1", "b1", "a1", "a2", "a3"]


def test_whose_turn_was_longest_ago_comes_first_however_the_line_stands() -> None:
    """As the line itself remembers who was served, and lets four of a merchant wait at most."""
    bounds, state = Bounds(concurrency=1), {}
    for n in range(6):
        state, _ = joined(state, 0.0, f"a{n}", "a", bounds)
    assert [one["ticket"] for one in state["waiting"]] == ["a0", "a1", "a2", "a3"]
    state, served = asked(state, 0.0, "a0", "a", bounds)
    assert served
    state, _ = left(state, 0.0, "a0")
    state, _ = joined(state, 0.0, "b0", "b", bounds)
    assert not asked(state, 0.0, "a1", "a", bounds)[1]
    assert asked(state, 0.0, "b0", "b", bounds)[1]


BOUNDS = Bounds(concurrency=1, lease_s=60, most=5, merchant_most=2, wait_s=5)


def test_a_full_line_turns_away_and_one_merchant_cannot_fill_it() -> None:
    state, told = {}, []
    for n, merchant in enumerate("aaabbcd"):
        state, took = joined(state, 0.0, f"t{n}", merchant, BOUNDS)
        told.append(took)
    assert told == [True, True, False, True, True, True, False]


def test_the_killed_hold_nobody_up_for_longer_than_their_lease() -> None:
    state, _ = joined({}, 0.0, "dead", "a", BOUNDS)
    state, served = asked(state, 0.0, "dead", "a", BOUNDS)
    assert served
    state, _ = joined(state, 1.0, "gone", "b", BOUNDS)  # waits, and is never seen again
    later = 1.0 + UNSEEN_S + 0.1
    state, _ = joined(state, later, "alive", "c", BOUNDS)
    state, served = asked(state, later, "alive", "c", BOUNDS)
    assert not served
    for second in range(5, 60):
        state, served = asked(state, float(second), "alive", "c", BOUNDS)
        assert not served
    state, served = asked(state, 60.1, "alive", "c", BOUNDS)
    assert served
    state, _ = left(state, 61.0, "alive")
    assert (state["running"], state["waiting"]) == ([], [])


def test_a_turn_taken_up_again_takes_its_own_place() -> None:
    state, _ = joined({}, 0.0, "t", "a", BOUNDS)
    state, _ = asked(state, 0.0, "t", "a", BOUNDS)
    state, _ = joined(state, 1.0, "t", "a", BOUNDS)
    assert asked(state, 1.0, "t", "a", BOUNDS)[1]


@pytest.mark.parametrize("shared", [True, False])
def test_threads_and_workers_together_are_never_more_than_allowed(request, shared) -> None:
    connection = None
    if shared:
        connection = request.getfixturevalue("app").extensions["bells"].connection
    bounds = Bounds(concurrency=2, lease_s=30, wait_s=20)
    one = Gate(bounds, connection)
    inside, most, order, lock = 0, 0, [], threading.Lock()

    def work(merchant: str) -> None:
        nonlocal inside, most
        gate = Gate(bounds, connection) if shared else one  # as another worker has
        with gate.turn(merchant):
            with lock:
                inside += 1
                most = max(most, inside)
                order.append(merchant)
            time.sleep(0.02)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=work, args=(m,)) for m in "aaaabbccdd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(order) == Counter("aaaabbccdd")
    assert most == 2
    assert one.look() == (0, 0)


def test_a_turn_that_takes_long_keeps_its_place_for_as_long_as_it_lives() -> None:
    gate = Gate(Bounds(concurrency=1, lease_s=0.1, wait_s=0.4), None)
    with gate.turn("a"), pytest.raises(WaitedTooLong), gate.turn("b"):
        raise AssertionError("served beside another")
    assert gate.look() == (0, 0)


def test_who_waits_too_long_is_told_and_leaves_the_line() -> None:
    gate = Gate(Bounds(concurrency=1, lease_s=30, most=1, wait_s=0.1), None)
    with gate.turn("a"):
        with pytest.raises(WaitedTooLong), gate.turn("b"):
            raise AssertionError("served beside another")
        assert gate.look() == (1, 0)
    with gate.turn("b"):
        assert gate.look() == (1, 0)


def test_a_full_line_is_said_at_once() -> None:
    gate = Gate(Bounds(concurrency=1, lease_s=30, most=0), None)
    with pytest.raises(QueueFull), gate.turn("a"):
        raise AssertionError("there was no room")
