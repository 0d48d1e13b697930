"""Work that is of no single merchant, done in every database in turn.

One that is down is left out and never stops the others; its watch tells of it. What fails for
another reason fails after everybody had their turn.
"""

import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import TypeVar

from prometheus_client import Counter

from mealquest.core import places
from mealquest.core.db import databases
from mealquest.core.errors import Unavailable
from mealquest.core.places import Place

Found = TypeVar("Found")

left_out = Counter(
    "mealquest_database_left_out", "Turns of background work that found a database down.", ["place"]
)

_turns = count()


def everywhere(work: Callable[[], Found]) -> list[Found]:
    """What `work` gives in each database that answers, home first."""
    return [found for _, found in at_each(work)]


def at_each(
    work: Callable[[], Found], among: Sequence[Place] | None = None
) -> list[tuple[Place, Found]]:
    """As `everywhere`, with the database that gave it; `among`: those to ask, else all."""
    found: list[tuple[Place, Found]] = []
    failures: list[Exception] = []
    for place in databases().all() if among is None else among:
        try:
            with places.at(place):
                found.append((place, work()))
        except Exception as failure:  # noqa: BLE001 - raised below, once everybody had their turn
            if place.is_home or not isinstance(failure, Unavailable):
                failures.append(failure)
            else:
                left_out.labels(place.name).inc()
    if failures:
        raise failures[0]
    return found


def anywhere(asks: Callable[[], bool]) -> bool:
    """Whether it is so in any database that answers; those behind it are not asked any more."""
    return any(asked for place in databases().all() for _, asked in at_each(asks, [place]))


def in_turns(step: Callable[[], int], rounds: int, seconds: float = 3600.0) -> int:
    """Repeat `step` in every database in turn until it does nothing there; how much it did.

    So one with much to do keeps no other waiting. `rounds` and `seconds` bound the whole.
    """
    give_up = time.monotonic() + seconds
    total, busy = 0, databases().all()
    for _ in range(rounds):
        if not busy or time.monotonic() > give_up:
            break
        done = at_each(step, busy)
        total += sum(much for _, much in done)
        busy = [place for place, much in done if much]
    return total


def one_after_another(step: Callable[[], bool]) -> bool:
    """Do `step` in one database that has something to do, each time beginning with the next one.

    For work that takes long: a job does one piece of it. False: there was none.
    """
    found = databases().all()
    first = next(_turns) % len(found)
    turn = found[first:] + found[:first]
    return any(done for place in turn for _, done in at_each(step, [place]))
