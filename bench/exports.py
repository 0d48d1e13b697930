"""The ledger's CSV at a million entries, over HTTP from gunicorn: how fast, and how much memory.

`python -m bench.exports [rows]`. Servers as for `bench.lists`. The web process is asked for a short
list first, so that what it loads once is not counted; then for the whole file while its memory is
looked at; then for one that the client hangs up on. Exits with 1 when the process grew by more than
the budget or goes on with a file that nobody reads.
"""

import http.client
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
from flask import Flask

from bench.lists import CUSTOMERS, FILL_CUSTOMERS, MERCHANT, application, open_shops
from bench.wallet_rows import FILL_LEDGER, FILL_POSTINGS
from mealquest.application import ROOT
from mealquest.engines.processes import choose_port

BUDGET_MIB = 30.0
PATH = "/console/ledger.csv"
START_S, PIECE = 60, 65_536


def main(rows: int) -> int:
    with application() as (app, admin), app.app_context(), tempfile.TemporaryDirectory() as home:
        headers = open_shops()
        began = time.perf_counter()
        fill(admin, rows)
        print(f"{rows:,} entries filled in {time.perf_counter() - began:.0f} s", flush=True)
        with web(Path(home), admin, redis_of(app)) as (port, server):
            return measure(port, server, headers, rows)


def redis_of(app: Flask) -> str:
    found = app.extensions["bells"].connection.get_connection_kwargs()
    password = f":{found['password']}@" if found.get("password") else ""
    return f"redis://{password}{found['host']}:{found['port']}/{found['db']}"


def fill(admin: str, rows: int) -> None:
    with psycopg.connect(admin) as connection:
        connection.execute("SET ROLE mealquest_platform")
        values = {"m": MERCHANT, "rows": rows, "customers": CUSTOMERS}
        for statement in (FILL_CUSTOMERS, FILL_LEDGER, FILL_POSTINGS):
            connection.execute(statement, values)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


@contextmanager
def web(home: Path, db_url: str, redis_url: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """gunicorn with one process, as in production, over that database."""
    port = choose_port(None)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MQ_")} | {
        "MQ_ENV": "test",
        "MQ_DB_URL": db_url,
        "MQ_REDIS_URL": redis_url,
        "MQ_JWT_SECRET": "bench" * 8,
        "MQ_DATA_DIR": str(home),
        "MQ_WEB_WORKERS": "1",
        "MQ_LOG_LEVEL": "WARNING",
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:app"]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            _wait(port, server, home / "log")
            yield port, server
        finally:
            server.terminate()
            server.wait(30)


def measure(port: int, server: subprocess.Popen[bytes], headers: dict[str, str], rows: int) -> int:
    worker = psutil.Process(server.pid).children()[0]
    for _ in range(3):  # what is loaded once is loaded now
        list(read(port, f"{PATH}?type=GATEWAY_REFUND", headers))
    before, peak, lines, size, first = _mib(worker), 0.0, 0, 0, 0.0
    stop = threading.Event()
    peaks: list[float] = []
    watcher = threading.Thread(target=_watch, args=(worker, peaks, stop))
    watcher.start()
    began, busy = time.perf_counter(), sum(worker.cpu_times()[:2])
    for piece in read(port, PATH, headers):
        first = first or time.perf_counter() - began
        lines += piece.count(b"\n")
        size += len(piece)
    seconds, busy = time.perf_counter() - began, sum(worker.cpu_times()[:2]) - busy
    stop.set()
    watcher.join()
    peak = max(peaks)
    print(f"ledger.csv: {lines:,} lines, {size / 2**20:.0f} MiB in {seconds:.0f} s,")
    print(f"    {lines / seconds:,.0f} a second, first byte after {first * 1000:.0f} ms")
    print(f"    {busy:.0f} s of CPU in the web process, {busy / lines * 1e6:.0f} us a line")
    print(f"    web process {before:.1f} MiB before, {peak:.1f} at most, {_mib(worker):.1f} after")
    idle = _hang_up(port, headers, worker)
    print(f"    a client that hangs up: the process is idle again after {idle:.1f} s")
    return 1 if peak - before > BUDGET_MIB or lines != rows + 1 or idle > 10 else 0


def read(port: int, path: str, headers: dict[str, str]) -> Iterator[bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {answer.read()[:300]!r}")
        while piece := answer.read1(PIECE):
            yield piece
    finally:
        connection.close()


def _hang_up(port: int, headers: dict[str, str], worker: psutil.Process) -> float:
    """Seconds until the process does nothing any more for a file that nobody reads."""
    pieces = read(port, PATH, headers)
    for _ in range(20):
        next(pieces)
    pieces.close()
    began = time.perf_counter()
    while time.perf_counter() - began < 60:
        used = sum(worker.cpu_times()[:2])
        time.sleep(0.5)
        if sum(worker.cpu_times()[:2]) - used < 0.05:
            break
    return time.perf_counter() - began - 0.5


def _watch(worker: psutil.Process, peaks: list[float], stop: threading.Event) -> None:
    while not stop.wait(0.2):
        peaks.append(_mib(worker))
    peaks.append(_mib(worker))


def _mib(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 2**20


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(log.read_text())
        try:
            if list(read(port, "/health", {})):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"gunicorn did not start: {log.read_text()}")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
