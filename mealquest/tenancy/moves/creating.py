"""In development, a database of its own for a merchant that no setting names one for."""

import threading

import psycopg
from flask import current_app
from flask_migrate import upgrade
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mealquest.core.db import databases
from mealquest.core.places import HOME
from mealquest.core.settings import Profile
from mealquest.tenancy.moves import servers
from mealquest.tenancy.moves.logins import CONNECT_S, connect, database_beside_home, login_at

LONGEST = 63  # bytes of a database's name
_one_at_a_time = threading.Lock()  # Alembic has one context a process


def can_be_made(place: str) -> bool:
    """Whether its database is one that this process may create: beside home, in development."""
    return (
        place != HOME
        and not databases().has_one_of_its_own(place)
        and current_app.config["SETTINGS"].profile in {Profile.DEV, Profile.TEST}
    )


def name_is_short_enough(place: str) -> bool:
    return len(database_beside_home(place).encode()) <= LONGEST


def exists(place: str) -> bool:
    with connect(login_at(HOME)) as home:
        name = database_beside_home(place)
        return servers.one(home, "SELECT 1 FROM pg_database WHERE datname = %s", name) is not None


def make_database(place: str) -> None:
    """Create it as home was created, and migrate it; nothing happens where it is there."""
    if not can_be_made(place):
        return
    owner = current_app.config["MIGRATION_URL"]
    name = database_beside_home(place)
    with psycopg.connect(owner, autocommit=True, connect_timeout=CONNECT_S) as connection:
        if servers.one(connection, "SELECT 1 FROM pg_database WHERE datname = %s", name) is None:
            create = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'")
            connection.execute(create.format(sql.Identifier(name)))
    if _is_migrated(owner, name):
        return
    urls = current_app.config["MIGRATION_URLS"]
    with _one_at_a_time:
        urls[place] = (_beside(owner, name), databases().url_of(place))
        upgrade(x_arg=f"database={place}")


def _is_migrated(owner: str, name: str) -> bool:
    """At the revision at which home is."""
    statement = "SELECT version_num FROM alembic_version"
    found = []
    for url in (owner, _beside(owner, name)):
        with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_S) as connection:
            there = servers.one(connection, "SELECT to_regclass('alembic_version')::text")
            found.append(servers.one(connection, statement) if there else None)
    return found[0] == found[1]


def _beside(url: str, database: str) -> str:
    """The same login on another database, as a URL."""
    found = conninfo_to_dict(url)
    if str(found.get("host", "")).startswith("/"):
        return make_conninfo(url, dbname=database)
    head, _, tail = url.partition("://")
    where = tail.partition("?")
    server = where[0].rpartition("/")[0] or where[0]
    return f"{head}://{server}/{database}" + (f"?{where[2]}" if where[2] else "")
