"""Processes of the product: started, asked, signalled, killed. Nothing outlives its test."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import jwt
import psutil
import psycopg

from mealquest.engines.processes import choose_port
from tests.engines.conftest import kill, lives, pids

ROOT = Path(__file__).parents[2]
JWT_SECRET = "a secret of this test, 32 bytes or more"
MERCHANT, GUEST = "m_store_001", "u_fixture_002"
PATIENCE_S = 30.0
VERIFIED = 'mealquest_requests_by_path_total{method="POST",path="/api/payment/verify",status="200"}'
RELAYED = 'mealquest_jobs_total{job="jobs.outbox.relay",outcome="done"}'
Found = TypeVar("Found")


def until(look: Callable[[], Found], what: str, seconds: float = PATIENCE_S) -> Found:
    """The first result of `look` that is true; fails with `what` when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(0.03)
    return found


def environment(**values: object) -> dict[str, str]:
    """Ours without what an operator may have set, and these settings."""
    bare = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MQ_", "PYTEST_")) and name not in {"PORT", "HOST"}
    }
    defaults = {"MQ_JWT_SECRET": JWT_SECRET, "MQ_RATE_LIMITS": "off", "MQ_WEB_WORKERS": "1"}
    given = {name: str(value) for name, value in values.items()}
    return bare | defaults | given


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def figures(url: str) -> Counter[str]:
    """What a web server says of itself and all who count with it; 0 for what nobody counted."""
    lines = httpx.get(f"{url}/metrics", timeout=10).text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return Counter({name: float(value) for name, value in pairs})


def _child_name(words: list[str]) -> str | None:
    """What a product calls its child with this command line; a worker by the queues it serves."""
    if "worker" in words:
        queues = tuple(word for flag, word in pairwise(words) if flag == "--queue")
        return {("agent",): "strategist", ("recovery",): "recovery worker"}.get(queues, "worker")
    return next((name for name in ("gunicorn", "scheduler") if name in words), None)


class Running:
    """One process that was started by a test, with all it starts itself."""

    def __init__(
        self,
        *argv: object,
        notes: Path,
        cwd: Path = ROOT,
        prefix: tuple[str, ...] = (),
        **settings: object,
    ) -> None:
        name = notes / uuid4().hex
        self._out, self._err = name.with_suffix(".out"), name.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, *map(str, argv)],
                cwd=cwd,
                env=environment(**settings),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def until_it_answers(self, url: str) -> None:
        """Fails with what it said when it ends instead."""

        def does() -> bool:
            assert self.process.poll() is None, f"{self.out}\n{self.err}"
            return answers(url)

        until(does, f"{url} answers")

    def ended(self, seconds: float = PATIENCE_S) -> int:
        return self.process.wait(seconds)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def flask(*argv: str, **options: Any) -> Running:
    return Running("-m", "flask", "--app", "app", *argv, **options)


class Product(Running):
    """`python app.py` in one directory, on one port."""

    def __init__(self, home: Path, *, port: int | None = None, **settings: object) -> None:
        self.home, self.port = home, port or choose_port(None)
        self.url = f"http://127.0.0.1:{self.port}"
        home.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(
            ROOT / "app.py",
            notes=home.parent,
            cwd=home.parent,
            MQ_DATA_DIR=home,
            PORT=self.port,
            **settings,
        )

    # --- asking it ------------------------------------------------------------------------

    def ready(self) -> "Product":
        """Wait until it has said so; fails with what it said instead."""

        def said_so() -> bool:
            assert self.process.poll() is None, f"{self.out}\n{self.err}"
            return "Ctrl-C stops everything" in self.out

        until(said_so, "ready")
        return self

    def answers(self, path: str = "/api/health") -> bool:
        return answers(f"{self.url}{path}")

    def figures(self) -> Counter[str]:
        return figures(self.url)

    def token(
        self, role: str = "CLERK", subject: str = "staff_clerk", merchant_id: str = MERCHANT
    ) -> str:
        now = datetime.now(UTC)
        claims = {
            "role": role,
            "merchantId": merchant_id,
            "operatorId": subject,
            "iat": now,
            "exp": now + timedelta(hours=1),
        }
        return jwt.encode(claims, JWT_SECRET, algorithm="HS256")

    def client(self, role: str = "CLERK", subject: str = "staff_clerk") -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token(role, subject)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=15)

    def verify(
        self, client: httpx.Client, amount: float = 0.01, *, guest: str = GUEST, key: str = ""
    ) -> httpx.Response:
        """Take a small payment from the guest's wallet, under a key of its own unless given."""
        order = {"merchantId": MERCHANT, "userId": guest, "orderAmount": amount}
        headers = {"Idempotency-Key": key or uuid4().hex}
        return client.post("/api/payment/verify", json=order, headers=headers)

    def endpoints(self) -> dict[str, str | None]:
        return json.loads((self.home / "endpoints.json").read_text())

    @contextlib.contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection that sees all merchants and commits each statement."""
        with psycopg.connect(self.endpoints()["admin_db_url"], autocommit=True) as connection:
            connection.execute("set role mealquest_platform")
            yield connection

    def somebody_waits(self) -> bool:
        """Whether a transaction waits for a lock."""
        with self.database() as database:
            return bool(database.execute("select 1 from pg_locks where not granted").fetchone())

    # --- its processes --------------------------------------------------------------------

    def children(self) -> dict[str, int]:
        """Process ids of the web server's master, the workers and the scheduler, by name."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                name = _child_name(child.cmdline())
                found |= {name: child.pid} if name else {}
        return found

    def left_behind(self) -> list[str]:
        """What still runs for this directory: our processes and the engines."""
        left = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("MQ_DATA_DIR") == str(self.home):
                    left.append(" ".join(process.cmdline()))
        return left + [name for name in pids(self.home) if lives(self.home, name)]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Stop it as asked, check that it went well and left nothing; the seconds it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.ended()
        took = time.monotonic() - began
        assert code == 0, self.err
        assert self.left_behind() == []
        assert not (self.home / "endpoints.json").exists()
        return took

    def end(self) -> None:
        """Kill what is left of it, engines included, whatever state a test left it in."""
        super().end()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("MQ_DATA_DIR") == str(self.home):
                    process.kill()
        for name in pids(self.home):
            kill(self.home, name)
