"""`python app.py`: engines, web server, worker and scheduler, tended by one process."""

import errno
import os
import shutil
import signal
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TypeVar

import click
from flask import Flask
from sqlalchemy import make_url

from mealquest import screen
from mealquest.application import ROOT
from mealquest.core.bells import AGENT_QUEUE, QUEUES, RECOVERY_QUEUE
from mealquest.core.settings import AiProvider, ConfigurationError, Settings, load
from mealquest.engines.files import FileLock, last_lines, open_log, own_like
from mealquest.engines.service import (
    Endpoints,
    EngineError,
    read_endpoints,
    remove_endpoints,
    write_endpoints,
)
from mealquest.launch import CANNOT_START, create, engines, explain, prepare, servers
from mealquest.strategy.agent.config import ModelConfig
from mealquest.supervisor import Child, Supervisor

STOP_S = 6.0  # for the children; with the engines' own time the whole stays under 10 s
LEAVING_S = 1.0  # one that still answers after this is not on its way out
READY_S = 60.0
READY_DEATHS = 3  # a child that dies so often before the product is ready will not live
WATCH_S = 1.0
PREDECESSOR_S = 8.0  # for one that is on its way out
BACKLOG = 2048
POLL_S = 0.05

Found = TypeVar("Found")


def main() -> int:
    """Run until SIGTERM, SIGINT or SIGHUP; the exit code. 2: what was asked for cannot start."""
    try:
        return Product(load()).run()
    except CANNOT_START as failure:
        click.echo(explain(failure), err=True)
        return 2


