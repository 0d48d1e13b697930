"""Which rows are a merchant's: those of every tenant table, and its few of two control tables."""

from collections.abc import Iterable
from functools import cache

from psycopg import sql

from mealquest.core.db import Base, TableKind
from mealquest.tenancy.moves.logins import Connection

# Its rows of these are its own database's too; home keeps a copy for finding it.
CONTROL = {"merchants": "id", "staff_phones": "merchant_id"}


@cache
def tenant_tables() -> tuple[str, ...]:
    """By name; read off the schema, so that no feature can be forgotten."""
    return tuple(
        sorted(
            str(mapper.local_table.description)
            for mapper in Base.registry.mappers
            if mapper.class_.table_kind is TableKind.TENANT
        )
    )


def key_of(table: str) -> str:
    """The column that says whose a row is."""
    return CONTROL.get(table, "merchant_id")


_COLUMNS = (
    "SELECT c.relname, array_agg(a.attname::text ORDER BY a.attname)"
    " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " WHERE c.oid = ANY (%s::regclass[]) AND a.attnum > 0 AND NOT a.attisdropped"
    " AND (NOT %s OR a.attgenerated = '') GROUP BY c.relname"
)


def columns(
    connection: Connection, tables: Iterable[str], *, written: bool = False
) -> dict[str, list[str]]:
    """Names of each table's columns in their alphabet; `written` leaves out what is computed."""
    rows = connection.execute(_COLUMNS, [list(tables), written])
    return dict(rows.fetchall())


def listed(names: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def counted(connection: Connection, merchant_id: str) -> dict[str, int]:
    """How many rows of the merchant each tenant table has, in one statement, but for empty ones."""
    parts = [
        sql.SQL("SELECT {}, count(*) FROM {} WHERE merchant_id = {}").format(
            sql.Literal(table), sql.Identifier(table), sql.Literal(merchant_id)
        )
        for table in tenant_tables()
    ]
    rows = connection.execute(sql.SQL(" UNION ALL ").join(parts))
    return {table: number for table, number in rows if number}
