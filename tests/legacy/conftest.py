"""A snapshot table beside the tables of the product, in the same database, gone after each test."""

from collections.abc import Callable, Iterator
from datetime import datetime

import psycopg
import pytest

TABLE = "mealquest_state_snapshots"


@pytest.fixture
def owner(app) -> Iterator[psycopg.Connection]:
    with psycopg.connect(app.config["MIGRATION_URL"], autocommit=True) as connection:
        yield connection
        connection.execute(f"DROP TABLE IF EXISTS {TABLE}")


@pytest.fixture
def keep(owner) -> Callable[..., None]:
    """Put a document into the table, under a key."""
    owner.execute(
        f"CREATE TABLE IF NOT EXISTS {TABLE}"
        " (snapshot_key text PRIMARY KEY, payload jsonb, updated_at timestamptz DEFAULT now())"
    )

    def put(document: str, key: str = "main", at: datetime | None = None) -> None:
        owner.execute(
            f"INSERT INTO {TABLE} VALUES (%s, %s, coalesce(%s, now()))"
            " ON CONFLICT (snapshot_key) DO UPDATE SET payload = excluded.payload",
            [key, document, at],
        )

    return put
