"""What the sandbox keeps: objects of accounts, answers by idempotency key, deliveries, notes.

SQLite, in a file or in memory. One connection under one lock: requests change it in turn.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Json = dict[str, Any]
SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, kind TEXT NOT NULL,
    id TEXT NOT NULL, created INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (account, kind, id));
CREATE INDEX IF NOT EXISTS objects_of_kind ON objects (account, kind, seq);
CREATE TABLE IF NOT EXISTS answers (
    scope TEXT NOT NULL, key TEXT NOT NULL, print TEXT NOT NULL, status INTEGER, body TEXT,
    PRIMARY KEY (scope, key));
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, account TEXT NOT NULL,
    endpoint TEXT NOT NULL, due REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'waiting', said TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (state, due);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Store:
    """`account` is empty for the platform. Bodies are whole API objects."""

    def __init__(self, path: str) -> None:
        self.lock = threading.RLock()
        self._depth = 0
        self._link = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._link.execute("PRAGMA journal_mode=WAL")
        self._link.execute("PRAGMA synchronous=NORMAL")
        self._link.executescript(SCHEMA)
        self._link.execute("DELETE FROM answers WHERE status IS NULL")  # of one that was killed

    def close(self) -> None:
        with self.lock:
            self._link.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """All or nothing; inside another one it is part of that."""
        with self.lock:
            outermost = self._depth == 0
            if outermost:
                self._link.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                if outermost:
                    self._link.execute("ROLLBACK")
                raise
            else:
                if outermost:
                    self._link.execute("COMMIT")
            finally:
                self._depth -= 1

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.lock:
            return self._link.execute(statement, values).fetchall()

    def put(self, account: str, found: Json, kind: str | None = None) -> Json:
        self.run(
            "INSERT INTO objects (account, kind, id, created, body) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (account, kind, id) DO UPDATE SET body = excluded.body",
            account,
            kind or found["object"],
            found["id"],
            found.get("created", 0),
            json.dumps(found),
        )
        return found

    def drop(self, account: str, kind: str, name: str) -> None:
        self.run(
            "DELETE FROM objects WHERE account = ? AND kind = ? AND id = ?", account, kind, name
        )

    def get(self, account: str, kind: str, name: str) -> Json | None:
        rows = self.run(
            "SELECT body FROM objects WHERE account = ? AND kind = ? AND id = ?",
            account,
            kind,
            name,
        )
        return json.loads(rows[0][0]) if rows else None

    def place_of(self, account: str, kind: str, name: str) -> int | None:
        rows = self.run(
            "SELECT seq FROM objects WHERE account = ? AND kind = ? AND id = ?",
            account,
            kind,
            name,
        )
        return int(rows[0][0]) if rows else None

    def find(
        self,
        account: str,
        kind: str,
        conditions: dict[str, Any] | None = None,
        *,
        limit: int = -1,
        older_than: int | None = None,
        newer_than: int | None = None,
    ) -> list[Json]:
        """Newest first. A condition is a JSON path (`$.status`) and its value, or a list of them.

        A path that ends with `>=`, `>`, `<=` or `<` compares so.
        """
        asked, values = _conditions({"account": account, "kind": kind}, conditions or {})
        for place, sign in ((older_than, "<"), (newer_than, ">")):
            if place is not None:
                asked.append(f"seq {sign} ?")
                values.append(place)
        order = "ASC" if newer_than is not None else "DESC"
        rows = self.run(
            f"SELECT body FROM objects WHERE {' AND '.join(asked)} ORDER BY seq {order} LIMIT ?",  # noqa: S608 - values are bound
            *values,
            limit,
        )
        found = [json.loads(body) for (body,) in rows]
        return found[::-1] if newer_than is not None else found

    def everywhere(self, kind: str, conditions: dict[str, Any]) -> list[tuple[str, Json]]:
        """Objects of all accounts, oldest first, with the account of each."""
        asked, values = _conditions({"kind": kind}, conditions)
        rows = self.run(
            f"SELECT account, body FROM objects WHERE {' AND '.join(asked)} ORDER BY seq",  # noqa: S608 - values are bound
            *values,
        )
        return [(account, json.loads(body)) for account, body in rows]

    def note(self, name: str, default: Any = None) -> Any:
        rows = self.run("SELECT value FROM notes WHERE name = ?", name)
        return json.loads(rows[0][0]) if rows else default

    def write_note(self, name: str, value: Any) -> None:
        self.run(
            "INSERT OR REPLACE INTO notes (name, value) VALUES (?, ?)", name, json.dumps(value)
        )


def _conditions(columns: Json, paths: Json) -> tuple[list[str], list[Any]]:
    asked, values = [f"{name} = ?" for name in columns], list(columns.values())
    for condition, wanted in paths.items():
        path, _, sign = condition.partition(" ")
        choices = wanted if isinstance(wanted, list) else [wanted]
        marks = ", ".join("?" * len(choices))
        asked.append(f"json_extract(body, ?) {f'{sign} ?' if sign else f'IN ({marks})'}")
        values += [path, *choices]
    return asked, values
