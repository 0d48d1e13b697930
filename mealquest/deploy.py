"""`python -m mealquest.deploy`: what has to be in order before a process of staging or prod starts.

`scripts/start` runs it: the settings, all their problems in one message; the database, waited for;
its schema, migrated under a lock or, with `--no-migrate`, waited for.
"""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import click
import psycopg
from alembic.config import Config
from alembic.script import ScriptDirectory
from flask import Flask
from psycopg import pq

from mealquest.core.settings import ConfigurationError, Settings, load
from mealquest.engines.service import Endpoints

PAUSE_S, CONNECT_S = 0.5, 10
BEHIND, HERE, AHEAD = "behind", "here", "ahead"
REFUSED = 2  # the exit code of what waiting does not mend


class Deployed(Settings):
    """What staging and prod need beyond what the product starts with at all."""

    def _secret_problems(self) -> list[str]:
        return [*self._missing(), *super()._secret_problems()]

    def _missing(self) -> Iterator[str]:
        if self.is_development:
            yield f"MQ_ENV must be staging or prod here, and is {self.profile}"
        for name, value in (("MQ_DB_URL", self.db_url), ("MQ_REDIS_URL", self.redis_url)):
            if not value:
                yield f"{name} is mandatory: embedded servers are for development"
        if not self.public_base_url.startswith("https://"):
            yield "MQ_PUBLIC_BASE_URL is mandatory and starts with https://: cookies are Secure"

    def advice(self) -> Iterator[str]:
        """What works, and is seldom meant."""
        if not self.sms_webhook_url:
            yield "MQ_SMS_WEBHOOK_URL is empty: phone codes are not sent, so nobody new signs in"
        if not self.resend_api_key:
            yield "RESEND_API_KEY is empty: no mail is sent"
        if not self.admin_api_key:
            yield "MQ_ADMIN_API_KEY is empty: operators' routes answer 403"
        if not self.trusted_proxies:
            yield "MQ_TRUSTED_PROXIES is 0: behind a proxy every caller has the proxy's address"
        if self.rate_limits is False:
            yield "MQ_RATE_LIMITS is off: nothing is throttled"
        if self.stripe_secret_key and not self.stripe_is_live:
            yield "STRIPE_SECRET_KEY is a test key: no money moves"


@click.command()
@click.option("--check", is_flag=True, help="Look at the settings only.")
@click.option("--no-migrate", is_flag=True, help="Wait for somebody else's migration instead.")
@click.option("--wait", "seconds", default=60.0, show_default=True, help="Seconds for each wait.")
def main(check: bool, no_migrate: bool, seconds: float) -> None:
    """Make sure that a process of staging or prod can start."""
    try:
        settings = load(Deployed)
        assert isinstance(settings, Deployed)  # noqa: S101 - what was asked for
    except ConfigurationError as wrong:
        click.echo(str(wrong), err=True)
        sys.exit(REFUSED)
    for line in settings.advice():
        click.echo(f"note: {line}", err=True)
    if not check:
        _make_ready(settings, migrate=not no_migrate, seconds=seconds)


def _make_ready(settings: Deployed, *, migrate: bool, seconds: float) -> None:
    from mealquest.launch import CANNOT_START, create, explain, servers

    where = servers(settings, Endpoints(None, None, None))
    _until(lambda: _answers(where.admin_url), "PostgreSQL does not answer", seconds)
    try:
        app = create(settings, where, make_database=migrate)
        if migrate:
            _migrate(app)
        else:
            _until(lambda: _stands(app) != BEHIND, "nobody has migrated the database", seconds)
    except CANNOT_START as failure:
        sys.exit(explain(failure))


def _migrate(app: Flask) -> None:
    from mealquest.launch import prepare

    if _stands(app) == AHEAD:
        click.echo(
            "note: the database is of a newer version; there is nothing to migrate", err=True
        )
        return
    for name, why in prepare(app).items():
        click.echo(f"note: the database of {name} is not migrated: {why}", err=True)
    _prepare_agent(app)


def _until(look: Callable[[], bool], what: str, seconds: float) -> None:
    """Ends the process with `what` when it takes longer."""
    give_up = time.monotonic() + seconds
    while not look():
        if time.monotonic() > give_up:
            sys.exit(f"after {seconds:.0f} seconds: {what}")
        time.sleep(PAUSE_S)


def _answers(url: str) -> bool:
    """Whether a server listens and has recovered, whatever it says of login and database."""
    return bool(pq.PGconn.ping(url.encode()) == pq.Ping.OK)


def _stands(app: Flask) -> str:
    """Where the database is, seen from this version, which also runs on that of the next one."""
    script = _script(app)
    known = {None} | {each.revision for each in script.walk_revisions()}
    with psycopg.connect(app.config["MIGRATION_URL"], connect_timeout=CONNECT_S) as connection:
        there = _revision(connection)
    if there == script.get_current_head():
        return HERE
    return BEHIND if there in known else AHEAD


def _script(app: Flask) -> ScriptDirectory:
    options = Config()
    migrations = app.extensions["migrate"].directory
    options.set_main_option("script_location", migrations)
    options.set_main_option("prepend_sys_path", migrations)  # they share a module of their own
    return ScriptDirectory.from_config(options)


def _revision(connection: psycopg.Connection[Any]) -> str | None:
    """None: no migration has run yet, or none of a version that lets every login read its name."""
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
        return None
    return str(row[0]) if row else None


def _prepare_agent(app: Flask) -> None:
    """Schema `agent`, where the strategist's conversations stand."""
    from mealquest.strategy.agent.run import store

    with app.app_context():
        store().prepare()


if __name__ == "__main__":
    main()
