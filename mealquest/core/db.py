"""Tables, sessions, and the only two ways into the database.

`transaction(merchant_id)` sees rows of the merchants it names and nothing else; row-level
security enforces it. `platform_transaction(reason)` crosses merchants; its callers are a short
list that `tests/architecture/test_platform_users.py` keeps.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from flask import current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    BigInteger,
    DateTime,
    Enum,
    Executable,
    MetaData,
    NullPool,
    Text,
    create_engine,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from mealquest.core.money import Currency
from mealquest.core.principal import Role

APP_ROLE = "mealquest_app"
PLATFORM_ROLE = "mealquest_platform"
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "20s"
IDLE_TIMEOUT = "30s"
STREAM_BATCH = 5_000  # rows that a cursor brings at once


class TableKind(StrEnum):
    TENANT = "tenant"  # distributed by merchant_id, forced row-level security
    REFERENCE = "reference"  # small, the same everywhere
    CONTROL = "control"  # lives in one database: merchants, phone index, scheduler


def stored(enum: type[StrEnum]) -> Enum:
    """An enum column that keeps the value, as text, so adding a member needs no ALTER TYPE."""
    return Enum(
        enum,
        native_enum=False,
        length=40,
        create_constraint=False,
        values_callable=lambda members: [member.value for member in members],
    )


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        int: BigInteger,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        Currency: stored(Currency),
        Role: stored(Role),
    }
    table_kind: ClassVar[TableKind]


class TenantRow(Base):
    """A row of one merchant: `merchant_id` leads its primary key and every other key."""

    __abstract__ = True
    table_kind = TableKind.TENANT

    merchant_id: Mapped[str] = mapped_column(primary_key=True, sort_order=-2)


class ControlRow(Base):
    __abstract__ = True
    table_kind = TableKind.CONTROL


class ReferenceRow(Base):
    __abstract__ = True
    table_kind = TableKind.REFERENCE


def stamp() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


db = SQLAlchemy(metadata=Base.metadata)

_scope: ContextVar[frozenset[str] | None] = ContextVar("transaction_scope", default=None)

# One statement opens the scope. Everything in it ends with the transaction, so a pooled
# connection, also one behind PgBouncer in transaction mode, carries nothing over.
_OPEN = text(
    "SELECT set_config('role', :role, true), set_config('app.merchant_ids', :merchants, true),"
    " set_config('lock_timeout', :lock, true), set_config('statement_timeout', :statement, true),"
    " set_config('idle_in_transaction_session_timeout', :idle, true)"
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

    Raises RuntimeError inside another transaction: pass the session on instead.
    """
    with _opened(APP_ROLE, frozenset(merchant_ids)) as session:
        yield session


@contextmanager
def platform_transaction(reason: str) -> Iterator[Session]:
    """One transaction across all merchants. `reason` says why, for whoever reads the caller."""
    if not reason:
        raise ValueError("a platform transaction says why it crosses merchants")
    with _opened(PLATFORM_ROLE, frozenset()) as session:
        yield session


@contextmanager
def transaction_aside() -> Iterator[Session]:
    """One short transaction on control tables beside the one that may be open.

    It has a connection of its own, outside the pool: it cannot wait for the pool's last one, and
    what it writes stays, whatever becomes of the caller's. For what a process reads once.
    """
    options = current_app.config["SQLALCHEMY_ENGINE_OPTIONS"]
    engine = create_engine(
        db.engine.url, poolclass=NullPool, connect_args=options.get("connect_args", {})
    )
    with Session(engine) as session, session.begin():
        session.execute(_OPEN, _opening(APP_ROLE, frozenset()))
        yield session


@contextmanager
def _opened(role: str, merchants: frozenset[str]) -> Iterator[Session]:
    if _scope.get() is not None:
        raise RuntimeError("a transaction is open already: pass its session on")
    token = _scope.set(merchants)
    try:
        with Session(db.engine, expire_on_commit=False) as session:
            _open(session, role, merchants)
            yield session
            for write in session.info.get("last_of_all", ()):
                write(session)
            session.commit()
            bells = session.info.get("bells", ())
    finally:
        _scope.reset(token)
    for bell in bells:
        _ring(bell)


def _open(session: Session, role: str, merchants: frozenset[str]) -> None:
    """Begin on a connection that lives.

    One from the pool may have died since. The first statement finds that out, SQLAlchemy drops all
    connections of that age, and a new one is tried: no question has to be asked beforehand.
    """
    opening = _opening(role, merchants)
    try:
        session.execute(_OPEN, opening)
    except DBAPIError as failure:
        if not failure.connection_invalidated:
            raise
        session.rollback()
        session.execute(_OPEN, opening)


def _opening(role: str, merchants: frozenset[str]) -> dict[str, str]:
    return {
        "role": role,
        "merchants": ",".join(sorted(merchants)),
        "lock": LOCK_TIMEOUT,
        "statement": STATEMENT_TIMEOUT,
        "idle": IDLE_TIMEOUT,
    }


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
