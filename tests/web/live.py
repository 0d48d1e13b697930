"""A gunicorn of the product with two processes, over the database that the test uses."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask

from mealquest.application import ROOT
from tests.conftest import JWT_SECRET
from tests.fakes.relay import free_port

READY_S, STOP_S = 40, 30


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Live:
    port: int
    environment: dict[str, str] = field(repr=False)

    def request(
        self, method: str, path: str, body: Any = None, *, chunked: bool = False, **headers: str
    ) -> Answer:
        """One request over a connection of its own. `headers` are spelt with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, named, encode_chunked=chunked)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()


@contextmanager
def running(app: Flask, redis_url: str, folder: Path) -> Iterator[Live]:
    port = free_port()
    environment = {name: text for name, text in os.environ.items() if not _is_ours(name)} | {
        "MQ_ENV": "test",
        "MQ_DB_URL": app.config["MIGRATION_URL"],
        "MQ_REDIS_URL": redis_url,
        "MQ_JWT_SECRET": JWT_SECRET,
        "MQ_DATA_DIR": str(folder),
        "MQ_WEB_WORKERS": "2",
        "MQ_WEB_THREADS": "32",
        "MQ_DB_POOL_MAX": "10",
        "MQ_LOG_LEVEL": "WARNING",
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:app"]
    log = (folder / "log").open("wb")
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    live = Live(port, environment)
    try:
        _wait_until_ready(live, server, folder / "log")
        yield live
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(STOP_S)
        log.close()


def _is_ours(name: str) -> bool:
    return name.startswith(("MQ_", "PROMETHEUS_")) or name in {"DATABASE_URL", "REDIS_URL", "PORT"}


def _wait_until_ready(live: Live, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            if live.request("GET", "/health").status == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the server did not start: {log.read_text()}")
