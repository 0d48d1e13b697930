"""Find or start what the application stands on, and run the product as one process group."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import FrameType
from urllib.error import URLError

import click
from flask import Flask
from flask_migrate import upgrade

from mealquest.application import ROOT, create_app
from mealquest.core.settings import ConfigurationError, Profile, Settings, load
from mealquest.engines.bootstrap import ensure_database
from mealquest.engines.service import (
    Endpoints,
    EngineError,
    remove_endpoints,
    running,
    write_endpoints,
)
from mealquest.onboarding import demo

STOP_S = 8.0
READY_S = 60.0
WATCH_S = 1.0


def application() -> Flask:
    """The application for gunicorn and for `flask --app app …`.

    Under gunicorn it attaches to running engines; a command run alone starts them for its time.
    """
    settings = _settings_or_exit()
    stack = ExitStack()
    atexit.register(stack.close)
    start = "gunicorn" not in sys.modules
    try:
        found = stack.enter_context(_engines(settings, start=start))
        return _create(settings, found, prepare=start)
    except EngineError as failure:
        sys.exit(str(failure))


def _settings_or_exit() -> Settings:
    try:
        return load()
    except ConfigurationError as wrong:
        sys.exit(str(wrong))


def _engines(settings: Settings, *, start: bool):  # type: ignore[no-untyped-def]  # a context manager
    return running(
        settings.data_dir,
        start=start,
        postgres=not settings.db_url,
        valkey=not settings.redis_url,
    )


def _create(settings: Settings, found: Endpoints, *, prepare: bool) -> Flask:
    db_url = settings.db_url or found.db_url or ""
    admin_url = settings.db_admin_url or settings.db_url or found.admin_db_url or ""
    if prepare and settings.db_url and settings.db_auto_create:
        ensure_database(admin_url, settings.db_url)
    return create_app(
        settings,
        db_url=db_url,
        admin_url=_in_database_of(admin_url, db_url),
        redis_url=settings.redis_url or found.redis_url or "",
    )


def _in_database_of(admin_url: str, db_url: str) -> str:
    """The admin's login on the application's database, whatever database its URL names."""
    from sqlalchemy import make_url

    from mealquest.core.db import sqlalchemy_url

    target = make_url(sqlalchemy_url(db_url)).database
    url = make_url(sqlalchemy_url(admin_url)).set(database=target, drivername="postgresql")
    return url.render_as_string(hide_password=False)


# --- the whole product in one process group -------------------------------------------------


@dataclass(slots=True)
class Child:
    """A process of the product; one that dies unasked is started again, ever more slowly."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    start_at: float = 0.0

    def keep_alive(self, environment: dict[str, str]) -> None:
        if self.process is None and time.monotonic() >= self.start_at:
            self.process = subprocess.Popen(
                self.command,
                env=environment,
                cwd=ROOT,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has no threads
            )
        elif self.process is not None and self.process.poll() is not None:
            self.deaths += 1
            self.start_at = time.monotonic() + min(30, 2**self.deaths / 2)
            code = self.process.returncode
            click.echo(f"{self.name} ended with {code}, starting it again", err=True)
            self.process = None

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait(self, deadline: float) -> None:
        if self.process is None:
            return
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(slots=True)
class Product:
    settings: Settings
    children: list[Child] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        _require_free_port(self.settings)
        with ExitStack() as stack:
            found = stack.enter_context(_engines(self.settings, start=True))
            app = _create(self.settings, found, prepare=True)
            _prepare(app, self.settings)
            self.children = _children(self.settings)
            try:
                self._serve(app, found, stack)
            finally:
                self._stop()
        return 0

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping.set()

    def _serve(self, app: Flask, found: Endpoints, stack: ExitStack) -> None:
        environment = os.environ | {
            "MQ_DATA_DIR": str(self.settings.data_dir.absolute()),
            "PORT": str(self.settings.port),
        }
        self._tend(environment)
        if not self._until_ready(environment):
            return
        write_endpoints(self.settings.data_dir, _endpoints(self.settings, app, found))
        click.echo(_screen(self.settings, app, found))
        while not self.stopping.wait(WATCH_S):
            self._tend(environment)
            if not _answers(found):
                stack.enter_context(_engines(self.settings, start=True))

    def _tend(self, environment: dict[str, str]) -> None:
        for child in self.children:
            child.keep_alive(environment)

    def _until_ready(self, environment: dict[str, str]) -> bool:
        give_up = time.monotonic() + READY_S
        while not self.stopping.wait(0.05):
            if _is_healthy(self.settings):
                return True
            self._tend(environment)
            if time.monotonic() > give_up:
                click.echo("the web server did not become ready; see the log above", err=True)
                return False
        return False

    def _stop(self) -> None:
        """First all are asked, then all are waited for: under 10 s for the whole product."""
        remove_endpoints(self.settings.data_dir)
        for child in self.children:
            child.ask_to_stop()
        deadline = time.monotonic() + STOP_S
        for child in self.children:
            child.wait(deadline)


