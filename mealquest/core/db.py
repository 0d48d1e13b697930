"""Sessions, and the only ways into the databases.

`transaction(merchant_id)` sees rows of the merchants it names and nothing else; row-level
security enforces it. `platform_transaction(reason)` crosses the merchants of one database; its
callers are a short list that `tests/architecture/test_code.py` keeps. Which database that is,
`core.places` knows; one transaction is of one of them.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from flask import Flask, current_app
from sqlalchemy import Connection, Executable, NullPool, create_engine
from sqlalchemy.orm import Session

from mealquest.core import entering, places
from mealquest.core.database_settings import TenantDatabase
from mealquest.core.places import Places
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
    "apart",
    "beside",
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

APP_ROLE = entering.APP_ROLE
PLATFORM_ROLE = entering.PLATFORM_ROLE
STREAM_BATCH = 5_000  # rows that a cursor brings at once

_scope: ContextVar[frozenset[str] | None] = ContextVar("transaction_scope", default=None)


def ring_with(app: Flask, ring: Callable[[str], None]) -> None:
    """Name who is told, after a commit in this application, that a session asked for a bell."""
    app.extensions["ring"] = ring


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
    entering.widen(session, merchants, merchant_id)
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
        entering.open_directly(session)
        yield session


@contextmanager
def beside(merchant_id: str) -> Iterator[Session]:
    """One short transaction where the merchant lies, beside the one that is open at home.

    For what home keeps a copy of. It never waits for the one beside it.
    """
    entered = entering.entered(databases(), APP_ROLE, frozenset({merchant_id}), directory=False)
    with entered as session, entering.told_if_lost(session):
        yield session


def apart(merchant_ids: Iterable[str]) -> list[list[str]]:
    """Merchants by the database they lie in: each list is what one transaction may name."""
    found: dict[int, list[str]] = {}
    for merchant_id in sorted(set(merchant_ids)):
        found.setdefault(id(databases().of([merchant_id])), []).append(merchant_id)
    return list(found.values())


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


def connect(app: Flask, own: dict[str, TenantDatabase], pool_size: int) -> None:
    """Bind the application to home, as its configuration names it, and to merchants' own databases.

    `own` is by merchant id; each of those pools holds at most `pool_size` connections.
    """
    db.init_app(app)
    urls = {merchant_id: sqlalchemy_url(kept.url) for merchant_id, kept in own.items()}
    pooled = frozenset(name for name, kept in own.items() if kept.behind_pooler)
    options = app.config["SQLALCHEMY_ENGINE_OPTIONS"]
    migrations = Path(app.root_path) / "migrations"
    app.extensions["places"] = Places(
        lambda: db.engine, urls, pooled, options, pool_size, migrations
    )


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
        entered = entering.entered(databases(), role, merchants, directory=directory)
        with entered as session, entering.told_if_lost(session):
            yield session
            for write in session.info.get("last_of_all", ()):
                write(session)
            session.commit()
            bells = session.info.get("bells", ())
    finally:
        _scope.reset(token)
    for bell in bells:
        current_app.extensions["ring"](bell)


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
