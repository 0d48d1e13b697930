"""One database and one Redis number per test worker, migrated once, emptied before each test.

`MQ_TEST_DB_URL` (a role that may create databases and roles) and `MQ_TEST_REDIS_URL` point the
suite at other servers; without them it starts its own embedded ones.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from flask_migrate import upgrade

from mealquest.application import create_app
from mealquest.core.settings import Profile, Settings

pytest_plugins = ["tests.browser.chromium"]
JWT_SECRET = "test-jwt-secret-of-32-bytes-at-least"


def _nth(redis_url: str, number: int) -> str:
    """The database so many after the one that the URL names, or after the first."""
    server, _, first = redis_url.rpartition("/")
    return f"{server}/{int(first or 0) + number}"


def _number(worker: str) -> int:
    return int(worker.removeprefix("gw")) if worker.startswith("gw") else 0


@pytest.fixture(scope="session")
def servers(tmp_path_factory, worker_id) -> Iterator[tuple[str, str]]:
    """URLs of a PostgreSQL superuser-or-owner and of a Redis, shared by all workers."""
    db, redis = os.environ.get("MQ_TEST_DB_URL", ""), os.environ.get("MQ_TEST_REDIS_URL", "")
    with ExitStack() as stack:
        if not (db and redis):
            from mealquest.engines.service import running

            shared = tmp_path_factory.getbasetemp()
            if worker_id != "master":
                shared = shared.parent  # the base of the whole run, common to its workers
            found = stack.enter_context(running(Path(shared) / "engines", fast=True))
            db, redis = db or found.admin_db_url, redis or found.redis_url
        yield db, redis


@pytest.fixture(scope="session")
def app(servers, worker_id) -> Iterator[Flask]:
    admin, redis = servers
    name = f"mq_test_{worker_id}_{os.getpid()}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING UTF8')
    base = admin.rsplit("/", 1)[0]
    owner = f"{base}/{name}"
    app = create_app(
        Settings(
            _env_file=None,
            profile=Profile.TEST,
            jwt_secret=JWT_SECRET,
            db_pool_max=60,
            log_level="WARNING",
            ai_turn_wait_s=0.05,
            stripe_client_id="ca_tests",
        ),
        db_url=owner,
        admin_url=owner,
        redis_url=_nth(redis, _number(worker_id)),
    )
    app.config["TESTING"] = True
    with app.app_context():
        upgrade()
        _let_the_owner_empty(app)
        yield app
        from mealquest.core.db import db

        db.engine.dispose()
        _owner(app).close()
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(autouse=True)
def _app_context(request) -> Iterator[None]:
    """Tests that use the database run inside the application, on empty tables."""
    if "app" not in request.fixturenames:
        yield
        return
    app = request.getfixturevalue("app")
    _empty(app)
    app.extensions["bells"].connection.flushdb()
    with app.app_context():
        yield


def _empty(app: Flask) -> None:
    """Only tables that hold something. Few rows are deleted in half the time of a truncation.

    Every now and then, and where rows must not be deleted, tables are truncated after all.
    """
    from mealquest.core.db import Base

    connection = _owner(app)
    tables = [table.name for table in reversed(Base.metadata.sorted_tables)]
    filled = (f"CASE WHEN EXISTS (SELECT FROM {t}) THEN '{t}' END" for t in tables)
    query = f"SELECT array_remove(ARRAY[{', '.join(filled)}], NULL)"
    (found,) = connection.execute(query).fetchone() or ([],)
    turn = next(app.extensions["emptied"])
    truncated = [name for name in found if name in _kept(app) or turn % 50 == 0]
    deleted = [f"DELETE FROM {name}" for name in found if name not in truncated]
    if truncated:
        connection.execute(f"TRUNCATE {', '.join(truncated)} CASCADE")
    if deleted:
        connection.execute(f"BEGIN; {'; '.join(deleted)}; COMMIT")


def _let_the_owner_empty(app: Flask) -> None:
    """Row-level security is forced upon the owner too, whom this lets see and delete every row."""
    connection = _owner(app)
    guarded = connection.execute("SELECT relname FROM pg_class WHERE relrowsecurity")
    for (name,) in guarded.fetchall():
        connection.execute(f"CREATE POLICY tests ON {name} TO CURRENT_USER USING (true)")
    app.extensions["emptied"] = count(1)


def _kept(app: Flask) -> set[str]:
    """Tables whose rows nobody may delete, not even their owner."""
    if "kept" not in app.extensions:
        rows = _owner(app).execute(
            "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'append_only'"
        )
        app.extensions["kept"] = {name for (name,) in rows.fetchall()}
    return app.extensions["kept"]


def _owner(app: Flask) -> psycopg.Connection:
    """One connection for the whole run, unless a test ended it."""
    known = app.extensions.get("owner_of_tests")
    if known is None or known.closed or known.broken:
        known = psycopg.connect(app.config["MIGRATION_URL"], autocommit=True)
        known.execute("SET lock_timeout = '10s'")
        app.extensions["owner_of_tests"] = known
    return known
