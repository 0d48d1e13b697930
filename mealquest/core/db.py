"""Sessions, and the only ways into the databases.

`transaction(merchant_id)` sees rows of the merchants it names and nothing else; row-level
security enforces it. `platform_transaction(reason)` crosses the merchants of one database; its
callers are a short list that `tests/architecture/test_code.py` keeps. Which database that is,
`core.places` knows; one transaction is of one of them.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from flask import Flask, current_app
from sqlalchemy import Connection, Executable, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from mealquest.core import places
from mealquest.core.errors import MerchantUnavailable
from mealquest.core.places import Place, Places
from mealquest.core.tables import (
    Base,
    ControlRow,
    ReferenceRow,
    TableKind,
    TenantRow,
    db,
    stamp,
    stored,
)

__all__ = [
    "Base",
    "ControlRow",
    "ReferenceRow",
    "TableKind",
    "TenantRow",
    "after_commit_ring",
    "connect",
    "databases",
    "db",
    "directory_transaction",
    "in_transaction",
    "last_of_all",
    "platform_transaction",
    "ring_with",
    "sqlalchemy_url",
    "stamp",
    "stored",
    "streamed",
    "transaction",
    "transaction_aside",
    "widen",
]

APP_ROLE = "mealquest_app"
PLATFORM_ROLE = "mealquest_platform"
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "20s"
IDLE_TIMEOUT = "30s"
PAUSE_S = 2.0  # how long a transaction waits for a merchant that is just being moved
LOOK_AGAIN_S = 0.02
NOT_HERE = "MQ001"  # what `enter_merchants` raises: the merchant has moved, or is moving
LOCK_NOT_AVAILABLE = "55P03"
STREAM_BATCH = 5_000  # rows that a cursor brings at once


_scope: ContextVar[frozenset[str] | None] = ContextVar("transaction_scope", default=None)

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

_ring: Callable[[str], None] = lambda bell: None  # noqa: E731 - replaced by core.bells


def ring_with(ring: Callable[[str], None]) -> None:
    """Name who is told after a commit that a session asked for a bell."""
    global _ring
    _ring = ring


def after_commit_ring(session: Session, bell: str) -> None:
    """Ring `bell` (the name of a job) once this session's transaction is committed."""
    session.info.setdefault("bells", set()).add(bell)


def last_of_all(session: Session, write: Callable[[Session], None]) -> None:
    """Have `write` called right before this session's commit, once however often it is named.

    For rows that everybody adds to: they are locked for a moment only, and by all in one order.
    """
    named: list[Callable[[Session], None]] = session.info.setdefault("last_of_all", [])
    if write not in named:
        named.append(write)


@contextmanager
def transaction(*merchant_ids: str) -> Iterator[Session]:
    """One transaction that sees the named merchants; without a name, control tables only.

    Raises:
        RuntimeError: inside another transaction; pass the session on instead.
        Elsewhere: the merchants lie in different databases.
        MerchantUnavailable: their database does not answer, or is closed for longer than a moment.
    """
    with _opened(APP_ROLE, frozenset(merchant_ids)) as session:
        yield session


@contextmanager
def platform_transaction(reason: str) -> Iterator[Session]:
    """One transaction across all merchants of one database. `reason` is for the caller's readers.

    A merchant that was moved away, or has not arrived yet, is not seen there.
    """
    if not reason:
        raise ValueError("a platform transaction says why it crosses merchants")
    with _opened(PLATFORM_ROLE, frozenset()) as session:
        yield session


@contextmanager
def directory_transaction(reason: str) -> Iterator[Session]:
    """As `platform_transaction`, always at home, where `merchants` and `staff_phones` name all.

    Of a merchant with a database of its own they are a copy, good for finding it.
    """
    if not reason:
        raise ValueError("a directory transaction says why it crosses merchants")
    with _opened(PLATFORM_ROLE, frozenset(), directory=True) as session:
        yield session


def widen(session: Session, merchant_id: str) -> None:
    """Let an open transaction see one more merchant of the same database.

    For stores that share a wallet: which one keeps it is read inside the payment's transaction.
    Elsewhere: it lies in another database. MerchantUnavailable: it is closed for a moment.
    """
    seen: frozenset[str] = session.info["merchants"]
    if merchant_id in seen:
        return
    if databases().of([merchant_id]) is not session.info["place"]:
        raise places.Elsewhere("merchants of different databases")
    merchants = seen | {merchant_id}
    values = _opening(APP_ROLE, merchants, directory=False)
    try:
        session.execute(_WIDEN, values | {"more": merchant_id})
    except DBAPIError as failure:
        if _state(failure) in {NOT_HERE, LOCK_NOT_AVAILABLE}:
            raise MerchantUnavailable from failure
        raise
    session.info["merchants"] = merchants


