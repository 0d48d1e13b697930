"""Find or start what the application stands on: for gunicorn, `flask` commands and `app.py`."""

import atexit
import json
import signal
import sys
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlsplit

import click
import psycopg
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy.exc import DBAPIError

from mealquest.application import create_app
from mealquest.core.database_settings import own_databases
from mealquest.core.db import databases, db
from mealquest.core.places import HOME
from mealquest.core.settings import ConfigurationError, Profile, Settings, load
from mealquest.engines.bootstrap import ensure_database
from mealquest.engines.errors import DatabaseMissing
from mealquest.engines.files import write_private
from mealquest.engines.service import Endpoints, EngineError, SandboxStripe, running
from mealquest.legacy import service as legacy
from mealquest.legacy.service import LegacyRefused
from mealquest.onboarding import demo

CANNOT_START = (ConfigurationError, EngineError, psycopg.Error, DBAPIError, LegacyRefused)
LEGACY_REPORT = "legacy-import.json"


def application() -> Flask:
    """The application for gunicorn and for `flask --app app …`.

    Under gunicorn it attaches to running engines; a command run alone starts them for its time.
    """
    is_command = "gunicorn" not in sys.modules
    if is_command:
        signal.signal(signal.SIGTERM, _leave)
    stack = ExitStack()
    atexit.register(stack.close)
    try:
        settings = load()
        found = stack.enter_context(engines(settings, start=is_command))
        return create(settings, servers(settings, found), make_database=is_command)
    except CANNOT_START as failure:
        sys.exit(explain(failure))


def engines(settings: Settings, *, start: bool) -> AbstractContextManager[Endpoints]:
    """The embedded engines, those that no URL of the operator's own stands for.

    `start` False only attaches: EnginesNotRunning when one of them is not up.
    """
    return running(
        settings.data_dir,
        start=start,
        postgres=not settings.db_url,
        valkey=not settings.redis_url,
        stripe=settings.uses_sandbox_stripe,
    )


@dataclass(frozen=True, slots=True, repr=False)
class Servers:
    """Where this process finds its servers, the operator's or embedded. Holds passwords: no repr.

    `admin_url` is the login that migrates, on the database of `db_url`.
    """

    db_url: str
    admin_url: str
    redis_url: str
    stripe: SandboxStripe | None


def servers(settings: Settings, found: Endpoints) -> Servers:
    db_url = _plain(settings.db_url) or found.db_url or ""
    own_login = settings.db_admin_url or settings.db_direct_url or settings.db_url
    admin_url = _plain(own_login) or found.admin_db_url or ""
    database = urlsplit(db_url).path
    return Servers(
        db_url,
        urlsplit(admin_url)._replace(path=database).geturl(),
        settings.redis_url or found.redis_url or "",
        found.stripe,
    )


def create(settings: Settings, where: Servers, *, make_database: bool) -> Flask:
    """The application on these servers.

    `make_database`: an operator's database that is missing is created, if the settings agree.
    """
    if make_database and settings.db_url and settings.db_auto_create:
        ensure_database(_plain(settings.db_admin_url) or where.admin_url, where.db_url)
    if make_database and settings.db_auto_create:
        _make_own(settings, where.db_url)
    return create_app(
        settings,
        db_url=where.db_url,
        admin_url=where.admin_url,
        redis_url=where.redis_url,
        stripe=where.stripe,
    )


def prepare(app: Flask) -> dict[str, str]:
    """Migrate, and where there is no merchant yet bring in the old server's snapshot, if there is
    one in this database; else, in development, load the demo data.

    Returns why databases of merchants' own could not be migrated, by name: the others go on, and
    these merchants hear that theirs is not available, until it is back and migrated.
    """
    with app.app_context():
        upgrade(x_arg=f"database={HOME}")
        waiting = {
            name: why
            for name in app.config["MIGRATION_URLS"]
            if name != HOME and (why := _not_migrated(name))
        }
        _bring_in_old(app.config["SETTINGS"])
        if app.config["SETTINGS"].profile is Profile.DEV and demo.is_wanted():
            demo.load()
        databases().end()  # the processes that serve have pools of their own
        db.engine.dispose()
    return waiting


def _bring_in_old(settings: Settings) -> None:
    """Say what was brought in; everything that is different stands in a file."""
    report = legacy.at_start()
    if report is None:
        return
    told = settings.data_dir.absolute() / LEGACY_REPORT
    told.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(told, json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    click.echo(f"{report.headline}; what is different stands in {told}")


def _not_migrated(name: str) -> str | None:
    try:
        upgrade(x_arg=f"database={name}")
    except CANNOT_START as failure:
        return explain(failure)
    return None


def _make_own(settings: Settings, home_url: str) -> None:
    """Create databases of merchants' own that are missing. One that does not answer may be down."""
    for admin_url, url in own_databases(settings, home_url).values():
        with suppress(psycopg.OperationalError, DatabaseMissing):
            ensure_database(admin_url, url)


def explain(failure: Exception) -> str:
    """What stands in the way, in words for the terminal; drivers put no password into theirs."""
    if isinstance(failure, psycopg.Error | DBAPIError):
        said = failure.orig if isinstance(failure, DBAPIError) else failure
        return f"MealQuest cannot use the database: {str(said).strip()}"
    return str(failure)


def _plain(url: str) -> str:
    """Without a driver's name: `postgresql+psycopg://…` is SQLAlchemy's way of writing it."""
    return urlsplit(url)._replace(scheme="postgresql").geturl() if url else ""


def _leave(_number: int, _frame: object) -> NoReturn:
    """End by way of the exit handlers, which stop engines that nobody else uses."""
    sys.exit(128 + signal.SIGTERM)
