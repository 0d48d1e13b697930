"""Find or start what the application stands on: for gunicorn, `flask` commands and `app.py`."""

import atexit
import signal
import sys
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlsplit

import psycopg
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy.exc import DBAPIError

from mealquest.application import create_app
from mealquest.core.db import db
from mealquest.core.settings import ConfigurationError, Profile, Settings, load
from mealquest.engines.bootstrap import ensure_database
from mealquest.engines.service import Endpoints, EngineError, SandboxStripe, running
from mealquest.onboarding import demo

CANNOT_START = (ConfigurationError, EngineError, psycopg.Error, DBAPIError)


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
    admin_url = _plain(settings.db_admin_url or settings.db_url) or found.admin_db_url or ""
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
    return create_app(
        settings,
        db_url=where.db_url,
        admin_url=where.admin_url,
        redis_url=where.redis_url,
        stripe=where.stripe,
    )


def prepare(app: Flask) -> None:
    """Migrate, and in development load the demo data where there is no merchant yet."""
    with app.app_context():
        upgrade()
        if app.config["SETTINGS"].profile is Profile.DEV and demo.is_wanted():
            demo.load()
        db.engine.dispose()  # the processes that serve have pools of their own


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
