"""How a transaction begins: in the right database, in its role, past the gates of its merchants."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from mealquest.core import places
from mealquest.core.errors import MerchantUnavailable
from mealquest.core.places import Place, Places

APP_ROLE = "mealquest_app"
PLATFORM_ROLE = "mealquest_platform"
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "20s"
IDLE_TIMEOUT = "30s"
PAUSE_S = 2.0  # how long a transaction waits for a merchant that is just being moved
LOOK_AGAIN_S = 0.02
NOT_HERE = "MQ001"  # what `enter_merchants` raises: the merchant has moved, or is moving
LOCK_NOT_AVAILABLE = "55P03"
# One statement opens the scope. Everything in it ends with the transaction, so a pooled
# connection, also one behind PgBouncer in transaction mode, carries nothing over. Entering takes
# the lock that a move takes alone: whoever is inside when a merchant moves is waited for.
_SCOPE = (
    "SELECT set_config('role', :role, true), set_config('app.merchant_ids', :merchants, true),"
    " set_config('statement_timeout', :statement, true),"
    " set_config('idle_in_transaction_session_timeout', :idle, true),"
    " set_config('app.directory', :directory, true), set_config('lock_timeout', :pause, true),"
    " {enter}, set_config('lock_timeout', :lock, true)"
)
_OPEN = {
    APP_ROLE: text(_SCOPE.format(enter="enter_merchants(:merchants)")),
    PLATFORM_ROLE: text(_SCOPE.format(enter="enter_platform()")),
}
_WIDEN = text(
    "SELECT set_config('lock_timeout', :pause, true), enter_merchants(:more),"
    " set_config('lock_timeout', :lock, true), set_config('app.merchant_ids', :merchants, true)"
)


def open_directly(session: Session) -> None:
    """Begin on control tables, wherever the session is connected to."""
    session.execute(_OPEN[APP_ROLE], _opening(APP_ROLE, frozenset(), directory=False))


def widen(session: Session, merchants: frozenset[str], more: str) -> None:
    """Let a transaction see `merchants`, of whom `more` is new. MerchantUnavailable: it waits."""
    values = _opening(APP_ROLE, merchants, directory=False)
    try:
        session.execute(_WIDEN, values | {"more": more})
    except DBAPIError as failure:
        if _state(failure) in {NOT_HERE, LOCK_NOT_AVAILABLE}:
            raise MerchantUnavailable from failure
        raise


@contextmanager
def told_if_lost(session: Session) -> Iterator[None]:
    """A database of merchants' own that goes away in the midst of work is their 503, not a 500."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as failure:
        if away := places.did_not_answer(session.info["place"], failure):
            raise away from failure
        raise


def entered(found: Places, role: str, merchants: frozenset[str], *, directory: bool) -> Session:
    """A session whose transaction has begun, in the database where the merchants are now.

    One that is being moved is waited for, and then followed to where it went.
    """
    patience = time.monotonic() + PAUSE_S
    opening = _opening(role, merchants, directory=directory)
    while True:
        routes = found.routes
        place = _place(found, merchants, directory=directory)
        try:
            return _begun(place, role, opening, merchants)
        except _Moved as moved:
            if time.monotonic() > patience:
                raise MerchantUnavailable from moved
            found.read_newer(routes)
            time.sleep(LOOK_AGAIN_S)
        except MerchantUnavailable:
            if not (merchants and found.follow(merchants, place)):
                raise


class _Moved(Exception):
    """A merchant is not where this process thought, or is on its way."""


def _begun(place: Place, role: str, opening: dict[str, str], merchants: frozenset[str]) -> Session:
    places.require_up(place)
    session = Session(
        place.engine, expire_on_commit=False, info={"place": place, "merchants": merchants}
    )
    try:
        _open(session, role, opening)
    except (DBAPIError, PoolTimeout) as failure:
        session.close()
        state = _state(failure)
        if state == NOT_HERE:
            raise _Moved from failure
        if state == LOCK_NOT_AVAILABLE:
            raise MerchantUnavailable from failure
        if away := places.did_not_answer(place, failure):
            raise away from failure
        raise
    except BaseException:
        session.close()
        raise
    return session


def _place(found: Places, merchants: frozenset[str], *, directory: bool) -> Place:
    if directory:
        return found.home()
    return found.of(merchants) if merchants else places.here(found)


def _open(session: Session, role: str, opening: dict[str, str]) -> None:
    """Begin on a connection that lives.

    One from the pool may have died since. The first statement finds that out, SQLAlchemy drops all
    connections of that age, and a new one is tried: no question has to be asked beforehand.
    """
    try:
        session.execute(_OPEN[role], opening)
    except DBAPIError as failure:
        if not failure.connection_invalidated:
            raise
        session.rollback()
        session.execute(_OPEN[role], opening)


def _opening(role: str, merchants: frozenset[str], *, directory: bool) -> dict[str, str]:
    return {
        "role": role,
        "merchants": _listed(merchants),
        "directory": "on" if directory else "",
        "pause": f"{PAUSE_S:g}s",
        "lock": LOCK_TIMEOUT,
        "statement": STATEMENT_TIMEOUT,
        "idle": IDLE_TIMEOUT,
    }


def _listed(merchants: frozenset[str]) -> str:
    """As the policies read them. No merchant's id has a comma: what has one names nobody.

    It would name two, and such an id may come from outside before anybody looks at its form.
    """
    return ",".join(sorted(one for one in merchants if "," not in one))


def _state(failure: Exception) -> str | None:
    return getattr(getattr(failure, "orig", None), "sqlstate", None)
