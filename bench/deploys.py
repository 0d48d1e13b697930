"""`python -m bench.deploys`: new versions of the web server, one after the other, under load.

gunicorn runs alone, as in production, on the engines of a shop; callers keep their connections and
never ask again. Each round is a SIGUSR2 (new code) or a SIGHUP (new workers of the same code).
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import psutil

from bench.callers import Ask, Heard, calling
from bench.shop import CUSTOMERS, ROOT, SECRET, Shop, open_shop, order, token
from mealquest.engines.processes import choose_port

Found = TypeVar("Found")
REST_S = 3.0  # between two rounds
PAUSES = (0.0, 0.0, 0.01, 0.02, 0.05, 0.1, 0.3, 0.7, 1.1, 1.9)


def main() -> None:
    arguments = _arguments()
    with open_shop() as shop, _gunicorn(shop) as server:
        before = shop.stored()
        print("signal   seconds until done  answers  failures  p50 ms  p99 ms  longest ms")
        total = Heard()
        for kind in ["USR2", "HUP"] * arguments.rounds:
            print(_round(server, kind, total), flush=True)
        taken = total.answers["POST", 200]
        print(f"\n{total.total} answers {dict(total.answers)}, {len(total.failures)} failures")
        print(f"payments stored {shop.stored() - before}, acknowledged {taken}")
        print(*total.failures, sep="\n")
        sys.exit(bool(total.failures) or shop.stored() - before != taken)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each kind")
    return parser.parse_args()


class Server:
    """The gunicorn of this port, whichever process it is by now."""

    def __init__(self, port: int, pid: int) -> None:
        self.address, self.pid = ("127.0.0.1", port), pid

    def replace(self) -> None:
        """New code: the successor asks its predecessor to stop when it can do without it."""
        old = psutil.Process(self.pid)
        os.kill(self.pid, signal.SIGUSR2)
        new = _until(lambda: next((c for c in old.children() if c.children()), None))
        _until(lambda: not old.is_running() or old.status() == psutil.STATUS_ZOMBIE)
        self.pid = new.pid

    def renew(self) -> None:
        """New workers of the same code."""
        old = {child.pid for child in psutil.Process(self.pid).children()}
        os.kill(self.pid, signal.SIGHUP)
        _until(lambda: not old & {child.pid for child in psutil.Process(self.pid).children()})


@contextmanager
def _gunicorn(shop: Shop) -> Iterator[Server]:
    port = choose_port(None)
    settings = {"MQ_DATA_DIR": str(shop.home), "PORT": str(port), "MQ_JWT_SECRET": SECRET}
    environment = os.environ | settings | {"MQ_RATE_LIMITS": "off", "MQ_LOG_LEVEL": "WARNING"}
    script = Path(sys.executable).with_name("gunicorn")
    first = subprocess.Popen(
        [script, "-c", "gunicorn.conf.py", "app:app"], cwd=ROOT, env=environment
    )
    server = Server(port, first.pid)
    try:
        _until(lambda: len(psutil.Process(first.pid).children()) > 1)
        yield server
    finally:
        os.kill(server.pid, signal.SIGTERM)
        _until(lambda: not psutil.pid_exists(server.pid) or server.pid == first.pid)
        first.wait()


def _until(look: Callable[[], Found]) -> Found:
    give_up = time.monotonic() + 60
    while not (found := look()):
        if time.monotonic() > give_up:
            raise TimeoutError("the web server did not do what it was told")
        time.sleep(0.02)
    return found


class Asks:
    """Payments, each under a key of its own, and a page for every third."""

    def __init__(self) -> None:
        self._name = uuid4().hex
        self._headers = {
            "Authorization": f"Bearer {token()}",
            "Content-Type": "application/json",
        }

    def __call__(self, number: int) -> Ask:
        if number % 3 == 0:
            return Ask("GET", "/console/payments", None, self._headers)
        body = json.dumps(order(number % CUSTOMERS + 1))
        key = {"Idempotency-Key": f"{self._name}-{number}"}
        return Ask("POST", "/api/payment/verify", body, self._headers | key)


def _round(server: Server, kind: str, total: Heard) -> str:
    with calling(server.address, Asks(), PAUSES) as heard:
        time.sleep(REST_S)
        began = time.perf_counter()
        server.replace() if kind == "USR2" else server.renew()
        took = time.perf_counter() - began
        time.sleep(REST_S)
    total.answers += heard.answers
    total.failures += heard.failures
    ordered = sorted(heard.seconds)
    p50, p99, longest = (
        ordered[int(share * (len(ordered) - 1))] * 1000 for share in (0.5, 0.99, 1)
    )
    return (
        f"{kind:8} {took:18.1f} {heard.total:8} {len(heard.failures):9}"
        f" {p50:7.1f} {p99:7.1f} {longest:11.0f}"
    )


if __name__ == "__main__":
    main()