@dataclass(slots=True)
class Product:
    settings: Settings
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def home(self) -> Path:
        return self.settings.data_dir.absolute()

    @property
    def url(self) -> str:
        return f"http://{_address(self.settings.bind_host)}:{self.settings.port}"

    @property
    def log(self) -> Path | None:
        """Where the children's log lines go; in production to our own standard error."""
        return self.home / "logs" / "mealquest.log" if self.settings.is_development else None

    @property
    def _metrics(self) -> Path:
        return self.home / "metrics"

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)
        with ExitStack() as stack:
            self._move_in(stack)
            listener = stack.enter_context(self._listener())
            found = stack.enter_context(engines(self.settings, start=True))
            app = self._application(found)
            self._point_sandbox(found)
            supervisor = self._supervisor(listener)
            # What is registered last ends first: no new requests, no processes, no engines.
            stack.callback(shutil.rmtree, self._metrics, ignore_errors=True)
            stack.callback(supervisor.stop, STOP_S)
            stack.callback(listener.close)
            stack.callback(remove_endpoints, self.home)
            if not self._until_ready(supervisor):
                return self._not_ready()
            self._write_endpoints(found)
            click.echo(screen.text(app, found, log=self.log))
            self._watch(supervisor, found, stack)
        return 0

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping.set()

    def _move_in(self, stack: ExitStack) -> None:
        """ConfigurationError while another product runs in this directory."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = stack.enter_context(FileLock(self.home / "product.lock"))
        if not self._found(
            lock.try_exclusive, "another MealQuest runs in this directory", stays=self._is_at_work
        ):
            there = self._other or "it is about to start or stop"
            raise ConfigurationError(
                f"MealQuest runs in {self.home} already: {there}. Stop it, or name another"
                " directory: MQ_DATA_DIR=.mealquest-2"
            )
        remove_endpoints(self.home)  # of one that was killed

    @property
    def _other(self) -> str | None:
        """The address of the product that runs in this directory; it withdraws it to stop."""
        return (read_endpoints(self.home) or {}).get("http")

    def _is_at_work(self) -> bool:
        return self._other is not None and _answers_health(self._other)

    def _listener(self) -> socket.socket:
        """The port, held from the first moment to the last, while web servers come and go.

        ConfigurationError: it stays taken for longer than a predecessor needs to end.
        """
        listener = self._found(
            lambda: _listening(self.settings), f"port {self.settings.port} is taken"
        )
        if listener is None:
            raise ConfigurationError(
                f"{self.url.partition('://')[2]} is taken. Stop what listens there, or choose"
                " another port: PORT=3031"
            )
        return listener

    def _found(
        self,
        look: Callable[[], Found | None],
        obstacle: str,
        stays: Callable[[], bool] = lambda: False,
    ) -> Found | None:
        """What `look` finds, after a while perhaps: a predecessor may be on its way out.

        It is not when it `stays` the moment that leaving begins with.
        """
        began, told = time.monotonic(), False
        while not (found := look()):
            waited = time.monotonic() - began
            if waited > PREDECESSOR_S or self.stopping.wait(POLL_S):
                return None
            if waited > LEAVING_S and not told:
                if stays():
                    return None
                told = True
                click.echo(f"{obstacle}; waiting {PREDECESSOR_S:.0f} s for it to end", err=True)
        return found

    def _application(self, found: Endpoints) -> Flask:
        """Migrated and ready for the children; in development it leaves the terminal alone."""
        quiet = {"log_level": "WARNING"} if self.settings.is_development else {}
        settings = self.settings.model_copy(update=quiet)
        app = create(settings, servers(settings, found), make_database=True)
        for name, why in prepare(app).items():
            self._warn(f"the database of {name} is not ready, the others go on: {why}")
        return app

    def _point_sandbox(self, found: Endpoints) -> None:
        """The sandbox Stripe sends its events to this product."""
        if found.stripe:
            found.stripe.point_at(
                webhook_url=f"{self.settings.own_url}/api/stripe/webhook",
                redirect_uri=f"{self.settings.base_url}/api/stripe/connect/callback",
            )

    def _supervisor(self, listener: socket.socket) -> Supervisor:
        environment = os.environ | {
            "MQ_DATA_DIR": str(self.home),
            "MQ_LISTEN_FD": str(listener.fileno()),
            "PORT": str(self.settings.port),
            "PROMETHEUS_MULTIPROC_DIR": str(_emptied(self._metrics)),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.getenv("PYTHONPATH")])),
        }
        children = _children(listener, self.settings)
        return Supervisor(children, environment, _ready_to_write(self.log), self._warn)

    def _until_ready(self, supervisor: Supervisor) -> bool:
        give_up = time.monotonic() + READY_S
        while not self.stopping.wait(POLL_S):
            supervisor.tend()
            if _answers_health(self.url):
                return True
            if supervisor.most_deaths >= READY_DEATHS or time.monotonic() > give_up:
                return False
        return False

    def _not_ready(self) -> int:
        if self.stopping.is_set():
            return 0
        tail = f"; the end of {self.log}:\n{last_lines(self.log)}" if self.log else ""
        click.echo(f"MealQuest did not become ready{tail}", err=True)
        return 1

    def _watch(self, supervisor: Supervisor, found: Endpoints, stack: ExitStack) -> None:
        """Until told to stop: start again what dies, children and engines."""
        while not self.stopping.wait(WATCH_S):
            supervisor.tend()
            if _are_up(found):
                continue
            try:
                now = stack.enter_context(engines(self.settings, start=True))
            except EngineError as failure:
                self._warn(explain(failure))
                continue
            self._warn("the database, the queue or the sandbox had ended and was started again")
            if now != found:  # somebody took its port meanwhile
                found = now
                self._write_endpoints(found)
                supervisor.replace()

    def _write_endpoints(self, found: Endpoints) -> None:
        where = servers(self.settings, found)
        model = ModelConfig.of(self.settings)
        write_endpoints(
            self.home,
            {
                "http": self.url,
                "db_url": where.db_url,
                "admin_db_url": where.admin_url,
                "tenant_dbs": self.settings.databases_line,
                "redis_url": where.redis_url,
                "sandbox_ai_url": model.base_url if model.is_sandbox else None,
                "sandbox_stripe_url": found.stripe.url if found.stripe else None,
            },
        )

    def _warn(self, line: str) -> None:
        click.echo(f"{line} (log: {self.log})" if self.log else line, err=True)


def _listening(settings: Settings) -> socket.socket | None:
    """A socket on the port; None while somebody else has it. ConfigurationError: it cannot be."""
    host = settings.bind_host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, settings.port), family=family, backlog=BACKLOG)
    except OSError as refused:
        if refused.errno == errno.EADDRINUSE:
            return None
        raise ConfigurationError(f"HOST={host} PORT={settings.port}: {refused}") from None


def _children(listener: socket.socket, settings: Settings) -> list[Child]:
    python = [sys.executable, "-m"]
    flask = [*python, "flask", "--app", str(ROOT / "app.py")]
    gunicorn = [*python, "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "app:app"]
    children = [Child("web server", gunicorn, inherits=(listener.fileno(),))]
    if not settings.run_worker:
        return children
    own = _queues_apart(settings)
    common = [queue for queue in QUEUES if queue not in own.values()]
    for name, queues in {
        "worker": common,
        **{name: [queue] for name, queue in own.items()},
    }.items():
        served = [part for queue in queues for part in ("--queue", queue)] if own else []
        children.append(Child(name, [*flask, "worker", *served]))
    children.append(Child("scheduler", [*flask, "scheduler"]))
    return children


def _queues_apart(settings: Settings) -> dict[str, str]:
    """Queues with a worker of their own: a model keeps one for a minute, Stripe for seconds, and
    nobody else is to wait for that. Sandboxes answer at once."""
    apart = {}
    if settings.ai_provider_used is not AiProvider.SANDBOX:
        apart["strategist"] = AGENT_QUEUE
    if settings.stripe_secret_key:
        apart["recovery worker"] = RECOVERY_QUEUE
    return apart


def _ready_to_write(log: Path | None) -> Path | None:
    """Make the log's directory; a log that has grown large is put aside."""
    if log is not None:
        log.parent.mkdir(mode=0o700, exist_ok=True)
        own_like(log.parent, log.parent.parent)
        open_log(log, owner=log.parent)
    return log


def _emptied(directory: Path) -> Path:
    """For the counters of this run; those of an earlier one are not added to them."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    own_like(directory, directory.parent)
    return directory


def _address(host: str) -> str:
    """How to reach from this machine what is bound to `host`, as URLs write it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared only
    return f"[{host}]" if ":" in host else host


def _answers_health(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:  # noqa: S310 - our own
            return bool(answer.status == 200)
    except OSError:
        return False


def _are_up(found: Endpoints) -> bool:
    """Whether the embedded engines take connections; an operator's own are not our business."""
    stripe = found.stripe.url if found.stripe else None
    for url in filter(None, (found.db_url, found.redis_url, stripe)):
        parts = make_url(url)
        try:
            socket.create_connection((parts.host or "", parts.port or 0), timeout=1).close()
        except OSError:
            return False
    return True