def main() -> int:
    """`python app.py`: engines, migrations, demo data, web server, worker, scheduler."""
    try:
        return Product(load()).run()
    except (ConfigurationError, EngineError) as wrong:
        click.echo(str(wrong), err=True)
        return 2


def _prepare(app: Flask, settings: Settings) -> None:
    with app.app_context():
        upgrade()
        if settings.profile is Profile.DEV and demo.is_wanted():
            demo.load()


def _children(settings: Settings) -> list[Child]:
    python = [sys.executable, "-m"]
    web = Child("web", [*python, "gunicorn", "-c", "gunicorn.conf.py", "app:app"])
    if not settings.run_worker:
        return [web]
    flask = [*python, "flask", "--app", "app"]
    return [web, Child("worker", [*flask, "worker"]), Child("scheduler", [*flask, "scheduler"])]


def _die_with_parent() -> None:
    """On Linux a child gets SIGTERM when the product is killed, so nothing holds its port."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _require_free_port(settings: Settings) -> None:
    """Wait a moment for a predecessor that is on its way out, then refuse with advice."""
    for _ in range(30):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.bind_host, settings.port))
            except OSError:
                time.sleep(0.1)
            else:
                return
    raise ConfigurationError(
        f"port {settings.port} is in use. Stop what listens there, or choose another: PORT=3031"
    )


def _is_healthy(settings: Settings) -> bool:
    try:
        with urllib.request.urlopen(f"{_local_url(settings)}/health", timeout=2) as answer:  # noqa: S310 - our own
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _local_url(settings: Settings) -> str:
    host = settings.bind_host
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{settings.port}"  # noqa: S104 - compared only


def _answers(found: Endpoints) -> bool:
    """Whether the embedded engines still take connections."""
    from sqlalchemy import make_url

    for url in (found.db_url, found.redis_url):
        if url is None:
            continue
        parts = make_url(url)
        try:
            socket.create_connection((parts.host or "127.0.0.1", parts.port or 0), 1).close()
        except OSError:
            return False
    return True


def _endpoints(settings: Settings, app: Flask, found: Endpoints) -> dict[str, str | None]:
    return {
        "http": _local_url(settings),
        "db_url": settings.db_url or found.db_url,
        "admin_db_url": app.config["MIGRATION_URL"],
        "redis_url": settings.redis_url or found.redis_url,
        "sandbox_ai_url": None,
        "sandbox_stripe_url": None,
    }


def _screen(settings: Settings, app: Flask, found: Endpoints) -> str:
    kind = {True: "embedded", False: "yours"}
    lines = [
        "",
        f"  MealQuest is ready: {settings.base_url}",
        "",
        f"  database   PostgreSQL, {kind[found.db_url is not None]}",
        f"  queue      Valkey/Redis, {kind[found.redis_url is not None]}",
        f"  SMS        {'your webhook' if settings.sms_webhook_url else 'not sent'}"
        + (f", shown at {settings.base_url}/dev/outbox" if settings.is_development else ""),
        f"  data in    {settings.data_dir.absolute()}",
    ]
    if settings.profile is Profile.DEV:
        lines += ["", "  Sign in with a phone below; the code is shown on the page:"]
        lines += [f"    {who.phone}  {who.merchant_name}, {who.role}" for who in demo.PEOPLE]
    return "\n".join([*lines, "", "  Ctrl-C stops everything and loses nothing.", ""])
