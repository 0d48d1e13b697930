"""The first copy: every row as it was when the slot was made. What came after, the slot brings.

The server's own first copy of a subscription makes a slot and a worker for each of the tables, one
after the other; here one snapshot is read for all of them.
"""

import time
from collections.abc import Callable

from psycopg import sql

from mealquest.core.placements import Gate
from mealquest.core.places import HOME
from mealquest.tenancy.moves import servers
from mealquest.tenancy.moves.errors import MoveBroken
from mealquest.tenancy.moves.logins import Connection, Login, connect, connect_for_slots
from mealquest.tenancy.moves.tables import CONTROL, columns, counted, key_of, listed

TELL_S = 0.5  # how often progress is written down
BATCH = 5_000  # rows that are removed at once
EXPORT = "CREATE_REPLICATION_SLOT \"{}\" LOGICAL pgoutput (SNAPSHOT 'export')"

Tell = Callable[[dict[str, int], dict[str, int]], None]  # copied and all, by table


def copy_all(source: Login, target: Connection, slot: str, merchant_id: str, tell: Tell) -> None:
    """Make the slot, and copy what its snapshot shows. Begins anew whatever an earlier try left."""
    with connect(source) as reading:
        servers.drop_slot(reading, slot)
        remove_rows(target, merchant_id)
        with connect_for_slots(source) as slots, reading.transaction():
            reading.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            snapshot = sql.Literal(_exported(slots, slot))
            reading.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot))
            whole = counted(reading, merchant_id)
            _copy_tables(reading, target, merchant_id, whole, tell)


def _exported(slots: Connection, slot: str) -> str:
    answer = slots.pgconn.exec_(EXPORT.format(slot).encode())
    name = answer.get_value(0, 2) if answer.ntuples else None
    if name is None:
        raise MoveBroken(f"no slot was made: {answer.error_message.decode().strip()}")
    return name.decode()


def _copy_tables(
    reading: Connection,
    target: Connection,
    merchant_id: str,
    whole: dict[str, int],
    tell: Tell,
) -> None:
    copied: dict[str, int] = {}
    names = columns(reading, whole, written=True)
    told = time.monotonic()
    target.execute("SET session_replication_role = replica")
    for table in whole:
        copied[table] = _copy(reading, target, table, names[table], merchant_id)
        if time.monotonic() - told > TELL_S:
            told = time.monotonic()
            tell(copied, whole)
    target.execute("RESET session_replication_role")
    tell(copied, whole)


def _copy(
    reading: Connection, target: Connection, table: str, names: list[str], merchant_id: str
) -> int:
    values = {
        "table": sql.Identifier(table),
        "columns": listed(names),
        "merchant": sql.Literal(merchant_id),
    }
    out = sql.SQL(
        "COPY (SELECT {columns} FROM {table} WHERE merchant_id = {merchant}) TO STDOUT"
    ).format(**values)
    into = sql.SQL("COPY {table} ({columns}) FROM STDIN").format(**values)
    with reading.cursor() as giver, target.cursor() as taker:
        with giver.copy(out) as rows, taker.copy(into) as written:
            for part in rows:
                written.write(part)
        return taker.rowcount


# --- control rows ---------------------------------------------------------------------------


def carry_control_rows(source: Connection, target: Connection, merchant_id: str) -> None:
    """Make the target's rows of the control tables those of the source, in one transaction."""
    columns_of = columns(source, CONTROL, written=True)
    with target.transaction():
        for table, names in columns_of.items():
            values = {
                "table": sql.Identifier(table),
                "columns": listed(names),
                "key": sql.Identifier(key_of(table)),
                "places": sql.SQL(", ").join(sql.Placeholder() * len(names)),
            }
            rows = source.execute(
                sql.SQL("SELECT {columns} FROM {table} WHERE {key} = %s").format(**values),
                [merchant_id],
            ).fetchall()
            remove = sql.SQL("DELETE FROM {table} WHERE {key} = %s").format(**values)
            target.execute(remove, [merchant_id])
            insert = sql.SQL("INSERT INTO {table} ({columns}) VALUES ({places})").format(**values)
            for row in rows:
                target.execute(insert, row)


# --- removal --------------------------------------------------------------------------------


def require_not_served(home: Connection, place: str, merchant_id: str) -> None:
    """MoveBroken: rows of a merchant that works at this place are never removed there."""
    if servers.place_of(home, merchant_id) == place:
        raise MoveBroken(f"{merchant_id} works at {place}: nothing is removed there")


def remove_copy(home: Connection, connection: Connection, place: str, merchant_id: str) -> None:
    """Remove what a place that does not serve the merchant has of it. Home keeps its directory."""
    require_not_served(home, place, merchant_id)
    remove_rows(connection, merchant_id)
    if place != HOME:
        for table, key in CONTROL.items():
            statement = sql.SQL("DELETE FROM {} WHERE {} = %s")
            connection.execute(
                statement.format(sql.Identifier(table), sql.Identifier(key)), [merchant_id]
            )


def remove_rows(connection: Connection, merchant_id: str) -> None:
    """Every tenant row of a merchant whom this database does not let in, batch by batch.

    As a replica does it: rows that may only be added to are removed as well, and in any order.
    """
    if servers.gate(connection, merchant_id) is Gate.OPEN:
        raise MoveBroken(f"the gate of {merchant_id} stands open: nothing is removed there")
    connection.execute("SET session_replication_role = replica")
    try:
        for table in counted(connection, merchant_id):
            _remove(connection, table, merchant_id)
    finally:
        if not connection.broken:
            connection.execute("RESET session_replication_role")


def _remove(connection: Connection, table: str, merchant_id: str) -> None:
    statement = sql.SQL(
        "DELETE FROM {table} WHERE ctid = ANY (ARRAY("
        "SELECT ctid FROM {table} WHERE merchant_id = %s LIMIT %s))"
    ).format(table=sql.Identifier(table))
    while connection.execute(statement, [merchant_id, BATCH]).rowcount:
        continue
