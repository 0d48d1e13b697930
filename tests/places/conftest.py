"""An application with two databases: home, and `m_hot` with one of its own behind a line."""

import json
from collections.abc import Iterator
from itertools import count
from urllib.parse import urlsplit

import psycopg
import pytest
from flask import Flask
from flask_migrate import upgrade
from psycopg.conninfo import conninfo_to_dict

from mealquest.application import create_app
from mealquest.core import directory
from mealquest.core.db import databases, db
from mealquest.core.settings import Profile, Settings
from tests.conftest import JWT_SECRET, _empty, _let_the_owner_empty, _nth, _number, _owner
from tests.fakes.line import Line
from tests.web.shops import Shop, open_shop

HOT = "m_hot"


@pytest.fixture(scope="session")
def hot_tables(app: Flask) -> Iterator[Flask]:
    """The second database: not an application, but what `_empty` needs to know of one."""
    home = app.config["MIGRATION_URL"]
    name = f"{home.rpartition('/')[2]}_hot"
    hot = Flask("hot")
    hot.config["MIGRATION_URL"] = f"{home.rpartition('/')[0]}/{name}"
    with app.app_context():
        db.engine.dispose()
    _owner(app).close()
    with psycopg.connect(home.rpartition("/")[0] + "/postgres", autocommit=True) as server:
        copied = _copied(server, name, home.rpartition("/")[2])
        if copied:
            hot.extensions["emptied"] = count(1)
        yield hot
        _owner(hot).close()
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _copied(server: psycopg.Connection, name: str, home: str) -> bool:
    """A copy of home while nobody is connected there, else an empty one."""
    try:
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{home}"')
    except psycopg.errors.ObjectInUse:
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING UTF8')
        return False
    return True


@pytest.fixture(scope="session")
def line(app: Flask) -> Line:
    found = conninfo_to_dict(app.config["MIGRATION_URL"])
    return Line((str(found["host"]), int(found.get("port") or 5432)))


@pytest.fixture(scope="session")
def two_databases(app: Flask, hot_tables: Flask, line: Line, servers, worker_id) -> Iterator[Flask]:
    home, hot = app.config["MIGRATION_URL"], hot_tables.config["MIGRATION_URL"]
    login = urlsplit(hot).netloc.rpartition("@")[0]  # with its password, if it has one
    through = f"postgresql://{login}@127.0.0.1:{line.port}/{conninfo_to_dict(hot)['dbname']}"
    settings = Settings(
        _env_file=None,
        profile=Profile.TEST,
        jwt_secret=JWT_SECRET,
        db_pool_max=20,
        log_level="WARNING",
        ai_turn_wait_s=0.05,
        stripe_client_id="ca_tests",
        admin_api_key="operator-key-of-the-tests",
        tenant_db_map=json.dumps({HOT: {"url": through, "adminUrl": hot}}),
        tenant_db_pool_max=3,
    )
    found = create_app(
        settings, db_url=home, admin_url=home, redis_url=_nth(servers[1], _number(worker_id))
    )
    found.config["TESTING"] = True
    with found.app_context():
        if "emptied" not in hot_tables.extensions:
            upgrade(x_arg=f"database={HOT}")
            _let_the_owner_empty(hot_tables)
        yield found
        databases().end()
        db.engine.dispose()


@pytest.fixture
def places(two_databases: Flask, hot_tables: Flask, line: Line) -> Iterator[Flask]:
    """Both databases empty, nobody placed anywhere yet, and this application current."""
    line.restore()
    _empty(hot_tables)
    with two_databases.app_context():
        databases().read_again()
        databases().named(HOT).watch.look()
        yield two_databases
    line.restore()


@pytest.fixture
def hot(places: Flask) -> Shop:
    """A shop in the database of its own."""
    directory.reserve(HOT)
    shop = open_shop("Hot", 6)
    directory.follow(HOT)
    return shop


@pytest.fixture
def calm(places: Flask) -> Shop:
    """A shop at home."""
    return open_shop("Calm", 8)
