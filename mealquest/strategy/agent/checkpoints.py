"""Where a turn stands, in PostgreSQL: a schema of its own, made by the owner, used by the app.

The library brings its own tables, without a merchant column: a thread's id begins with the
merchant's, and only this module makes such ids.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, LiteralString

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg import sql
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from mealquest.core.clock import utc_now
from mealquest.core.db import APP_ROLE

SCHEMA = "agent"
PREPARE_LOCK = 7_230_021  # any number that no other advisory lock has
PREPARE_S = 60.0
POOL_MOST = 4
CONNECT_S = 5
NEWEST = len(PostgresSaver.MIGRATIONS) - 1
KEPT = timedelta(days=30)  # of a conversation in which nothing happens
PURGE_EVERY_S = 3600.0
TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")

Connection = psycopg.Connection[dict[str, Any]]


class StoreMissing(Exception):
    """The schema is not there, and this login may not make it."""

    def __init__(self) -> None:
        super().__init__(
            f"schema {SCHEMA} is missing or old: run `flask --app app agent prepare` with the"
            " login that migrates"
        )


def thread_id(merchant_id: str, session_id: str) -> str:
    return f"{merchant_id}:{session_id}"


class Store:
    """Checkpoints of one database. `url` is the application's, `admin_url` the one that migrates.

    Connections are pooled and keep their search path and role for as long as they live, so the
    URL must not lead through a pooler in transaction mode.
    """

    def __init__(self, url: str, admin_url: str, schema: str = SCHEMA) -> None:
        self._admin_url = admin_url
        self._schema = schema
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url,
            kwargs={
                "autocommit": True,
                "prepare_threshold": 0,
                "row_factory": dict_row,
                "connect_timeout": CONNECT_S,
                "application_name": "mealquest agent",
                "options": f"-csearch_path={schema} -crole={APP_ROLE}",
            },
            min_size=0,
            max_size=POOL_MOST,
            timeout=10,
            open=False,
        )
        self._is_ready = False
        self._purge_at = 0.0  # by the monotonic clock
        self._one = threading.Lock()

    def close(self) -> None:
        self._pool.close()

    def saver(self) -> PostgresSaver:
        """Ready to use; the first call makes the tables where it may. StoreMissing."""
        with self._one:
            if not self._is_ready:
                self._pool.open()
                if not self._has_newest():
                    self.prepare()
                self._is_ready = True
        return PostgresSaver(self._pool)

    def prepare(self) -> None:
        """Make the schema or bring it up to date, as the login that migrates. StoreMissing."""
        try:
            with (
                psycopg.connect(
                    self._admin_url,
                    autocommit=True,
                    row_factory=dict_row,
                    prepare_threshold=0,
                    connect_timeout=CONNECT_S,
                ) as connection,
                _alone(connection),
            ):
                self._make(connection)
        except psycopg.errors.InsufficientPrivilege:
            raise StoreMissing from None

    def _make(self, connection: Connection) -> None:
        schema, role = sql.Identifier(self._schema), sql.Identifier(APP_ROLE)
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        connection.execute(sql.SQL("SET search_path TO {}").format(schema))
        PostgresSaver(connection).setup()
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role))
        rights = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {} TO {}"
        connection.execute(sql.SQL(rights).format(schema, role))

    def _has_newest(self) -> bool:
        try:
            with self._pool.connection() as connection:
                row = connection.execute(
                    "SELECT max(v) AS newest FROM checkpoint_migrations"
                ).fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
            return False
        return bool(row) and row is not None and (row["newest"] or -1) >= NEWEST

    def forget(self, merchant_id: str, session_id: str) -> None:
        """Drop one conversation's checkpoints."""
        self.saver().delete_thread(thread_id(merchant_id, session_id))

    def purge(self, older_than: timedelta) -> int:
        """Drop threads in which nothing happened for so long; how many."""
        silent = (
            "SELECT thread_id FROM checkpoints GROUP BY thread_id"
            " HAVING max(checkpoint->>'ts') < %s"
        )
        return self._drop(silent, (utc_now() - older_than).isoformat())

    def purge_now_and_then(self) -> int:
        """Drop what is older than is kept, at most once an hour in a process; how many."""
        if time.monotonic() < self._purge_at:
            return 0
        self._purge_at = time.monotonic() + PURGE_EVERY_S
        return self.purge(KEPT)

    def purge_merchant(self, merchant_id: str) -> int:
        """Drop all of a merchant's threads; how many."""
        own = "SELECT DISTINCT thread_id FROM checkpoints WHERE starts_with(thread_id, %s)"
        return self._drop(own, thread_id(merchant_id, ""))

    def _drop(self, which: LiteralString, value: str) -> int:
        self.saver()
        with self._pool.connection() as connection, connection.transaction():
            found = [row["thread_id"] for row in connection.execute(which, [value])]
            for table in TABLES:
                drop = sql.SQL("DELETE FROM {} WHERE thread_id = ANY(%s)")
                connection.execute(drop.format(sql.Identifier(table)), [found])
        return len(found)


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """One process prepares at a time.

    It asks again and again rather than wait inside a statement: an index that is built without
    locking the table would wait for that statement in turn.
    """
    give_up = time.monotonic() + PREPARE_S
    while not _try_lock(connection):
        if time.monotonic() > give_up:
            raise TimeoutError("another process prepares the agent's schema and does not end")
        time.sleep(0.1)
    yield  # the lock ends with the connection


def _try_lock(connection: Connection) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s) AS got", [PREPARE_LOCK]).fetchone()
    return bool(row and row["got"])
