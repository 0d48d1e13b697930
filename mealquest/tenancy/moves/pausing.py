"""The write pause: nobody is inside the merchant's rows at one place, and nobody comes in.

Every transaction holds these two locks shared (`enter_merchants`, `enter_platform`). The mover
asks for them alone, briefly: who waits for a long transaction behind it waits no longer than this.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg import errors

from mealquest.tenancy.moves.errors import PauseDenied
from mealquest.tenancy.moves.logins import Connection

MERCHANTS = 7_230_028  # the seed of a merchant's key, as in `enter_merchants`
PLATFORM = 7_230_029
ASK_MS = 200  # how long one try waits, and whoever came after it waits with it
PATIENCE_S = 10.0

_MERCHANT = f"hashtextextended(%s, {MERCHANTS})"


@dataclass(slots=True)
class Pause:
    """`began` is when writers of this merchant began to wait, by the monotonic clock."""

    began: float
    tries: int

    @property
    def ms(self) -> float:
        return (time.monotonic() - self.began) * 1000


@contextmanager
def paused(
    connection: Connection, merchant_id: str, *, patience_s: float = PATIENCE_S
) -> Iterator[Pause]:
    """Hold the merchant's writers at this place. They come back when the connection ends, too.

    PauseDenied: somebody was inside for all of `patience_s`.
    """
    pause = _asked(connection, merchant_id, patience_s)
    try:
        yield pause
    finally:
        with suppress(psycopg.Error):  # a connection that broke holds no lock any more
            _let_go(connection, merchant_id)


def _asked(connection: Connection, merchant_id: str, patience_s: float) -> Pause:
    until, tries = time.monotonic() + patience_s, 0
    while True:
        tries += 1
        began = _both(connection, merchant_id)
        if began is not None:
            return Pause(began, tries)
        if time.monotonic() > until:
            raise PauseDenied(f"transactions of {merchant_id} did not end for {patience_s:g} s")
        time.sleep(random.uniform(0.05, 0.05 * min(tries, 10) + 0.05))  # noqa: S311  jitter


def _both(connection: Connection, merchant_id: str) -> float | None:
    """Both locks, or none. The platform's first: its transactions may take longer."""
    connection.execute(f"SET lock_timeout = {ASK_MS}")
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", [PLATFORM])
        began = time.monotonic()
        connection.execute(f"SELECT pg_advisory_lock({_MERCHANT})", [merchant_id])
    except errors.LockNotAvailable:
        _let_go(connection, merchant_id)
        return None
    finally:
        if not connection.broken:
            connection.execute("SET lock_timeout = '5s'")
    return began


def _let_go(connection: Connection, merchant_id: str) -> None:
    """The two that this session holds, of those that it holds."""
    held = (
        "SELECT pg_advisory_unlock((classid::bigint << 32) | objid::bigint) FROM pg_locks"
        " WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND mode = 'ExclusiveLock'"
        " AND objsubid = 1 AND granted AND database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND ((classid::bigint << 32) | objid::bigint) IN (%s, "
    )
    connection.execute(held + _MERCHANT + ")", [PLATFORM, merchant_id])
