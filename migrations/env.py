"""Alembic's entry: one connection as the owner, one transaction a migration, one at a time.

Every database is migrated, home first; `-x database=NAME` names one of them. One that cannot be
migrated does not keep the others from it.
"""

import random
import sys
import time
from pathlib import Path

import psycopg
import structlog
from alembic import context
from flask import current_app
from sqlalchemy import Connection, create_engine, make_url, pool, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

sys.path.insert(0, str(Path(__file__).parent))

from mealquest import models  # noqa: F401 - registers every table
from mealquest.core.db import Base, sqlalchemy_url
from mealquest.core.places import HOME
from mealquest.engines.bootstrap import ensure_roles
from mealquest.engines.errors import EngineError

MIGRATION_LOCK = 7_230_001  # any number of processes may start together; one migrates
LOCKED_OUT = ("55P03", "40P01")  # the lock did not come in time; a deadlock
TRIES = 120
FAILURES = (psycopg.Error, SQLAlchemyError, EngineError)

log = structlog.get_logger(__name__)


def migrate_all() -> None:
    """RuntimeError, which ends the command, when a database other than home is not migrated."""
    wanted = context.get_x_argument(as_dictionary=True).get("database")
    addresses = current_app.config["MIGRATION_URLS"]
    not_migrated = []
    for name in [wanted] if wanted else addresses:
        try:
            migrate(*addresses[name])
        except FAILURES as failure:
            if name in (HOME, wanted):
                raise
            log.warning("database not migrated", place=name, error=repr(failure))
            not_migrated.append(f"{name}: {str(failure).strip().splitlines()[0]}")
    if not_migrated:
        raise RuntimeError(f"not migrated: {'; '.join(not_migrated)}")


def prepare_roles(url: str, login: str | None) -> None:
    """The roles the policies name; a server of the operator's own has none of them yet."""
    with psycopg.connect(url, connect_timeout=10) as connection:
        ensure_roles(connection, login_role=login)


def migrate(admin_url: str, url: str) -> None:
    """`admin_url` is of the owner, `url` of the login that works there."""
    prepare_roles(admin_url, make_url(url).username)
    engine = create_engine(sqlalchemy_url(admin_url), poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            transaction_per_migration=True,
            compare_type=True,
        )
        _run(connection)
        connection.execute(text("GRANT SELECT ON alembic_version TO PUBLIC"))
        connection.commit()
    engine.dispose()


def _run(connection: Connection) -> None:
    """Migrations beside requests: one that waits half a second for a lock lets them pass first.

    That is less than PostgreSQL waits before it looks for a deadlock, so no payment is ended by it.
    """
    for left in range(TRIES, 0, -1):
        try:
            with context.begin_transaction():
                context.run_migrations()
        except OperationalError as failure:
            connection.rollback()
            if left == 1 or getattr(failure.orig, "sqlstate", "") not in LOCKED_OUT:
                raise
            time.sleep(random.uniform(0.1, 1.0))  # noqa: S311 - jitter
        else:
            return


migrate_all()
