"""The queue: tasks claimed and completed a second by four processes, and how long a claim takes.

`python -m bench.queue [--peers DIRECTORY]`. Servers as for `bench.lists`. Measured twice: on an
empty table, and while it holds a million finished tasks and 100,000 dead rows that no vacuum may
clear. `--peers` names a virtual environment with `requirements-bench.txt` in it: procrastinate and
pgqueuer then do as many tasks on the same server, in databases of their own.
"""

import argparse
import multiprocessing
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg

from bench.lists import application
from bench.verify import _machine as machine
from mealquest.application import create_app
from mealquest.core.db import platform_transaction
from mealquest.core.settings import Profile, Settings
from mealquest.recovery import queue_queries as queue
from mealquest.recovery import running, tasks, working
from mealquest.recovery.domain import TaskType
from mealquest.recovery.running import Done

PROCESSES, MERCHANTS = 4, 50
TASKS, FINISHED, DEAD = 30_000, 1_000_000, 100_000
START_S = 60.0

FILL = """
INSERT INTO scheduled_tasks (merchant_id, id, task_type, payload, status, is_due, completed_at)
SELECT 'm_' || lpad((n %% %(merchants)s)::text, 3, '0'), %(first)s + n, 'dunning_retry',
       '{"invoiceId": "in_1"}', %(status)s, %(due)s, now()
  FROM generate_series(1, %(count)s) AS n
"""
KILL = "UPDATE scheduled_tasks SET status = 'completed', is_due = false WHERE status = 'pending'"


@dataclass(frozen=True, slots=True)
class Run:
    done: int
    seconds: float
    claims_ms: list[float]

    def line(self, name: str) -> str:
        ranked = sorted(self.claims_ms)
        p50, p99 = ranked[len(ranked) // 2], ranked[int(len(ranked) * 0.99)]
        rate = self.done / self.seconds
        return f"{name:<44} {rate:>9,.0f}/s  claim p50 {p50:5.2f} ms, p99 {p99:6.2f} ms"


def main() -> None:
    arguments = _arguments()
    print(machine(), flush=True)
    with application() as (app, url), app.app_context():
        redis = app.extensions["bells"]._url
        for is_full in (False, True):
            if is_full:
                _burden(url)
            held = "1M finished, 100k dead" if is_full else "empty table"
            for batch in (queue.BATCH, queue.LARGEST_BATCH):
                run = _run(url, redis, partial(_statements, batch))
                print(run.line(f"claim and complete {batch} ({held})"), flush=True)
            run = _run(url, redis, partial(_statements, queue.BATCH), count=1)
            print(run.line(f"one process, claim 20 ({held})"), flush=True)
            run = _run(url, redis, _worker)
            print(run.line(f"jobs.recovery, no-op tasks ({held})"), flush=True)
        server = url.rpartition("/")[0]
    for peer in ("procrastinate", "pgqueuer") if arguments.peers else ():
        with _database(f"{server}/postgres", f"mq_bench_{peer}") as there:
            python = str(Path(arguments.peers) / "bin" / "python")
            script = str(Path(__file__).with_name("queue_peers.py"))
            subprocess.run([python, "-P", script, peer, there, str(PROCESSES)], check=True)


def _burden(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("ALTER TABLE scheduled_tasks SET (autovacuum_enabled = false)")
    _fill(url, FINISHED, first=1, status="completed", is_due=False)
    _fill(url, DEAD, first=10**8, status="pending", is_due=True)
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("SET ROLE mealquest_platform")
        owner.execute("ANALYZE scheduled_tasks")
        owner.execute(KILL)  # each of them leaves a dead row and dead entries in the indexes


def _fill(url: str, count: int, *, first: int, status: str, is_due: bool) -> None:
    """Rows, and what autovacuum would find out about them within a minute."""
    values = {"merchants": MERCHANTS, "first": first, "count": count}
    with psycopg.connect(url) as owner:
        owner.execute("SET ROLE mealquest_platform")
        owner.execute(FILL, values | {"status": status, "due": is_due})
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("ANALYZE scheduled_tasks")


_next_first = 10**10


def _run(url: str, redis: str, work, count: int = PROCESSES) -> Run:
    """As many tasks as there are, by processes that start together."""
    global _next_first
    _fill(url, TASKS, first=_next_first, status="pending", is_due=True)
    _next_first += 10**6
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(count), context.Queue()
    processes = [
        context.Process(target=_process, args=(url, redis, work, start, answers))
        for _ in range(count)
    ]
    for process in processes:
        process.start()
    found = [answers.get(timeout=300) for _ in processes]
    for process in processes:
        process.join()
    began, ended = min(f[1] for f in found), max(f[2] for f in found)
    return Run(sum(f[0] for f in found), ended - began, [ms for f in found for ms in f[3]])


def _process(url: str, redis: str, work, start, answers) -> None:
    settings = Settings(
        _env_file=None, profile=Profile.TEST, jwt_secret="bench" * 8, log_level="WARNING"
    )
    app = create_app(settings, db_url=url, admin_url=url, redis_url=redis)
    with app.app_context():
        with platform_transaction("a connection before the clock starts"):
            pass
        start.wait(START_S)
        began = time.time()
        done, claims = work()
        answers.put((done, began, time.time(), claims))


def _statements(most: int) -> tuple[int, list[float]]:
    done, after, claims = 0, "", []
    while True:
        began = time.perf_counter()
        batch, after = tasks.claim("bench", after=after, most=most, lease_s=60)
        claims.append((time.perf_counter() - began) * 1000)
        if not batch:
            return done, claims
        with platform_transaction("the bench completes for every merchant") as session:
            done += queue.complete_many(session, [(one, "done") for one in batch])


def _worker() -> tuple[int, list[float]]:
    running.PROCESSORS[TaskType.DUNNING_RETRY] = lambda _: Done()
    done, after, claims = 0, "", []
    claim = tasks.claim

    def timed(*args, **options):
        began = time.perf_counter()
        found = claim(*args, **options)
        claims.append((time.perf_counter() - began) * 1000)
        return found

    tasks.claim = timed
    most = queue.BATCH
    while True:
        began = time.monotonic()
        size, after = working.work(most=most, after=after)
        if not size:
            return done, claims
        done += size
        most = working.next_batch(most, time.monotonic() - began)


@contextmanager
def _database(server: str, name: str) -> Iterator[str]:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"{server.rpartition('/')[0]}/{name}"
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", help="a virtual environment with requirements-bench.txt")
    return parser.parse_args()


if __name__ == "__main__":
    main()
