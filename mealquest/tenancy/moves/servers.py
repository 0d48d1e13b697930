"""What the mover has a server do: slots, publications, subscriptions, gates, marks.

Each function looks at what is there first, so that a step may be taken any number of times.
"""

import time
from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import errors, sql

from mealquest.core.placements import Gate
from mealquest.tenancy.moves.errors import BehindStill
from mealquest.tenancy.moves.logins import Connection, Login
from mealquest.tenancy.moves.tables import tenant_tables

LOOK_S = 0.001  # how often a mark is looked for
SLOT_TRIES = 250
SLOT_WAIT_S = 0.02
RUN_AS_OWNER = 160_000  # the version from which a subscription may, and changes have origins


def one(connection: Connection, statement: str, *values: Any) -> Any:
    """The first column of the first row; None without one."""
    row = connection.execute(statement, values or None).fetchone()
    return row[0] if row else None


# --- slots ------------------------------------------------------------------------------------


def has_slot(connection: Connection, name: str) -> bool:
    """Whether it is there and still has all that was written since it was made."""
    status = one(
        connection, "SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s", name
    )
    return status is not None and status != "lost"


def make_slot(connection: Connection, name: str) -> None:
    if one(connection, "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", name) is None:
        connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [name])


def advance_slot(connection: Connection, name: str) -> None:
    """Have it forget what was committed up to now. Everything before is on disk already."""
    connection.execute("SELECT pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())", [name])


def drop_slot(connection: Connection, name: str) -> None:
    """Who still reads from it is sent away."""
    for _ in range(SLOT_TRIES):
        found = connection.execute(
            "SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s", [name]
        ).fetchone()
        if found is None:
            return
        try:
            if found[0]:
                connection.execute("SELECT pg_terminate_backend(%s)", [found[0]])
            connection.execute("SELECT pg_drop_replication_slot(%s)", [name])
        except (errors.ObjectInUse, errors.UndefinedObject):
            time.sleep(SLOT_WAIT_S)
    raise psycopg.OperationalError(f"replication slot {name} is in use and stays so")


def lag_bytes(connection: Connection, name: str) -> int | None:
    """How much of what was written the reader of a slot has not confirmed yet."""
    found = one(
        connection,
        "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)"
        " FROM pg_replication_slots WHERE slot_name = %s",
        name,
    )
    return None if found is None else max(0, int(found))


# --- publications and subscriptions -------------------------------------------------------------


def publish(connection: Connection, name: str, merchant_id: str) -> None:
    """Publish one merchant's rows of every tenant table, and no other's."""
    if one(connection, "SELECT 1 FROM pg_publication WHERE pubname = %s", name):
        return
    statement = sql.SQL("CREATE PUBLICATION {} FOR TABLE {}")
    shares = _shares(tenant_tables(), merchant_id)
    connection.execute(statement.format(sql.Identifier(name), shares))


def publish_new_tables(
    publisher: Connection, subscriber: Connection, name: str, merchant_id: str
) -> None:
    """Take in tables that a migration made since, once they are there on both sides."""
    known = publisher.execute(
        "SELECT tablename::text FROM pg_publication_tables WHERE pubname = %s", [name]
    )
    new = set(tenant_tables()) - {table for (table,) in known}
    there = "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NOT NULL"
    for side in (publisher, subscriber):
        new &= {table for (table,) in side.execute(there, [list(new)])} if new else new
    if not new:
        return
    add = sql.SQL("ALTER PUBLICATION {} ADD TABLE {}")
    publisher.execute(add.format(sql.Identifier(name), _shares(sorted(new), merchant_id)))
    refresh = sql.SQL("ALTER SUBSCRIPTION {} REFRESH PUBLICATION WITH (copy_data = false)")
    subscriber.execute(refresh.format(sql.Identifier(name)))


def _shares(tables: Iterable[str], merchant_id: str) -> sql.Composed:
    share = sql.SQL("{} WHERE (merchant_id = {})")
    return sql.SQL(", ").join(
        share.format(sql.Identifier(table), sql.Literal(merchant_id)) for table in tables
    )


