"""One driver of one move, and the connections it holds.

Its lock is on its connection to home, and so is every word it writes down there: a driver whose
connection broke can decide nothing any more, and the next one goes on from what is committed.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from mealquest.core.places import HOME
from mealquest.tenancy.moves import records, servers
from mealquest.tenancy.moves.domain import Move, MoveState
from mealquest.tenancy.moves.errors import DriverBusy, NoMove
from mealquest.tenancy.moves.logins import Connection, Login, connect, login_at

DRIVERS = 7_230_030  # the seed of a driver's key
LOOK_S = 0.05


class Steps:
    """Told of each step before it is taken. Nothing listens but tests, which end a driver there."""

    def reached(self, name: str) -> None:
        """`name` is one of `STEPS`."""


STEPS = (
    "gate",
    "control rows",
    "publication",
    "copy",
    "subscription",
    "in step",
    "cutting",
    "way back",
    "pause",
    "paused",
    "sealed",
    "caught up",
    "snapshots",
    "control rows again",
    "turn",
    "close",
    "commit",
    "committed",
    "let go",
    "compare",
    "end forward",
    "feed back",
    "moved",
)
STEPS_BACK = (
    "rolling back",
    "pause",
    "paused",
    "sealed",
    "caught up",
    "snapshots",
    "control rows again",
    "close",
    "commit",
    "committed",
    "let go",
    "compare",
    "end backward",
    "remove",
    "ended",
)


class Drive:
    """A live move that nobody else drives at the moment."""

    def __init__(self, home: Connection, move: Move, steps: Steps) -> None:
        self.home = home
        self.move = move
        self.merchant_id = move.merchant_id
        self._steps = steps
        self._open: dict[str, Connection] = {HOME: home}

    @property
    def source(self) -> Connection:
        return self.at(self.move.source)

    @property
    def target(self) -> Connection:
        return self.at(self.move.target)

    def at(self, place: str) -> Connection:
        """The driver's connection to a place, opened at its first use and again when it broke."""
        known = self._open.get(place)
        if known is None or (known.broken and place != HOME):
            known = self._open[place] = connect(self.login(place))
        return known

    def login(self, place: str) -> Login:
        return login_at(place)

    def reached(self, step: str) -> None:
        self._steps.reached(step)

    def to(self, state: MoveState) -> None:
        records.advance(self.home, self.move, state)
        self.look_again()

    def tell(self, **values: object) -> None:
        records.tell(self.home, self.move, **values)
        self.look_again()

    def look_again(self) -> None:
        self.move = records.again(self.home, self.move)

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()


@contextmanager
def driving(
    merchant_id: str, *, wait_s: float = 0.0, steps: Steps | None = None
) -> Iterator[Drive]:
    """The live move of a merchant, alone.

    DriverBusy: another driver has it, for longer than `wait_s`. NoMove: there is none.
    """
    home = connect(login_at(HOME))
    drive: Drive | None = None
    try:
        _take(home, merchant_id, wait_s)
        move = records.live(home, merchant_id)
        if move is None:
            raise NoMove
        drive = Drive(home, move, steps or Steps())
        yield drive
    finally:
        with suppress(psycopg.Error):
            drive.close() if drive else home.close()


def _take(home: Connection, merchant_id: str, wait_s: float) -> None:
    until = time.monotonic() + wait_s
    statement = f"SELECT pg_try_advisory_lock(hashtextextended(%s, {DRIVERS}))"
    while not servers.one(home, statement, merchant_id):
        if time.monotonic() >= until:
            raise DriverBusy
        time.sleep(LOOK_S)
