"""Two embedded servers: home, and one for merchants of their own. Each test has its merchant."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from flask import Flask
from flask_migrate import upgrade
from psycopg.conninfo import conninfo_to_dict

from mealquest.application import create_app
from mealquest.core.settings import Profile, Settings
from mealquest.engines.service import Endpoints, running, superuser_login
from tests.tenancy.moves.driver import Drivers
from tests.tenancy.moves.shop import Shop

MERCHANTS = 100
SECRET = "test-jwt-secret-of-32-bytes-at-least"
QUICK = "ALTER SYSTEM SET wal_retrieve_retry_interval = '100ms'"  # a server that was away is back


@dataclass(slots=True)
class Pair:
    """The application at home, and how a superuser gets into both servers."""

    app: Flask
    home_data: Path
    own_data: Path
    home: str
    own: str
    endpoints: Endpoints
    own_endpoints: Endpoints
    redis: str
    drivers: Drivers
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def merchant(self) -> str:
        """One that the map sends to the other server."""
        return f"m_move_{next(self.numbers)}"

    def at_home(self) -> psycopg.Connection:
        return psycopg.connect(self.home, autocommit=True)

    def at_own(self) -> psycopg.Connection:
        return psycopg.connect(self.own, autocommit=True)


def as_url(login: str) -> str:
    found = conninfo_to_dict(login)
    where = f"host={quote(str(found['host']), safe='')}&port={found['port']}"
    return f"postgresql://{found['user']}@/{found['dbname']}?{where}"


def make_app(
    data_dir: Path,
    home: Endpoints,
    own: str,
    admin: str,
    redis: str,
    only: str = "",
    mover: str = "",
) -> Flask:
    """`only`: the one merchant that the map names, instead of all. `mover`: its login at home."""
    names = [only] if only else [f"m_move_{n}" for n in range(1, MERCHANTS + 1)]
    known = {name: {"url": own, "adminUrl": admin} for name in names}
    return create_app(
        Settings(
            _env_file=None,
            profile=Profile.TEST,
            jwt_secret=SECRET,
            data_dir=data_dir,
            db_mover_url=mover,
            db_pool_max=30,
            tenant_db_pool_max=30,
            tenant_db_map=json.dumps(known),
            log_level="ERROR",
        ),
        db_url=home.db_url or "",
        admin_url=home.admin_db_url or "",
        redis_url=redis,
    )


@pytest.fixture(scope="session")
def two_servers(tmp_path_factory, servers) -> Iterator[Pair]:
    base = tmp_path_factory.mktemp("moves")
    with (
        running(base / "home", valkey=False, fast=True) as home,
        running(base / "own", valkey=False, fast=True) as own,
    ):
        logins = [
            superuser_login(base / name, found.admin_db_url or "")
            for name, found in (("home", home), ("own", own))
        ]
        for login in logins:
            with psycopg.connect(login, autocommit=True) as connection:
                connection.execute(QUICK)
                connection.execute("SELECT pg_reload_conf()")
        app = make_app(base / "home", home, own.db_url or "", as_url(logins[1]), servers[1])
        urls = app.config["MIGRATION_URLS"]
        app.config["MIGRATION_URLS"] = {
            "home": urls["home"],
            "m_move_1": (own.admin_db_url, own.db_url),
        }
        with app.app_context():
            upgrade()
        drivers = Drivers(
            {
                "data": str(base / "home"),
                "db": home.db_url,
                "admin_db": home.admin_db_url,
                "own": own.db_url,
                "own_admin": as_url(logins[1]),
                "redis": servers[1],
                "logins": logins,
            }
        )
        yield Pair(app, base / "home", base / "own", *logins, home, own, servers[1], drivers)
        drivers.end()
        with app.app_context():
            app.extensions["places"].end()
            from mealquest.core.db import db

            db.engine.dispose()


@pytest.fixture
def pair(two_servers: Pair) -> Iterator[Pair]:
    with two_servers.app.app_context():
        yield two_servers


@pytest.fixture
def shop(pair: Pair) -> Shop:
    return Shop.opened(pair.merchant())
