"""The sandbox Stripe of one installation: a process in one directory, on this machine only."""

import http.client
import json
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mealquest.engines.errors import EngineFailed
from mealquest.engines.files import last_lines, open_log, own_like, write_private
from mealquest.engines.processes import POLL_SECONDS, choose_port, end, own_account, works_in
from mealquest.engines.secrets_file import Secrets

PROGRAM = "mq-stripe" if sys.platform == "linux" else Path(sys.executable).resolve().name
PID_FILE, PORT_FILE = "stripe.pid", "port"
PORT_TAKEN = 3  # what the process ends with when somebody else has its port
CLIENT_ID = "ca_sandbox"
START_SECONDS = 20
ASK_SECONDS = 3
ROOT = Path(__file__).parents[2]
# Isolated: neither an operator's variables nor the working directory decide what is imported.
RUN = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1));"
    " runpy.run_module('mealquest.engines.stripe_sandbox', run_name='__main__')"
)


@dataclass(frozen=True, slots=True, repr=False)
class SandboxStripe:
    """Where it answers and what opens it. No repr: these are secrets, if only of a sandbox."""

    url: str
    key: str
    webhook_secret: str
    client_id: str = CLIENT_ID

    def point_at(self, *, webhook_url: str, redirect_uri: str) -> None:
        """Tell it where the product takes events, and where Connect sends browsers back to.

        EngineFailed: it did not take that.
        """
        said = {"webhookUrl": webhook_url, "redirectUri": redirect_uri}
        status = _ask(self, "POST", "/_sandbox/config", said)
        if status != 200:
            raise EngineFailed(f"the sandbox Stripe at {self.url} answers {status}")


class StripeSandbox:
    """The process of one installation. Callers hold the start lock while they change it."""

    def __init__(self, home: Path, secrets: Secrets) -> None:
        self._home, self._secrets = home, secrets
        self._data = home / "stripe"
        self._log = home / "stripe.log"

    @property
    def access(self) -> SandboxStripe:
        return SandboxStripe(
            f"http://127.0.0.1:{self._port()}",
            self._secrets.stripe_key,
            self._secrets.stripe_webhook_secret,
        )

    def is_up(self) -> bool:
        if not self._lives():  # then a stranger has our port, and shall not see the key
            return False
        return _ask(self.access, "GET", "/_sandbox/health") == 200

    def ensure(self) -> None:
        """Bring it to where ``is_up`` holds."""
        deadline = time.monotonic() + START_SECONDS
        while not self.is_up():
            if time.monotonic() > deadline:
                raise EngineFailed(self._report(f"is not up after {START_SECONDS} seconds"))
            if not self._lives():
                self._start()
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        pid = self._pid()
        if pid is not None and not end(
            pid, self._data, PROGRAM, (signal.SIGTERM, 2), (signal.SIGKILL, 2)
        ):
            raise EngineFailed(self._report(f"does not stop; its process is {pid}"))

    def _start(self) -> None:
        """Start it, or return for another try when its port was taken."""
        remembered = self._port()
        self._data.mkdir(mode=0o700, exist_ok=True)
        own_like(self._data, self._home)
        (self._data / PID_FILE).unlink(missing_ok=True)
        port = choose_port(remembered)
        write_private(self._data / PORT_FILE, str(port))
        open_log(self._log, owner=self._data)
        account = own_account(self._data)
        outcome = account.run(
            sys.executable, "-I", "-c", RUN, ROOT, self._home, str(port), cwd=self._data
        )
        if outcome.returncode not in {0, PORT_TAKEN}:
            raise EngineFailed(self._report(f"did not start: {outcome.stderr.strip()}"))

    def _lives(self) -> bool:
        pid = self._pid()
        return pid is not None and works_in(pid, self._data, PROGRAM, in_doubt=True)

    def _pid(self) -> int | None:
        return _number_in(self._data / PID_FILE)

    def _port(self) -> int | None:
        """The port of the last start; None before the first."""
        return _number_in(self._data / PORT_FILE)

    def _report(self, failure: str) -> str:
        return f"the sandbox Stripe in {self._data} {failure}\n{last_lines(self._log)}"


def _number_in(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _ask(stripe: SandboxStripe, method: str, path: str, said: Any = None) -> int:
    """The status of its answer; 0 without one."""
    link = http.client.HTTPConnection(stripe.url.removeprefix("http://"), timeout=ASK_SECONDS)
    try:
        headers = {"Authorization": f"Bearer {stripe.key}"}
        link.request(method, path, json.dumps(said) if said else None, headers)
        return link.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        link.close()
