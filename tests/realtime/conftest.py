"""Real gunicorn processes over the test's database, and a real WebSocket client."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
import websocket

from jobs import outbox as relay_job
from mealquest.core import outbox
from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from tests.conftest import JWT_SECRET
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant

ROOT = Path(__file__).parents[2]
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@dataclass
class Web:
    """One gunicorn with its workers."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def url(self, **query: Any) -> str:
        return f"ws://127.0.0.1:{self.port}/ws?{urlencode(query)}"

    def get(self, path: str, token: str = "") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def handshake(self, path: str, without: str = "", **headers: str) -> HTTPResponse:
        """The answer to an upgrade, as a client without any library would ask for it."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        sent = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": KEY,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        sent.pop(without, None)
        connection.request("GET", path, headers=sent)
        return connection.getresponse()

    def workers(self) -> list[int]:
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
            capture_output=True,
            check=False,
            text=True,
        )
        return [int(word) for word in found.stdout.split()]

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Returns the seconds until it was gone."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(20)
        return time.monotonic() - began


@dataclass
class Client:
    """A socket with everything it was sent."""

    ws: websocket.WebSocket
    frames: list[dict[str, Any]] = field(default_factory=list)

    def next(self, seconds: float = 10) -> dict[str, Any]:
        self.ws.settimeout(seconds)
        frame: dict[str, Any] = json.loads(self.ws.recv())
        self.frames.append(frame)
        return frame

    def until(self, count: int, seconds: float = 20) -> list[dict[str, Any]]:
        """Read until `count` frames are there in all."""
        give_up = time.monotonic() + seconds
        while len(self.frames) < count:
            self.next(give_up - time.monotonic())
        return self.frames

    def closing(self, seconds: float = 15) -> tuple[int, str]:
        """Code and words of the close frame; other frames before it are kept."""
        self.ws.settimeout(seconds)
        while True:
            opcode, data = self.ws.recv_data(control_frame=True)
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return int.from_bytes(data[:2]), data[2:].decode()
            if opcode == websocket.ABNF.OPCODE_TEXT:
                self.frames.append(json.loads(data))

    def is_silent(self, seconds: float = 1.0) -> bool:
        self.ws.settimeout(seconds)
        try:
            self.frames.append(json.loads(self.ws.recv()))
        except websocket.WebSocketTimeoutException:
            return True
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def start_web(app, tmp_path_factory) -> Iterator[Callable[..., Web]]:
    started: list[Web] = []

    def start(**settings: Any) -> Web:
        home = tmp_path_factory.mktemp("web")
        port = free_port()
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("MQ_")
        } | {
            "MQ_ENV": "test",
            "MQ_JWT_SECRET": JWT_SECRET,
            "MQ_DB_URL": app.config["MIGRATION_URL"],
            "MQ_REDIS_URL": app.extensions["bells"]._url,
            "MQ_DATA_DIR": str(home),
            "HOST": "127.0.0.1",
            "PORT": str(port),
            **{name: str(value) for name, value in settings.items()},
        }
        log = home / "web.log"
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "-c",
            str(ROOT / "gunicorn.conf.py"),
            "app:app",
        ]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, env=environment, cwd=ROOT, stdout=output, stderr=output
            )
        web = Web(port, process, log)
        started.append(web)
        _until_ready(web)
        return web

    yield start
    for web in started:
        if web.process.poll() is None:
            web.stop()


def _until_ready(web: Web) -> None:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        assert web.process.poll() is None, web.log.read_text()
        with contextlib.suppress(OSError):
            if web.get("/health")[0] == 200:
                return
        time.sleep(0.05)
    raise AssertionError(web.log.read_text())


@pytest.fixture(scope="session")
def web(start_web) -> Web:
    """Two processes, shared by the tests that do them no harm."""
    return start_web(MQ_WEB_WORKERS=2)


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    opened: list[Client] = []

    def open_(
        web: Web,
        *,
        header: list[str] | None = None,
        origin: str = "",
        hurried: bool = True,
        **query: Any,
    ) -> Client:
        """`hurried`: False for one that has room for hardly anything it does not read."""
        options: dict[str, Any] = {"header": header or [], "suppress_origin": not origin}
        if not hurried:
            options["sockopt"] = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]
        if origin:
            options["origin"] = origin
        ws = websocket.create_connection(web.url(**query), timeout=10, **options)
        opened.append(Client(ws))
        return opened[-1]

    yield open_
    for client in opened:
        client.ws.shutdown()


@dataclass
class Shop:
    """A merchant with people, and tokens for them."""

    id: str
    customer: str
    other_customer: str
    tokens: dict[str, str]

    def __getattr__(self, role: str) -> str:
        return self.tokens[role.upper()]


@pytest.fixture
def shop(app) -> Shop:
    return make_shop()


def make_shop() -> Shop:
    merchant_id = make_merchant(new_id("m").lower())
    mine, other = make_customer(merchant_id), make_customer(merchant_id)
    tokens = {"CUSTOMER": identity.mint(Principal(Role.CUSTOMER, mine, merchant_id), 0)}
    for role in (Role.OWNER, Role.MANAGER, Role.CLERK):
        with transaction(merchant_id) as session:
            staff_id = identity.add_staff(session, merchant_id, role=role, name=role.title())
        tokens[role] = identity.mint(Principal(role, staff_id, merchant_id), 0)
    return Shop(merchant_id, mine, other, tokens)


def token_of(role: Role, subject: str, merchant_id: str, *, seconds: float = 3600) -> str:
    """As another issuer with the same secret would mint it."""
    now = time.time()
    name = "userId" if role is Role.CUSTOMER else "operatorId"
    claims = {"role": role, name: subject, "merchantId": merchant_id}
    times = {"iat": int(now) + 1, "exp": int(now + seconds)}  # not before the person was added
    return jwt.encode(claims | times, JWT_SECRET, algorithm="HS256")


def publish(merchant_id: str, *payloads: dict[str, Any], kind: str = "PAYMENT_VERIFIED") -> None:
    """Commit events, one transaction each."""
    for payload in payloads:
        with transaction(merchant_id) as session:
            outbox.publish(session, merchant_id, kind, payload)


def tell(merchant_id: str, *payloads: dict[str, Any], kind: str = "PAYMENT_VERIFIED") -> None:
    """Commit events and let the relay run."""
    publish(merchant_id, *payloads, kind=kind)
    relay_job.relay()


def eventually(check: Callable[[], bool], seconds: float = 12) -> None:
    give_up = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < give_up, "it did not come to that"
        time.sleep(0.05)


def kill_hard(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


@pytest.fixture
def owner_sql(app) -> Callable[[str], list[Any]]:
    """Run a statement as the owner of the tables, past every policy."""
    import psycopg

    def run(statement: str) -> list[Any]:
        with psycopg.connect(app.config["MIGRATION_URL"], autocommit=True) as connection:
            cursor = connection.execute("SET ROLE mealquest_platform")
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    return run
