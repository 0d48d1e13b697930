"""Whether both sides are the same, row by row and byte by byte, at one moment.

For some milliseconds nobody writes; a snapshot is opened on each side, and then everybody goes on
while the two are compared at leisure.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from mealquest.core.clock import utc_now
from mealquest.core.ids import new_id
from mealquest.tenancy.moves import servers
from mealquest.tenancy.moves.domain import Difference, Report, Summary
from mealquest.tenancy.moves.errors import MoveBroken
from mealquest.tenancy.moves.logins import Connection, Login, connect
from mealquest.tenancy.moves.pausing import paused
from mealquest.tenancy.moves.tables import CONTROL, columns, key_of, listed, tenant_tables

IN_STEP_S = 0.3  # how long writers are held for the other side to catch up
MOST_KEYS = 10  # rows that are named of a table that differs
MARKS = "move_marks"  # the mover's own, the one table that may differ
STREAM = 2_000
AT_ONCE = 20  # tables of one statement

# One hash a row over all its columns, added up: the order of rows plays no part. It is computed
# the same way by every version of PostgreSQL.
_HASHED = (
    "SELECT {key} AS key, encode(sha256(convert_to(ROW({columns})::text, 'UTF8')), 'hex') AS hash"
    " FROM {table} WHERE {owner} = {merchant} OFFSET 0"
)
_PART = "coalesce(sum(('x' || substr(hash, {}, 16))::bit(64)::bigint::numeric), 0)::text"
_SUMS = "SELECT {}, count(*), " + ", ".join(_PART.format(at) for at in (1, 17, 33))
_OF = _SUMS + " FROM ({}) AS hashed"


@dataclass(frozen=True, slots=True)
class Fence:
    """A snapshot on each side, of one moment in which nobody wrote."""

    source: Connection
    target: Connection
    pause_ms: float


@contextmanager
def fenced(source: Login, target: Login, merchant_id: str) -> Iterator[Fence]:
    """Both sides as they are when the target has all that the source has.

    BehindStill, PauseDenied: not now.
    """
    with connect(source) as one, connect(target) as other, connect(source) as gate:
        catch_up(gate, other, merchant_id, "fence", seconds=30)
        with paused(gate, merchant_id) as pause:
            catch_up(gate, other, merchant_id, "fence", seconds=IN_STEP_S)
            for side in (one, other):
                open_snapshot(side)
            held = pause.ms
        yield Fence(one, other, held)


def catch_up(
    source: Connection, target: Connection, merchant_id: str, mark: str, *, seconds: float
) -> None:
    """Return when the target has all that the source had. BehindStill: not within that time."""
    value = new_id(mark)
    servers.write_mark(source, merchant_id, mark, value)
    servers.wait_for_mark(target, merchant_id, mark, value, seconds=seconds)


def open_snapshot(connection: Connection) -> None:
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    connection.execute("SELECT 1")  # this is when it is taken


def compare(fence: Fence, merchant_id: str, *, control: bool = True) -> Report:
    """Every row of every table of the merchant; `control`: of the two control tables, too."""
    began = time.monotonic()
    tables = [table for table in tenant_tables() if table != MARKS]
    if control:
        tables += CONTROL
    rows, differences = differing(fence.source, fence.target, tables, merchant_id)
    return Report(
        rows=rows,
        differences=differences,
        source=summary(fence.source, merchant_id),
        target=summary(fence.target, merchant_id),
        pause_ms=round(fence.pause_ms, 1),
        seconds=round(time.monotonic() - began, 3),
        taken_at=utc_now(),
    )


def differing(
    source: Connection, target: Connection, tables: list[str], merchant_id: str
) -> tuple[dict[str, int], tuple[Difference, ...]]:
    """How many rows each table has at the source, and what is not the same in which of them."""
    one, other = columns(source, tables), columns(target, tables)
    _require_alike(one, other)
    mine, theirs = (checksums(side, one, merchant_id) for side in (source, target))
    found = []
    for table in tables:
        if mine[table] != theirs[table]:
            keys = _differing(source, target, table, merchant_id, one[table])
            counts = mine[table][0], theirs[table][0]
            found.append(Difference(table, *counts, keys or ("sums differ",)))
    return {table: mine[table][0] for table in tables}, tuple(found)


def _require_alike(one: dict[str, list[str]], other: dict[str, list[str]]) -> None:
    """MoveBroken: the two were not migrated alike, so nothing can be compared."""
    unlike = sorted(table for table in one if one[table] != other.get(table))
    if unlike:
        raise MoveBroken(f"not the same columns on both sides: {', '.join(unlike)}")


def checksums(
    connection: Connection, tables: Mapping[str, list[str]], merchant_id: str
) -> dict[str, tuple[int, str, str, str]]:
    """How many rows, and the sums of their hashes, by table; `tables` with their columns."""
    found: dict[str, tuple[int, str, str, str]] = {}
    statement = sql.SQL(_OF)
    names = sorted(tables)
    for at in range(0, len(names), AT_ONCE):
        parts = [
            statement.format(sql.Literal(table), _hashed(table, merchant_id, tables[table]))
            for table in names[at : at + AT_ONCE]
        ]
        for table, *sums in connection.execute(sql.SQL(" UNION ALL ").join(parts)):
            found[table] = (int(sums[0]), sums[1], sums[2], sums[3])
    return found


def _hashed(table: str, merchant_id: str, names: list[str]) -> sql.Composed:
    return sql.SQL(_HASHED).format(
        key=sql.SQL("NULL"),
        columns=listed(names),
        table=sql.Identifier(table),
        owner=sql.Identifier(key_of(table)),
        merchant=sql.Literal(merchant_id),
    )


# --- which rows -------------------------------------------------------------------------------


def _differing(
    source: Connection, target: Connection, table: str, merchant_id: str, names: list[str]
) -> tuple[str, ...]:
    """Keys of a few rows that are on one side only, or not the same; both are read in step."""
    one, other = (_rows(side, table, merchant_id, names) for side in (source, target))
    found: list[str] = []
    mine, theirs = next(one, None), next(other, None)
    while (mine or theirs) and len(found) < MOST_KEYS:
        if mine == theirs:
            mine, theirs = next(one, None), next(other, None)
        elif theirs is None or (mine is not None and mine[0] < theirs[0]):
            found.append(mine[0] if mine else "")
            mine = next(one, None)
        elif mine is None or theirs[0] < mine[0]:
            found.append(theirs[0])
            theirs = next(other, None)
        else:
            found.append(mine[0])
            mine, theirs = next(one, None), next(other, None)
    return tuple(found)


def _rows(
    connection: Connection, table: str, merchant_id: str, names: list[str]
) -> Iterator[tuple[str, str]]:
    """Key and hash of each row, in the order of the key's bytes, by a cursor in the database."""
    statement = sql.SQL(_HASHED + " ").format(
        key=sql.SQL("ROW({})::text").format(listed(_primary_key(connection, table) or names)),
        columns=listed(names),
        table=sql.Identifier(table),
        owner=sql.Identifier(key_of(table)),
        merchant=sql.Literal(merchant_id),
    )
    ordered = sql.SQL('SELECT key, hash FROM ({}) AS hashed ORDER BY key COLLATE "C"')
    with connection.transaction(), connection.cursor(name=f"rows_{table}") as cursor:
        cursor.itersize = STREAM
        cursor.execute(ordered.format(statement))
        yield from cursor


