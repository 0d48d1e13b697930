"""PostgreSQL refuses by itself: with a filter that is missing, or that names another shop."""

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Table, event, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapper, Session

from mealquest.core.db import Base, db, platform_transaction, transaction
from tests.isolation.filling import key_of, tenant_tables
from tests.isolation.sending import assert_all_get_nowhere, send, shown_of_the_other
from tests.isolation.test_fuzz import TRIES
from tests.isolation.tries import Tries
from tests.isolation.world import UNGUARDED, World

REFUSED = "42501"  # no right to it, or a row that the policies do not let in
FILTER = re.compile(r"\b(?:\w+\.)?merchant_id = %\(\w+\)s(?:::\w+)?")
FEWER = TRIES // 10
ENOUGH = 5  # tries that get somewhere, when nothing holds them
OPENS = "app.merchant_ids"
# Who calls is found out as it should be, or no try would come any further.
OF_CALLERS = re.compile(r"\b(staff|staff_sessions|merchants|merchant_settings|tenant_policies)\b")


# --- statement by statement ------------------------------------------------------------------


def test_a_statement_without_a_filter_reaches_ones_own_rows_only(world: World) -> None:
    before = world.fingerprint()
    reach_nothing_by_sql(world)
    reach_nothing_by_the_orm(world)
    reach_nothing_by_an_id_that_no_merchant_can_have(world)
    assert world.fingerprint() == before


def reach_nothing_by_sql(world: World) -> None:
    own, other = world.own.merchant_id, world.other.merchant_id
    for table in tenant_tables():
        with transaction(own) as session:
            about = table.name
            whose = f"SELECT DISTINCT merchant_id FROM {table.name}"
            assert session.scalars(text(whose)).all() == [own], about
            assert session.scalars(select(table.c.merchant_id).distinct()).all() == [own], about
            assert _found(session, f"SELECT 1 FROM {table.name} WHERE merchant_id = :other", other)
            for change in ("UPDATE {} SET merchant_id = merchant_id", "DELETE FROM {}"):
                statement = f"{change.format(table.name)} WHERE merchant_id = :other"
                assert _done(session, statement, other=other) in {0, REFUSED}, statement
            moved = f"UPDATE {table.name} SET merchant_id = :other"
            assert _done(session, moved, other=other) == REFUSED, moved
            assert _done(session, _copied(table), other=other) == REFUSED, about
            assert _done(session, f"TRUNCATE {table.name} CASCADE") == REFUSED, about


def _found(session: Session, statement: str, other: str) -> bool:
    return session.execute(text(statement), {"other": other}).all() == []


def _done(session: Session, statement: str, **values: str) -> int | str | None:
    """How many rows it reached, or the state that it was refused with; undone either way."""
    try:
        with session.begin_nested() as tried:
            count: int = session.execute(text(statement), values).rowcount
            tried.rollback()
    except DBAPIError as refused:
        state: str | None = getattr(refused.orig, "sqlstate", None)
        return state
    return count


def _copied(table: Table) -> str:
    """One of our rows under the other's name."""
    columns = [column.name for column in table.columns if column.computed is None]
    values = [":other" if name == "merchant_id" else name for name in columns]
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)})"
        f" SELECT {', '.join(values)} FROM {table.name} LIMIT 1"
    )


def reach_nothing_by_the_orm(world: World) -> None:
    own, other = world.own.merchant_id, world.other.merchant_id
    theirs = {mapper: _key(mapper, other) for mapper in _tenant_mappers()}
    with transaction(own) as session:
        for mapper, key in theirs.items():
            shown = {row.merchant_id for row in session.scalars(select(mapper.class_))}
            assert shown == {own}, mapper
            assert session.get(mapper.class_, key) is None, mapper


def _tenant_mappers() -> list[Mapper[Any]]:
    tables = tenant_tables()
    return [mapper for mapper in Base.registry.mappers if mapper.local_table in tables]


def _key(mapper: Mapper[Any], merchant_id: str) -> tuple[Any, ...]:
    """The primary key of one of the merchant's rows."""
    of_merchant = mapper.local_table.c.merchant_id == merchant_id
    with platform_transaction("a test reads a key") as session:
        return tuple(session.execute(select(*mapper.primary_key).where(of_merchant)).first() or ())


def reach_nothing_by_an_id_that_no_merchant_can_have(world: World) -> None:
    own, other = world.own.merchant_id, world.other.merchant_id
    for named in (f"{own},{other}", f"{other},{own}", f"{{{own}}}", f",{own}", ",", "", "%"):
        with transaction(named) as session:
            for name in ("wallets", "customers", "audit_log"):
                assert session.scalar(text(f"SELECT count(*) FROM {name}")) == 0, named


