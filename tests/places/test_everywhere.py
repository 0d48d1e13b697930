"""Work of no single merchant: each database has its turn, and none keeps another from it."""

import pytest

from mealquest.core.db import databases, transaction
from mealquest.core.everywhere import anywhere, everywhere, in_turns, one_after_another
from mealquest.core.places import here
from tests.places.conftest import HOT


def where() -> str:
    return here(databases()).name


def test_what_fails_in_one_is_done_in_the_others_all_the_same(places) -> None:
    seen = []

    def step() -> None:
        seen.append(where())
        if where() == "home":
            raise ValueError("at home")

    with pytest.raises(ValueError, match="at home"):
        everywhere(step)
    assert (seen, where()) == (["home", HOT], "home")


def test_a_database_with_much_to_do_takes_turns_with_one_that_has_little(places) -> None:
    left, seen = {"home": 5, HOT: 2}, []

    def step() -> int:
        seen.append(where())
        left[where()] -= 1
        return int(left[where()] >= 0)

    assert in_turns(step, rounds=4) == 4 + 2
    assert seen == ["home", HOT, "home", HOT, "home", HOT, "home"]


def test_long_work_begins_with_another_database_each_time(places) -> None:
    seen: list[str] = []

    def step() -> bool:
        seen.append(where())
        return True

    for _ in range(4):
        assert one_after_another(step)
    assert sorted(seen) == ["home", "home", HOT, HOT]
    assert seen[0] != seen[1]


def test_one_that_is_down_is_left_out(places, line) -> None:
    line.refuse()
    databases().named(HOT).watch.look()

    def step() -> str:
        with transaction():
            return where()

    assert everywhere(step) == ["home"]
    assert not anywhere(lambda: step() == HOT)
