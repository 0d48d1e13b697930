"""The application's roles and database, on the embedded server or on an operator's own.

``mealquest_app`` is what the application works as: row-level security applies to it.
``mealquest_platform`` crosses merchants. The application reaches it by ``SET ROLE`` only,
never by inheritance, so that a forgotten switch shows too little and not too much.
"""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mealquest.engines.errors import DatabaseMissing, RolesMissing, UnsafeRole

APP = "mealquest_app"
PLATFORM = "mealquest_platform"
ATTEMPTS = 100
CONNECT_SECONDS = 10
# What PostgreSQL tells those who change one role or create one database at the same time.
RACES = (
    errors.DuplicateObject,
    errors.DuplicateDatabase,
    errors.UniqueViolation,
    errors.ObjectInUse,  # the template database
    errors.InternalError_,  # "tuple concurrently updated"
)

Connection = psycopg.Connection[Any]
Result = TypeVar("Result")


def ensure_roles(admin_connection: Connection, *, login_role: str | None) -> None:
    """Create the two roles where they are missing and let ``login_role`` switch to both.

    Any number of processes may do so at once. Where all is in place nothing is written and no
    privilege is needed, so the application may call it at every start.

    Args:
        admin_connection: of a superuser or a role with CREATEROLE; may be in a transaction.
        login_role: who connects to work or to migrate; None only creates the roles.

    Raises:
        RolesMissing: this login may not add what is missing; the message holds the SQL for
            somebody who may.
        UnsafeRole: ``mealquest_app`` could pass row-level security.
    """

    def add_missing() -> None:
        with admin_connection.transaction():
            _execute(admin_connection, _missing_roles(admin_connection))
            _execute(admin_connection, _missing_grants(admin_connection, login_role))

    _retry_races(add_missing)
    with admin_connection.transaction():
        _refuse_unsafe_app(admin_connection)


def ensure_database(admin_url: str, target_url: str) -> bool:
    """Create the database that ``target_url`` names if it is missing; it belongs to the admin.

    Args:
        admin_url: a login with CREATEDB on the same server; the database in it does not matter.
        target_url: of the database that the application shall use.

    Returns:
        Whether this call created it. When several processes try at once, one does.

    Raises:
        DatabaseMissing: it does not exist and this login may not create it.
        psycopg.OperationalError: the server cannot be reached.
    """
    if _answers(target_url):
        return False
    target = conninfo_to_dict(target_url)
    name = str(target.get("dbname") or target.get("user"))
    with _connect_beside(admin_url, name) as connection:
        try:
            return _retry_races(lambda: _create_database(connection, name))
        except errors.InsufficientPrivilege as error:
            statement = _create_statement(name).as_string(connection)
            raise DatabaseMissing(
                f"database {name} does not exist and role {connection.info.user} may not create "
                f"it ({_first_line(error)}). Set MQ_DB_ADMIN_URL to a role that may, or have it "
                f"created: {statement};"
            ) from error


def _missing_roles(connection: Connection) -> list[sql.Composed]:
    found = connection.execute(
        "select rolname from pg_roles where rolname in (%s, %s)", (APP, PLATFORM)
    )
    present = {name for (name,) in found}
    return [
        sql.SQL("create role {} nologin noinherit").format(sql.Identifier(name))
        for name in (APP, PLATFORM)
        if name not in present
    ]


def _missing_grants(connection: Connection, login_role: str | None) -> list[sql.Composed]:
    statements = []
    if _is_before_16(connection) and _inherits_by_itself(connection):
        statements.append(sql.SQL("alter role {} noinherit").format(sql.Identifier(APP)))
    if not _can_switch(connection, APP, PLATFORM) or _inherits_platform(connection):
        statements.append(_grant(connection, PLATFORM, APP))
    for role in (APP, PLATFORM):
        if login_role not in (None, role) and not _can_switch(connection, login_role, role):
            statements.append(_grant(connection, role, str(login_role)))
    return statements


def _grant(connection: Connection, role: str, member: str) -> sql.Composed:
    """Before 16 whether a member inherits is an attribute of the member, not of the grant."""
    how = "" if _is_before_16(connection) else " with inherit false, set true"
    return sql.SQL("grant {} to {}" + how).format(sql.Identifier(role), sql.Identifier(member))


def _can_switch(connection: Connection, member: str | None, role: str) -> bool:
    kind = "member" if _is_before_16(connection) else "set"
    return _holds(connection, "select pg_has_role(%s, %s, %s)", member, role, kind)


def _inherits_platform(connection: Connection) -> bool:
    return _holds(connection, "select pg_has_role(%s, %s, 'usage')", APP, PLATFORM)


def _inherits_by_itself(connection: Connection) -> bool:
    return _holds(connection, "select rolinherit from pg_roles where rolname = %s", APP)


def _refuse_unsafe_app(connection: Connection) -> None:
    passes = "select rolsuper or rolbypassrls from pg_roles where rolname = %s"
    if _holds(connection, passes, APP):
        raise UnsafeRole(
            f"role {APP} is superuser or has BYPASSRLS, so row-level security would not protect "
            f"merchants from each other: alter role {APP} nosuperuser nobypassrls;"
        )
    if _inherits_platform(connection):
        raise UnsafeRole(
            f"role {APP} inherits the privileges of {PLATFORM}, so it would see all merchants: "
            f"revoke {PLATFORM} from {APP}; and start again"
        )


def _is_before_16(connection: Connection) -> bool:
    return connection.info.server_version < 160_000


def _holds(connection: Connection, question: LiteralString, *values: str | None) -> bool:
    row = connection.execute(question, values).fetchone()
    return bool(row and row[0])


def _execute(connection: Connection, statements: Sequence[sql.Composed]) -> None:
    try:
        for statement in statements:
            connection.execute(statement)
    except errors.InsufficientPrivilege as error:
        wanted = "; ".join(statement.as_string(connection) for statement in statements)
        raise RolesMissing(
            f"role {connection.info.user} may not prepare the application's roles "
            f"({_first_line(error)}). Somebody who may should run: {wanted};"
        ) from error


def _create_database(connection: Connection, name: str) -> bool:
    exists = "select exists (select from pg_database where datname = %s)"
    if _holds(connection, exists, name):
        return False
    connection.execute(_create_statement(name))
    return True


def _create_statement(name: str) -> sql.Composed:
    create = sql.SQL("create database {} template template0 encoding 'UTF8'")
    return create.format(sql.Identifier(name))


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=CONNECT_SECONDS).close()
    except psycopg.OperationalError:
        return False
    return True


def _connect_beside(admin_url: str, missing: str) -> Connection:
    """Connect to the URL's own database, else to one that every server has."""
    named = conninfo_to_dict(admin_url).get("dbname")
    databases = [name for name in (named, "postgres", "template1") if name and name != missing]
    failures = []
    for database in databases:
        url = make_conninfo(admin_url, dbname=database)
        try:
            return psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS)
        except psycopg.OperationalError as error:
            failures.append(error)
    raise failures[0]


def _retry_races(attempt: Callable[[], Result]) -> Result:
    for _ in range(ATTEMPTS):
        try:
            return attempt()
        except RACES:
            time.sleep(random.uniform(0.005, 0.05))  # noqa: S311  jitter
    return attempt()


def _first_line(error: psycopg.Error) -> str:
    return str(error).partition("\n")[0]
