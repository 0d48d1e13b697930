"""gunicorn's settings, out of the same environment as the application's."""

import os
import shutil
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead

from mealquest.core.settings import load

_settings = load()

bind = f"{_settings.bind_host}:{_settings.port}"
workers = _settings.web_workers
worker_class = "gthread"
threads = _settings.web_threads
timeout = 60
graceful_timeout = 5
keepalive = 15
max_requests = 0
accesslog = None  # the application logs each request once, without personal data
loglevel = "warning"
control_socket_disable = True

METRICS_DIR = _settings.data_dir.absolute() / "metrics"


def on_starting(server):
    """Counters of an earlier run are not added to this one's."""
    shutil.rmtree(METRICS_DIR, ignore_errors=True)
    METRICS_DIR.mkdir(parents=True)


def child_exit(server, worker):
    mark_process_dead(worker.pid, path=str(METRICS_DIR))


os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(Path(METRICS_DIR))