def _primary_key(connection: Connection, table: str) -> list[str]:
    statement = (
        "SELECT a.attname FROM pg_index i JOIN pg_attribute a"
        " ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)"
        " WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY a.attname"
    )
    return [name for (name,) in connection.execute(statement, [table])]


# --- the contract's summary ---------------------------------------------------------------------

_COUNTED = {
    "users": ("customers",),
    "payments": ("payments",),
    "invoices": ("invoices",),
    "campaigns": ("campaigns",),
    "proposals": ("proposals",),
    "strategy_configs": ("strategy_configs",),
    "ledger": ("ledger_entries",),
    "audit": ("audit_log",),
    "bindings": ("social_identities", "staff_phones"),
}
_WALLETS = {
    "customers": ["id", "tags", "fragments"],
    "wallets": ["customer_id", "principal_minor", "bonus_minor", "silver_minor"],
    "vouchers": ["id", "customer_id", "status", "value_minor"],
}
_BUDGET = (
    "SELECT coalesce(sum(CASE source WHEN 'merchant:vouchers' THEN amount_minor"
    " ELSE -amount_minor END), 0)::bigint FROM ledger_postings WHERE merchant_id = %s"
    " AND 'merchant:vouchers' IN (source, destination)"
)


def summary(connection: Connection, merchant_id: str) -> Summary:
    shared = "SELECT wallet_shared FROM alliance_configs WHERE merchant_id = %s"
    exists = "SELECT 1 FROM merchants WHERE id = %s"
    return Summary(
        merchant_exists=servers.one(connection, exists, merchant_id) is not None,
        alliance_wallet_shared=bool(servers.one(connection, shared, merchant_id)),
        budget_used_minor=int(servers.one(connection, _BUDGET, merchant_id)),
        wallet_checksum=_wallet_checksum(connection, merchant_id),
        **{
            name: sum(_count(connection, table, merchant_id) for table in tables)
            for name, tables in _COUNTED.items()
        },
    )


def _count(connection: Connection, table: str, merchant_id: str) -> int:
    statement = sql.SQL("SELECT count(*) FROM {} WHERE merchant_id = {}")
    row: Any = connection.execute(
        statement.format(sql.Identifier(table), sql.Literal(merchant_id))
    ).fetchone()
    return int(row[0])


def _wallet_checksum(connection: Connection, merchant_id: str) -> str:
    """Of everything that customers have, in one word."""
    sums = sorted(checksums(connection, _WALLETS, merchant_id).items())
    return hashlib.sha256(repr(sums).encode()).hexdigest()[:32]
