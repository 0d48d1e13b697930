"""gunicorn's settings, out of the same environment as the application's.

Under `python app.py` the port is a socket that comes open from there, and so is the directory of
the metrics; alone, gunicorn has its own of both and uses the engines that run.

SIGHUP gives every worker a successor of the same code and settings. SIGUSR2 is a deployment: a
second server of the code and settings that are there now takes over (`mealquest/serving.py`).
"""

import gc
import os
from pathlib import Path

gc.disable()  # what is imported here stays, and the workers share it untouched

from mealquest.serving import web  # noqa: E402

server = web()

# From here on, for the metrics look at the environment when they are imported.
from mealquest import launch  # noqa: E402, F401 - imported once, shared by all workers

gc.freeze()
gc.enable()

_memory = Path("/dev/shm")  # noqa: S108 - what the kernel keeps in memory

bind = server.bind
workers = server.settings.web_workers
worker_class = "gthread"
threads = server.settings.web_threads
worker_connections = max(1000, 2 * threads)
timeout = 60  # of a process that hangs; a request may take longer
graceful_timeout = server.stop_s
keepalive = 15
max_requests = 0  # a worker that ends takes its live sockets along, and none grows
preload_app = False  # engines and threads belong to one process; modules are shared all the same
worker_tmp_dir = str(_memory) if os.access(_memory, os.W_OK) else None  # a slow disk is no sign
forwarded_allow_ips = ""  # MQ_TRUSTED_PROXIES alone says how many proxies are believed
accesslog = None  # the application logs each request once, without personal data
loglevel = "warning"
logconfig_dict = {  # its own few lines go the way of all others, as JSON
    "root": {"level": "WARNING", "handlers": []},
    "loggers": {"gunicorn.error": {"level": "WARNING", "propagate": True}},
}
control_socket_disable = True

on_starting = server.on_starting
on_exit = server.on_exit
post_worker_init = server.post_worker_init
worker_int = server.worker_int
child_exit = server.child_exit