def test_what_no_policy_guards_is_known(app: Flask) -> None:
    with psycopg.connect(app.config["MIGRATION_URL"]) as owner:
        rows = owner.execute("SELECT relname FROM pg_class WHERE relrowsecurity").fetchall()
    guarded = {name for (name,) in rows}
    of_merchants = {table.name for table in Base.metadata.tables.values() if key_of(table)}
    assert of_merchants - guarded == UNGUARDED


def test_the_application_works_as_nobody_mighty(app: Flask) -> None:
    might = text(
        "SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole OR rolreplication AS mighty,"
        " (SELECT count(*) FROM pg_class WHERE relowner = r.oid) AS owns"
        " FROM pg_roles r WHERE rolname = current_user"
    )
    with transaction("m_any") as session:
        assert tuple(session.execute(might).one()) == ("mealquest_app", False, 0)
    with platform_transaction("a test asks who it is") as session:
        assert tuple(session.execute(might).one()) == ("mealquest_platform", False, 0)


def test_nothing_in_the_schema_works_with_its_owners_rights(app: Flask) -> None:
    """A function or a view of the owner's would see past the policies of whoever uses it."""
    with psycopg.connect(app.config["MIGRATION_URL"]) as owner:
        functions = owner.execute(
            "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        ).fetchall()
        views = owner.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('v', 'm')"
            " AND relnamespace = 'public'::regnamespace"
        ).fetchall()
    assert (functions, views) == ([], [])


# --- the whole application, its filters taken out --------------------------------------------


@contextmanager
def rewritten(change: Any) -> Iterator[list[int]]:
    """Every statement but those that open a transaction as `change` would have it.

    What is yielded counts the statements that became others.
    """
    count = [0]

    def before(_conn: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: Any):
        if OPENS in statement:
            return statement, values
        statement, values, changed = change(statement, values)
        count[0] += changed
        return statement, values

    event.listen(db.engine, "before_cursor_execute", before, retval=True)
    try:
        yield count
    finally:
        event.remove(db.engine, "before_cursor_execute", before)


def unfiltered(statement: str, values: Any) -> tuple[str, Any, int]:
    """Any merchant's rows will do."""
    if OF_CALLERS.search(statement):
        return statement, values, 0
    changed, count = FILTER.subn("true", statement)
    return changed, values, bool(count)


class Misled:
    """Now and then the other's id where our own should be."""

    def __init__(self, world: World) -> None:
        self._own, self._other = world.own.merchant_id, world.other.merchant_id
        self._random = random.Random(7)

    def __call__(self, statement: str, values: Any) -> tuple[str, Any, int]:
        if OF_CALLERS.search(statement) or self._random.random() < 0.6:
            return statement, values, 0
        if isinstance(values, dict):
            swapped: Any = self._swapped(values)
        else:
            swapped = [self._swapped(each) if isinstance(each, dict) else each for each in values]
        return statement, swapped, swapped != values

    def _swapped(self, values: dict[str, Any]) -> dict[str, Any]:
        return {k: self._other if v == self._own else v for k, v in values.items()}


def test_without_its_filters_the_application_shows_and_changes_nothing_of_another_shop(
    world: World, visitor: FlaskClient
) -> None:
    for seed, change in ((100, unfiltered), (101, Misled(world))):
        with rewritten(change) as count:
            seen = assert_all_get_nowhere(world, visitor, Tries(world, seed), FEWER, may_break=True)
        assert count[0] > FEWER / 3, "statements went as they were"
        assert seen[200] > FEWER / 10, f"too few came in for this to prove much: {seen}"

    # The same past the policies does get there, or all this proves nothing.
    tries, before, reached = Tries(world, 100), world.fingerprint(), 0
    with rewritten(unfiltered), past_the_policies():
        for _ in range(600):
            each = tries.next()
            answer = send(visitor, each, may_break=True)
            reached += bool(answer and shown_of_the_other(world, each, answer))
            if reached >= ENOUGH and world.fingerprint() != before:
                return
    pytest.fail(f"reached the other shop {reached} times")


@contextmanager
def past_the_policies() -> Iterator[None]:
    """Every transaction as the platform's role."""

    def before(_conn: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: Any):
        if OPENS in statement:
            values = values | {"role": "mealquest_platform"}
        return statement, values

    event.listen(db.engine, "before_cursor_execute", before, retval=True)
    try:
        yield
    finally:
        event.remove(db.engine, "before_cursor_execute", before)
