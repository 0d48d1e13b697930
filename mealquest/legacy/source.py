"""The table that the old server kept its state in: looked at, never written.

It is read by the login that migrates, because the old server's login may own it. While it is open
nobody else brings anything in: the connection holds a lock that ends with it, however it ends.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import psycopg
from flask import current_app
from psycopg import sql

from mealquest.legacy.errors import LegacyRefused

LOCK = 5_120_731_884  # of whoever brings a snapshot in, on any machine
TEXTS = ("text", "character varying", "character", "json", "jsonb")
PAYLOADS = ("payload", "state", "data", "snapshot", "document", "value", "content", "json", "body")
KEYS = ("snapshot_key", "state_key", "key", "id", "name", "snapshot_id", "tenant")
STAMPS = ("updated_at", "saved_at", "created_at", "timestamp", "modified_at")


@dataclass(frozen=True, slots=True)
class Columns:
    key: str
    payload: str
    stamp: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """One snapshot as it lies there. `payload` is JSON, its numbers decimals."""

    key: str
    payload: Any
    saved_at: datetime | None


def columns_of(found: Sequence[tuple[str, str]]) -> Columns | None:
    """Which column is what, by names and types; None when that cannot be told."""
    texts = [name for name, kind in found if kind.split("(")[0] in TEXTS]
    json_columns = [name for name, kind in found if kind in ("json", "jsonb")]
    payload = _one(json_columns, PAYLOADS) or _one(texts, PAYLOADS)
    key = _one([name for name in texts if name != payload], KEYS)
    stamps = [name for name, kind in found if kind.startswith(("timestamp", "date"))]
    if payload is None or key is None:
        return None
    return Columns(key, payload, _one(stamps, STAMPS))


def _one(names: Sequence[str], preferred: Sequence[str]) -> str | None:
    """The first preferred one; else the only one there is."""
    folded = {name.lower().replace("_", ""): name for name in names}
    for wanted in preferred:
        if (bare := wanted.replace("_", "")) in folded:
            return folded[bare]
    return names[0] if len(names) == 1 else None


class Source:
    """A snapshot table that is there. `table` is its name as PostgreSQL writes it."""

    def __init__(self, connection: psycopg.Connection[Any], table: str, columns: Columns) -> None:
        self._connection, self.table, self._columns = connection, table, columns

    def keys(self) -> list[str]:
        query = sql.SQL("SELECT DISTINCT {}::text FROM {} ORDER BY 1").format(
            sql.Identifier(self._columns.key),
            sql.SQL(self.table),
        )
        return [row[0] for row in self._connection.execute(query)]

    def row(self, key: str) -> Row | None:
        """The newest snapshot under a key. LegacyRefused: two, or no JSON."""
        columns = self._columns
        stamp = sql.Identifier(columns.stamp) if columns.stamp else sql.NULL
        query = sql.SQL(
            "SELECT {payload}::text, {stamp} FROM {table} WHERE {key}::text = %s"
            " ORDER BY 2 DESC NULLS LAST LIMIT 2"
        ).format(
            payload=sql.Identifier(columns.payload),
            stamp=stamp,
            table=sql.SQL(self.table),
            key=sql.Identifier(columns.key),
        )
        rows = self._connection.execute(query, [key]).fetchall()
        if not rows:
            return None
        if len(rows) > 1 and rows[0][1] == rows[1][1]:
            raise LegacyRefused(f"{self.table}, {key}", ["two rows, and none is the newer one"])
        saved_at = rows[0][1] if isinstance(rows[0][1], datetime) else None
        return Row(key, self._parsed(key, rows[0][0]), saved_at)

    def _parsed(self, key: str, text: str | None) -> Any:
        try:
            found = _loads(text or "null")
            return _loads(found) if isinstance(found, str) else found
        except (ValueError, RecursionError) as failure:
            raise LegacyRefused(f"{self.table}, {key}", [f"it is no JSON: {failure}"]) from None


def _loads(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_constant=Decimal)


@contextmanager
def opened(table: str) -> Iterator[Source | None]:
    """The table, and the lock for as long as it is used. None: there is no such table.

    LegacyRefused: its columns cannot be told apart.
    """
    settings, url = current_app.config["SETTINGS"], current_app.config["MIGRATION_URL"]
    with psycopg.connect(url, options=f"-csearch_path={settings.db_schema}") as connection:
        for limit in ("idle_in_transaction_session_timeout", "statement_timeout", "lock_timeout"):
            connection.execute(f"SET LOCAL {limit} = 0")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        found = connection.execute("SELECT to_regclass(%s)::text", [table]).fetchone()
        name = found[0] if found else None
        yield Source(connection, name, _columns(connection, name)) if name else None
        connection.rollback()


def _columns(connection: psycopg.Connection[Any], table: str) -> Columns:
    rows = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [table],
    ).fetchall()
    columns = columns_of(rows)
    if columns is None:
        there = ", ".join(f"{name} {kind}" for name, kind in rows)
        raise LegacyRefused(table, [f"no column for a key and one for a JSON state in: {there}"])
    return columns