@contextmanager
def transaction_aside() -> Iterator[Session]:
    """One short transaction on control tables beside the one that may be open, at home.

    It has a connection of its own, outside the pool: it cannot wait for the pool's last one, and
    what it writes stays, whatever becomes of the caller's. For what a process reads once.
    """
    options = current_app.config["SQLALCHEMY_ENGINE_OPTIONS"]
    engine = create_engine(
        db.engine.url, poolclass=NullPool, connect_args=options.get("connect_args", {})
    )
    with Session(engine) as session, session.begin():
        session.execute(_OPEN[APP_ROLE], _opening(APP_ROLE, frozenset(), directory=False))
        yield session


def connect_directly() -> Connection:
    """A connection of its own to PostgreSQL at home, past any pooler, to be closed by the caller.

    For a lock that lives as long as its connection. Each statement is a transaction.
    """
    options = current_app.config["SQLALCHEMY_ENGINE_OPTIONS"]
    engine = create_engine(
        current_app.config["DIRECT_URL"],
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args=options["connect_args"],
    )
    return engine.connect()


def connect(app: Flask, own: dict[str, str], pool_size: int) -> None:
    """Bind the application to home, as its configuration names it, and to merchants' own databases.

    `own` maps merchants' ids to URLs; each of those pools holds at most `pool_size` connections.
    """
    db.init_app(app)
    urls = {merchant_id: sqlalchemy_url(url) for merchant_id, url in own.items()}
    options = app.config["SQLALCHEMY_ENGINE_OPTIONS"]
    app.extensions["places"] = Places(lambda: db.engine, urls, options, pool_size)


def databases() -> Places:
    """The databases of this application."""
    found: Places = current_app.extensions["places"]
    return found


@contextmanager
def _opened(role: str, merchants: frozenset[str], *, directory: bool = False) -> Iterator[Session]:
    if _scope.get() is not None:
        raise RuntimeError("a transaction is open already: pass its session on")
    token = _scope.set(merchants)
    try:
        with _entered(role, merchants, directory=directory) as session:
            yield session
            for write in session.info.get("last_of_all", ()):
                write(session)
            session.commit()
            bells = session.info.get("bells", ())
    finally:
        _scope.reset(token)
    for bell in bells:
        _ring(bell)


def _entered(role: str, merchants: frozenset[str], *, directory: bool) -> Session:
    """A session whose transaction has begun, in the database where the merchants are now.

    One that is being moved is waited for, and then followed to where it went.
    """
    patience = time.monotonic() + PAUSE_S
    opening = _opening(role, merchants, directory=directory)
    while True:
        place = _place(merchants, directory=directory)
        places.require_up(place)
        session = Session(
            place.engine, expire_on_commit=False, info={"place": place, "merchants": merchants}
        )
        try:
            _open(session, role, opening)
        except (DBAPIError, PoolTimeout) as failure:
            session.close()
            state = _state(failure)
            if state == NOT_HERE and time.monotonic() < patience:
                databases().read_again()
                time.sleep(LOOK_AGAIN_S)
                continue
            if state in {NOT_HERE, LOCK_NOT_AVAILABLE}:
                raise MerchantUnavailable from failure
            raise places.did_not_answer(place, failure) or failure from failure
        except BaseException:
            session.close()
            raise
        return session


def _place(merchants: frozenset[str], *, directory: bool) -> Place:
    found = databases()
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
        "merchants": ",".join(sorted(merchants)),
        "directory": "on" if directory else "",
        "pause": f"{PAUSE_S:g}s",
        "lock": LOCK_TIMEOUT,
        "statement": STATEMENT_TIMEOUT,
        "idle": IDLE_TIMEOUT,
    }


def _state(failure: Exception) -> str | None:
    return getattr(getattr(failure, "orig", None), "sqlstate", None)


def streamed(
    session: Session, statement: Executable, values: dict[str, Any] | None = None
) -> Iterator[Any]:
    """Rows as they are asked for, by a cursor in the database: any number, in little memory.

    They are one snapshot, and end with the transaction.
    """
    options = {"yield_per": STREAM_BATCH}
    yield from session.execute(statement, values or {}, execution_options=options)


def in_transaction() -> bool:
    return _scope.get() is not None


def sqlalchemy_url(url: str) -> str:
    """The same URL with the driver we use: `postgresql+psycopg://…`."""
    scheme, rest = url.split("://", 1)
    return f"postgresql+psycopg://{rest}" if scheme in {"postgres", "postgresql"} else url
