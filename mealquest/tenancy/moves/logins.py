"""Who the mover comes as, at home and elsewhere, and its connections.

They go past any pooler, as a login that sees every row and may set up replication. Values are
written one way on every side, so that what is equal looks equal.
"""

from dataclasses import dataclass
from typing import Any

import psycopg
from flask import current_app
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mealquest.core.db import databases
from mealquest.core.places import HOME
from mealquest.engines.service import superuser_login

Connection = psycopg.Connection[Any]

CALLED = "mealquest mover"  # the name of its connections, for whoever looks who is there
CONNECT_S = 3
_SESSION = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "synchronous_commit": "on",  # what it commits is sent on at once
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "5s",
    "jit": "off",
}
_LIVELY = {
    "connect_timeout": CONNECT_S,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5_000,
}


@dataclass(frozen=True, slots=True, repr=False)
class Login:
    """How the mover gets into one place. Holds a password: no repr."""

    place: str
    dsn: str

    @property
    def for_subscription(self) -> str:
        """What another server is told for following this one."""
        return make_conninfo(self.dsn, application_name=CALLED, **_LIVELY)


def login_at(place: str) -> Login:
    """The mover's login at home, or at a database that the map names or that lies beside home."""
    own = current_app.config["SETTINGS"].tenant_databases
    if place == HOME:
        return Login(HOME, _at_home())
    if place in own:
        return Login(place, _plain(own[place].admin_url))
    return Login(place, make_conninfo(_at_home(), dbname=database_beside_home(place)))


def database_beside_home(merchant_id: str) -> str:
    """Name of the database that a merchant gets where the map names none."""
    return str(conninfo_to_dict(_plain(databases().url_of(merchant_id)))["dbname"])


def connect(login: Login, *, autocommit: bool = True) -> Connection:
    """A connection of the mover's own; each statement is a transaction unless it opens one."""
    dsn = make_conninfo(login.dsn, application_name=CALLED, options=_options(), **_LIVELY)
    return psycopg.connect(dsn, autocommit=autocommit)


def connect_for_slots(login: Login) -> Connection:
    """One that speaks the replication protocol, for making a slot together with its snapshot."""
    dsn = make_conninfo(login.dsn, application_name=CALLED, replication="database", **_LIVELY)
    return psycopg.connect(dsn, autocommit=True)


def _options() -> str:
    named = dict(_SESSION)
    schema = current_app.config["SETTINGS"].db_schema
    if schema != "public":
        named["search_path"] = schema
    return " ".join(f"-c {name}={value}" for name, value in named.items())


def _at_home() -> str:
    settings = current_app.config["SETTINGS"]
    named = settings.db_mover_url or settings.db_admin_url
    migrations = current_app.config["MIGRATION_URL"]
    found = _plain(named) if named else superuser_login(settings.data_dir, migrations) or migrations
    return make_conninfo(found, dbname=conninfo_to_dict(migrations)["dbname"])


def _plain(url: str) -> str:
    return url.replace("+psycopg", "", 1)
