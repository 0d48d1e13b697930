"""Rows of one shop as they are now, to be written back whenever something took them away."""

from typing import Any

import psycopg
from psycopg import sql
from psycopg.sql import SQL, Composed, Identifier, Literal
from sqlalchemy import Table

from mealquest.core.db import Base
from tests.isolation.filling import key_of

# What a shop's own people may end or change, and need for going on.
NEEDED = (
    "merchants",
    "merchant_settings",
    "tenant_policies",
    "staff",
    "staff_phones",
    "staff_sessions",
    "customers",
    "customer_keys",
    "supplier_partners",
)
_SAVE = SQL(
    "DROP TABLE IF EXISTS {copy};"
    " CREATE TEMP TABLE {copy} AS SELECT * FROM {name} WHERE {key} = {shop}"
)
_WRITE_BACK = SQL(
    "INSERT INTO {name} ({columns}) SELECT {columns} FROM {copy}"
    " ON CONFLICT ({keys}) DO UPDATE SET {taken}"
)


class Saved:
    """`connection` sees and may write every row, and is the same whenever `connection` is asked."""

    def __init__(self, connection: psycopg.Connection[Any], merchant_id: str) -> None:
        tables = [Base.metadata.tables[name] for name in NEEDED]
        for table in tables:
            connection.execute(_filled(_SAVE, table, shop=Literal(merchant_id)))
        self._back = SQL("; ").join(_filled(_WRITE_BACK, table) for table in tables)

    def write_back(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(self._back)


def _filled(statement: SQL, table: Table, **more: sql.Composable) -> Composed:
    keys = [column.name for column in table.primary_key]
    columns = [column.name for column in table.columns if column.computed is None]
    others = [Identifier(name) for name in columns if name not in keys]
    return statement.format(
        name=Identifier(table.name),
        copy=Identifier(f"saved_{table.name}"),
        key=Identifier(key_of(table) or ""),
        keys=SQL(", ").join(map(Identifier, keys)),
        columns=SQL(", ").join(map(Identifier, columns)),
        taken=SQL(", ").join(SQL("{0} = excluded.{0}").format(name) for name in others),
        **more,
    )
