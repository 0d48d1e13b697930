"""gunicorn's settings, out of the same environment as the application's.

Under `python app.py` the port is a socket that comes open from there, and so is the directory of
the metrics; alone, gunicorn has its own of both and uses the engines that run.
"""

import gc
import os
import shutil
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

gc.disable()  # what is imported here stays, and the workers share it untouched

from mealquest.core.settings import ConfigurationError, load  # noqa: E402

try:
    _settings = load()
except ConfigurationError as wrong:
    sys.exit(str(wrong))

_METRICS = "PROMETHEUS_MULTIPROC_DIR"
_own_metrics = None
if _METRICS not in os.environ:
    _own_metrics = _settings.data_dir.absolute() / f"metrics-{_settings.port}"
    shutil.rmtree(_own_metrics, ignore_errors=True)  # counters of a run that was killed
    _own_metrics.mkdir(parents=True)
    os.environ[_METRICS] = str(_own_metrics)

# From here on, for the metrics look at the environment when they are imported. What is imported
# here once is shared by all workers.
from prometheus_client.multiprocess import mark_process_dead  # noqa: E402

from mealquest import launch  # noqa: E402
from mealquest.core.telemetry import configure_logging  # noqa: E402

gc.freeze()
gc.enable()

_host = f"[{_settings.bind_host}]" if ":" in _settings.bind_host else _settings.bind_host
_listening = os.environ.get("MQ_LISTEN_FD")
_engines = ExitStack()

bind = f"fd://{_listening}" if _listening else f"{_host}:{_settings.port}"
workers = _settings.web_workers
worker_class = "gthread"
threads = _settings.web_threads
worker_connections = max(1000, 2 * threads)
timeout = 60
graceful_timeout = 5
keepalive = 15
max_requests = 0
accesslog = None  # the application logs each request once, without personal data
loglevel = "warning"
logconfig_dict = {  # its own few lines go the way of all others, as JSON
    "root": {"level": "WARNING", "handlers": []},
    "loggers": {"gunicorn.error": {"level": "WARNING", "propagate": True}},
}
control_socket_disable = True


def on_starting(server):
    """One clear sentence instead of workers that die one after the other."""
    configure_logging(_settings.log_level)
    try:
        _engines.enter_context(launch.engines(_settings, start=False))
    except launch.CANNOT_START as failure:
        on_exit(server)
        sys.exit(launch.explain(failure))


def on_exit(server):
    _engines.close()
    if _own_metrics:
        shutil.rmtree(_own_metrics, ignore_errors=True)


def post_worker_init(worker):
    """An open socket would hold a stopping worker up: its client is told to come back."""
    stop = signal.getsignal(signal.SIGTERM)

    def stop_sockets_first(number, frame):
        _close_sockets(worker)
        stop(number, frame)

    signal.signal(signal.SIGTERM, stop_sockets_first)


def worker_int(worker):
    _close_sockets(worker)


def _close_sockets(worker):
    threading.Thread(target=worker.wsgi.extensions["hub"].close_all, daemon=True).start()


def child_exit(server, worker):
    mark_process_dead(worker.pid, path=str(Path(os.environ[_METRICS])))
