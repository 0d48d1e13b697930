"""What the web server does at the turns of its life: begins, is relieved, stops.

`gunicorn.conf.py` is read again at every SIGHUP, in the same process; what has to outlive that is
kept here. A server that SIGUSR2 starts takes the first one's place: it shares the listening socket
and the directory of the metrics, and once all its workers serve it asks the first one to stop.
"""

import multiprocessing
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from mealquest.core.settings import ConfigurationError, Settings, load

METRICS = "PROMETHEUS_MULTIPROC_DIR"
PREDECESSOR = "GUNICORN_PID"  # gunicorn sets it for a server that SIGUSR2 has started
LISTENING = "MQ_LISTEN_FD"  # `python app.py` sets it: the socket is its own

SHORT_STOP_S = 5  # under `python app.py`, which stops as a whole in under ten seconds
LONG_STOP_S = 25  # alone; whoever supervises it gives it thirty


@dataclass(slots=True)
class Web:
    """One gunicorn master. `own_metrics` is None where the directory is somebody else's."""

    settings: Settings
    own_metrics: Path | None
    engines: ExitStack = field(default_factory=ExitStack)
    predecessor: int = 0  # 0: this server was the first
    serving: Any = field(default_factory=lambda: multiprocessing.Value("i", 0))

    # --- what gunicorn.conf.py asks -----------------------------------------------------------

    @property
    def bind(self) -> str:
        if given := os.environ.get(LISTENING):
            return f"fd://{given}"
        host = self.settings.bind_host
        return f"{f'[{host}]' if ':' in host else host}:{self.settings.port}"

    @property
    def stop_s(self) -> int:
        """Seconds that requests in hand have once the server is told to stop."""
        return SHORT_STOP_S if LISTENING in os.environ else LONG_STOP_S

    # --- the master ---------------------------------------------------------------------------

    def on_starting(self, server: Any) -> None:
        """One clear sentence instead of workers that die one after the other."""
        from mealquest import launch
        from mealquest.core.telemetry import configure_logging

        configure_logging(self.settings.log_level)
        self.predecessor = server.master_pid if server.master_pid == os.getppid() else 0
        try:
            self.engines.enter_context(launch.engines(self.settings, start=False))
        except launch.CANNOT_START as failure:
            self.on_exit(server)
            sys.exit(launch.explain(failure))

    def on_exit(self, server: Any) -> None:
        """The counters stay while there is a successor, or still the first one, who uses them."""
        self.engines.close()
        shared = server.reexec_pid or server.master_pid
        if self.own_metrics and not shared:
            shutil.rmtree(self.own_metrics, ignore_errors=True)

    def child_exit(self, _server: Any, worker: Any) -> None:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.pid, path=os.environ[METRICS])  # type: ignore[no-untyped-call]

    # --- a worker -----------------------------------------------------------------------------

    def post_worker_init(self, worker: Any) -> None:
        """The application is loaded, requests are taken from now on."""
        self.engines = ExitStack()  # the master's use of them is not a worker's to end
        _stop_well(worker)
        if self.predecessor:
            _warm(worker.wsgi)
        with self.serving:
            self.serving.value += 1
            all_serve = self.serving.value == worker.cfg.workers
        if all_serve and self.predecessor:
            _tell_systemd(f"MAINPID={worker.ppid}")
            os.kill(self.predecessor, signal.SIGTERM)

    def worker_int(self, worker: Any) -> None:
        _close_sockets(worker)


@cache
def web() -> Web:
    """This master's server, made once. Ends the process with every problem of its settings."""
    try:
        settings = load()
    except ConfigurationError as wrong:
        sys.exit(str(wrong))
    return Web(settings, _own_metrics(settings))


def _own_metrics(settings: Settings) -> Path | None:
    """A directory for the counters, unless there is one; a successor goes on counting in it."""
    directory = settings.data_dir.absolute() / f"metrics-{settings.port}"
    if os.environ.get(METRICS, str(directory)) != str(directory):
        return None
    if PREDECESSOR not in os.environ:
        shutil.rmtree(directory, ignore_errors=True)  # counters of a run that was killed
    directory.mkdir(parents=True, exist_ok=True)
    os.environ[METRICS] = str(directory)
    return directory


def _warm(app: Any) -> None:
    """Read every template, while the first server still answers: nobody waits for that later."""
    for name in app.jinja_env.list_templates(extensions=["html"]):
        app.jinja_env.get_template(name)


def _stop_well(worker: Any) -> None:
    """At SIGTERM, before gunicorn's own handling: no more callers, and no live socket holds it up.

    Live sockets are told to come back. gunicorn answers what is under way, and for two seconds what
    comes on kept connections, with `Connection: close`.
    """
    stop: Callable[[int, FrameType | None], object] = signal.getsignal(signal.SIGTERM)  # type: ignore[assignment]

    def begin_with_ours(number: int, frame: FrameType | None) -> None:
        _close_sockets(worker)
        worker.method_queue.defer(_close_door, worker)
        stop(number, frame)

    signal.signal(signal.SIGTERM, begin_with_ours)


def _close_door(worker: Any) -> None:
    """Let in who waits, and listen no more; who comes now goes to another server, or is refused.

    Were the socket left open until the last request is done, the kernel would let callers in all
    the while, and cut them off in the end.
    """
    worker.set_accept_enabled(False)
    for listener in worker.sockets:
        there = -1
        while there != worker.nr_conns:
            there = worker.nr_conns
            worker.accept(listener)
        listener.close()


def _close_sockets(worker: Any) -> None:
    threading.Thread(target=worker.wsgi.extensions["hub"].close_all, daemon=True).start()


def _tell_systemd(state: str) -> None:
    """Nothing happens where systemd has not asked to be told."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(state.encode(), f"\0{address[1:]}" if address[0] == "@" else address)
