"""A difference of one byte in any column of any table is found."""

import psycopg
import pytest

from mealquest.tenancy.moves.tables import CONTROL, columns, key_of, tenant_tables
from mealquest.tenancy.moves.verifying import checksums, differing

MERCHANT = "m_compared"
# A value of each type, and one that differs as little as can be.
VALUES = {
    "text": ("'same'", "'sama'"),
    "character varying": ("'same'", "'sama'"),
    "bigint": ("7", "8"),
    "integer": ("7", "8"),
    "smallint": ("7", "8"),
    "boolean": ("true", "false"),
    "numeric": ("0.5000", "0.5001"),
    "date": ("'2026-02-28'", "'2026-03-01'"),
    "jsonb": ("'{\"a\": [1]}'", "'{\"a\": [2]}'"),
    "ARRAY": ("'{a,b}'", "'{a,c}'"),
    "bytea": ("'\\x00ff'", "'\\x00fe'"),
    "timestamp with time zone": ("'2026-01-01 00:00:00.000001'", "'2026-01-01 00:00:00.000002'"),
    "timestamp(3) with time zone": ("'2026-01-01 00:00:00.001'", "'2026-01-01 00:00:00.002'"),
}


@pytest.fixture
def sides(app):
    """Two schemas with all tables, without their rules, so that any row can stand in them."""
    found = [psycopg.connect(app.config["MIGRATION_URL"], autocommit=True) for _ in range(2)]
    for number, side in enumerate(found):
        side.execute(f"CREATE SCHEMA side_{number}")
        for table in (*tenant_tables(), *CONTROL):
            side.execute(f"CREATE TABLE side_{number}.{table} (LIKE public.{table})")
        side.execute(f"SET search_path = side_{number}")
    yield found
    for number, side in enumerate(found):
        side.execute(f"DROP SCHEMA side_{number} CASCADE")
        side.close()


def types_of(side: psycopg.Connection, table: str) -> dict[str, str]:
    rows = side.execute(
        "SELECT column_name, CASE WHEN datetime_precision = 3 THEN 'timestamp(3) with time zone'"
        " ELSE data_type END FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND table_name = %s",
        [table],
    )
    return dict(rows.fetchall())


def test_every_column_of_every_table_is_compared(sides) -> None:
    one, other = sides
    tables = [*tenant_tables(), *CONTROL]
    changes = []
    for table in tables:
        types = types_of(one, table)
        assert sorted(types) == columns(one, [table])[table]
        names = list(types)
        values = [VALUES[types[name]][0] for name in names]
        values[names.index(key_of(table))] = f"'{MERCHANT}'"
        insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(values)})"
        for side in sides:
            side.execute(insert)
        changes += [(table, name, VALUES[types[name]][1]) for name in names]

    counted, found = differing(one, other, tables, MERCHANT)

    assert (found, set(counted.values())) == ((), {1})
    before = checksums(one, columns(one, tables), MERCHANT)
    names = columns(other, tables)
    unnoticed = []
    for table, name, changed in changes:
        with other.transaction(force_rollback=True):
            other.execute(f"UPDATE {table} SET {name} = {changed}")
            if checksums(other, {table: names[table]}, MERCHANT)[table] == before[table]:
                unnoticed.append(f"{table}.{name}")
    assert unnoticed == []
    assert len(changes) > 500


def test_rows_that_differ_are_named_and_nothing_is_not_empty(sides) -> None:
    one, other = sides
    for side in sides:
        side.execute("ALTER TABLE tenant_policies ADD COLUMN number bigint")
        for column in types_of(side, "tenant_policies"):
            side.execute(f"ALTER TABLE tenant_policies ALTER COLUMN {column} DROP NOT NULL")
        side.execute(
            "INSERT INTO tenant_policies (merchant_id, number, frozen_by)"
            " SELECT %s, n, '' FROM generate_series(1, 5000) n",
            [MERCHANT],
        )
    other.execute("UPDATE tenant_policies SET frozen_by = NULL WHERE number = 7")
    other.execute("DELETE FROM tenant_policies WHERE number = 4711")
    _, (found,) = differing(one, other, ["tenant_policies"], MERCHANT)
    assert (found.source_rows, found.target_rows) == (5000, 4999)
    assert all(any(f"{n}," in key for key in found.keys) for n in (7, 4711)), found.keys