def unpublish(connection: Connection, name: str) -> None:
    connection.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(name)))


def has_subscription(connection: Connection, name: str) -> bool:
    return bool(one(connection, f"SELECT 1 {_SUBSCRIPTION}", name))


def subscribe(connection: Connection, name: str, source: Login) -> None:
    """Follow the slot and the publication of that name, from where the slot stands."""
    if has_subscription(connection, name):
        return
    newer = connection.info.server_version >= RUN_AS_OWNER
    statement = sql.SQL(
        "CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION {} WITH (create_slot = false,"
        " slot_name = {}, copy_data = false"
        + (", run_as_owner = true, origin = none)" if newer else ")")
    )
    called = sql.Identifier(name)
    connection.execute(
        statement.format(called, sql.Literal(source.for_subscription), called, sql.Literal(name))
    )


def unsubscribe(connection: Connection, name: str) -> None:
    """Without a word to the other side, which may be away; its slot is dropped there."""
    if not has_subscription(connection, name):
        return
    change = sql.SQL("ALTER SUBSCRIPTION {} {}")
    called = sql.Identifier(name)
    connection.execute(change.format(called, sql.SQL("DISABLE")))
    connection.execute(change.format(called, sql.SQL("SET (slot_name = NONE)")))
    connection.execute(sql.SQL("DROP SUBSCRIPTION {}").format(called))


_SUBSCRIPTION = (
    "FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid"
    " WHERE s.subname = %s AND d.datname = current_database()"
)


def apply_errors(connection: Connection, name: str) -> int:
    """How often the server failed to write down what it got."""
    found = one(
        connection,
        "SELECT apply_error_count FROM pg_stat_subscription_stats WHERE subname = %s",
        name,
    )
    return int(found or 0)


# --- gates and marks --------------------------------------------------------------------------


def gate(connection: Connection, merchant_id: str) -> Gate:
    found = one(connection, "SELECT state FROM tenant_gates WHERE merchant_id = %s", merchant_id)
    return Gate(found or Gate.OPEN)


def set_gate(connection: Connection, merchant_id: str, state: Gate) -> None:
    connection.execute(
        "INSERT INTO tenant_gates (merchant_id, state) VALUES (%s, %s)"
        " ON CONFLICT (merchant_id) DO UPDATE SET state = excluded.state, changed_at = now()",
        [merchant_id, state.value],
    )


def remove_gate(connection: Connection, merchant_id: str) -> None:
    connection.execute("DELETE FROM tenant_gates WHERE merchant_id = %s", [merchant_id])


def place_of(home: Connection, merchant_id: str) -> str:
    found = one(home, "SELECT place FROM placements WHERE merchant_id = %s", merchant_id)
    return str(found or "home")


def set_place(home: Connection, merchant_id: str, place: str) -> None:
    home.execute(
        "INSERT INTO placements (merchant_id, place) VALUES (%s, %s)"
        " ON CONFLICT (merchant_id) DO UPDATE SET place = excluded.place, changed_at = now()",
        [merchant_id, place],
    )


def write_mark(connection: Connection, merchant_id: str, name: str, value: str) -> None:
    connection.execute(
        "INSERT INTO move_marks (merchant_id, name, value) VALUES (%s, %s, %s)"
        " ON CONFLICT (merchant_id, name) DO UPDATE SET value = excluded.value",
        [merchant_id, name, value],
    )


def wait_for_mark(
    connection: Connection, merchant_id: str, name: str, value: str, *, seconds: float
) -> None:
    """BehindStill: it did not come in time."""
    until = time.monotonic() + seconds
    statement = "SELECT value FROM move_marks WHERE merchant_id = %s AND name = %s"
    while one(connection, statement, merchant_id, name) != value:
        if time.monotonic() > until:
            raise BehindStill(f"not in step after {seconds:g} s")
        time.sleep(LOOK_S)
