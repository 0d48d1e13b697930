"""Alembic's entry: one connection as the owner, one transaction a migration, one at a time."""

import sys
from pathlib import Path

import psycopg
from alembic import context
from flask import current_app
from sqlalchemy import create_engine, make_url, pool, text

sys.path.insert(0, str(Path(__file__).parent))

from mealquest import models  # noqa: F401 - registers every table
from mealquest.core.db import Base, sqlalchemy_url
from mealquest.engines.bootstrap import ensure_roles

MIGRATION_LOCK = 7_230_001  # any number of processes may start together; one migrates


def prepare_roles() -> None:
    """The roles the policies name; a server of the operator's own has none of them yet."""
    login = make_url(current_app.config["SQLALCHEMY_DATABASE_URI"]).username
    with psycopg.connect(current_app.config["MIGRATION_URL"]) as connection:
        ensure_roles(connection, login_role=login)


def migrate() -> None:
    prepare_roles()
    engine = create_engine(
        sqlalchemy_url(current_app.config["MIGRATION_URL"]), poolclass=pool.NullPool
    )
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            transaction_per_migration=True,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


migrate()
