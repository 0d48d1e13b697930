"""Throw-away installations and processes that use them. Nothing outlives its test."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from mealquest.engines import postgres, postgres_conf, processes, stripe, valkey
from mealquest.engines.processes import end, works_in
from mealquest.engines.service import Endpoints, running
from mealquest.engines.sockets import remove_private, socket_directory

# It changes its user itself, with all modules loaded: the interpreter may stand where only root
# can reach it.
USER = """
import encodings.idna, json, os, sys
from pathlib import Path
from mealquest.engines.service import running

directory, options, uid = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
if uid is not None:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
with running(directory, **options) as found:
    print(json.dumps([found.db_url, found.admin_db_url, found.redis_url]), flush=True)
    sys.stdin.read()
"""
REPOSITORY = str(Path(__file__).parents[2])
ONCE = Retry(NoBackoff(), 0)
PID_FILES = {
    "postgres": postgres.PID_FILE,
    "valkey": valkey.PID_FILE,
    "stripe": stripe.PID_FILE,
}
PROGRAMS = {
    "postgres": postgres.PROGRAM,
    "valkey": valkey.PROGRAM,
    "stripe": stripe.PROGRAM,
}


class User:
    """Another process that uses an installation until it is told to leave, or killed."""

    def __init__(self, home: Path, *, as_uid: int | None = None, **options: Any) -> None:
        values = (json.dumps({"fast": True, **options}), json.dumps(as_uid))
        self._process = subprocess.Popen(
            [sys.executable, "-c", USER, str(home), *values],
            cwd="/",
            env=os.environ | {"PYTHONPATH": os.pathsep.join([REPOSITORY, *filter(None, sys.path)])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def endpoints(self) -> Endpoints:
        """Wait until it is in; fails with what it said on the way."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(self._process.communicate()[1])
        return Endpoints(*json.loads(line))

    def leave(self) -> str:
        """Let it end its block; what it wrote to standard error."""
        error = self._process.communicate()[1]
        assert self._process.returncode == 0, error
        return error

    def signal_group(self, number: signal.Signals) -> int:
        """As a terminal does with Ctrl-C: to it and all it started and did not let go."""
        os.killpg(self._process.pid, number)
        self._process.communicate()
        return self._process.returncode

    def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            self._process.communicate()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A data directory that does not exist yet, with a name that is hard to quote."""
    with cleaned(tmp_path / "Dinner $HOME 'día' 晚饭") as directory:
        yield directory


@pytest.fixture
def new_user() -> Iterator[Callable[..., User]]:
    started: list[User] = []

    def start(home: Path, **options: Any) -> User:
        started.append(User(home, **options))
        return started[-1]

    yield start
    for user in started:
        user.end()


@pytest.fixture
def public_tmp() -> Iterator[Path]:
    """A directory that other users can reach; pytest's own are for one user only."""
    directory = Path(tempfile.mkdtemp(prefix="mealquest-test-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@contextlib.contextmanager
def cleaned(home: Path) -> Iterator[Path]:
    """At the end kill the servers that a test left in ``home``, on purpose or not."""
    try:
        yield home
    finally:
        for name in pids(home):
            kill(home, name)
        remove_private(socket_directory(home))


def pids(home: Path) -> dict[str, int]:
    """The servers' processes by their pid files, running or not."""
    found = {}
    for name, pid_file in PID_FILES.items():
        with contextlib.suppress(FileNotFoundError, ValueError):
            found[name] = int((home / name / pid_file).read_text().partition("\n")[0])
    return found


def lives(home: Path, name: str) -> bool:
    return name in pids(home) and works_in(
        pids(home)[name], home / name, PROGRAMS[name], in_doubt=False
    )


def kill(home: Path, name: str) -> None:
    assert end(pids(home)[name], home / name, PROGRAMS[name], (signal.SIGKILL, 10))


def save(endpoints: Endpoints, word: str) -> None:
    """Write ``word`` into both engines, committed."""
    with owner(endpoints) as connection:
        connection.execute("create table if not exists words (word text)")
        connection.execute("insert into words values (%s)", (word,))
    with client(endpoints) as queue:
        queue.rpush("words", word)


def saved(endpoints: Endpoints) -> tuple[list[str], list[str]]:
    """The words in PostgreSQL and those in Valkey."""
    with owner(endpoints) as connection:
        rows = [word for (word,) in connection.execute("select word from words order by 1")]
    with client(endpoints) as queue:
        return rows, [word.decode() for word in queue.lrange("words", 0, -1)]


def owner(endpoints: Endpoints) -> psycopg.Connection[Any]:
    assert endpoints.admin_db_url
    return psycopg.connect(endpoints.admin_db_url)


def superuser_of(home: Path) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=str(socket_directory(home)),
        port=postgres_conf.port_in(home / "postgres") or 0,
        user="postgres",
        dbname="postgres",
        autocommit=True,
    )


def client(endpoints: Endpoints) -> redis.Redis:
    assert endpoints.redis_url
    return redis.Redis.from_url(endpoints.redis_url, retry=ONCE)


def port_of(url: str | None) -> int:
    assert url
    return int(url.rpartition(":")[2].partition("/")[0])


@contextlib.contextmanager
def used(home: Path, **options: Any) -> Iterator[Endpoints]:
    """``running`` as most tests want it."""
    with running(home, **{"fast": True, **options}) as endpoints:
        yield endpoints


@contextlib.contextmanager
def occupied(port: int) -> Iterator[socket.socket]:
    """Somebody else's server on ``port``."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        yield listener


@contextlib.contextmanager
def hidden_processes() -> Iterator[None]:
    """A system that does not show a process's directory, as some hardened containers."""

    def look_at(_: int) -> tuple[str, Path]:
        raise PermissionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "_look_at", look_at)
        yield
