"""Workers that are killed at random: every task ends once, and its effect is there once.

`MQ_KILLS` says how many are killed (200 in `make nightly`).
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from sqlalchemy import text

from mealquest.core.db import platform_transaction
from mealquest.recovery import queue_queries as queue
from mealquest.recovery import running, working
from tests.factories.recovery import make_task

KILLS = int(os.environ.get("MQ_KILLS", "20"))
WORKERS, PER_KILL = 4, 40
MERCHANTS = 5
MOST_S = 60 + KILLS


class Nursery:
    """Starts workers; all that it started end with it."""

    def __init__(self, url: str, redis: str) -> None:
        command = [sys.executable, "-m", "tests.recovery.killed_worker", url, redis]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self) -> int:
        self.process.stdin.write("start\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def nursery(app):
    found = Nursery(app.config["MIGRATION_URL"], app.extensions["bells"]._url)
    yield found
    found.close()


def add(count: int) -> None:
    statement = """
    INSERT INTO scheduled_tasks (merchant_id, task_type, invoice_id, run_at)
    SELECT 'm_' || n % :merchants, 'dunning_retry', 'in_' || n, now() - interval '1 s'
      FROM generate_series(1, :count) AS n
    """
    with platform_transaction("a test writes tasks by hand") as session:
        session.execute(text(statement), {"merchants": MERCHANTS, "count": count})


def states() -> Counter[str]:
    with platform_transaction("a test looks at all tasks") as session:
        rows = session.execute(text("SELECT status, count(*) FROM scheduled_tasks GROUP BY 1"))
        return Counter(dict(rows.all()))


def test_every_task_ends_once_whoever_is_killed(app, nursery) -> None:
    dice, total = random.Random(7), 0
    crew = [nursery.start() for _ in range(WORKERS)]
    give_up = time.monotonic() + MOST_S
    for _ in range(KILLS):
        assert time.monotonic() < give_up, states()
        add(PER_KILL)
        total += PER_KILL
        time.sleep(dice.uniform(0.0, 0.15))
        place = dice.randrange(WORKERS)
        os.kill(crew[place], signal.SIGKILL)
        crew[place] = nursery.start()
    while states()["completed"] + states()["failed"] < total:
        assert time.monotonic() < give_up, states()
        time.sleep(0.1)

    assert states() == {"completed": total}
    with platform_transaction("a test compares tasks and effects") as session:
        wrong = session.scalar(
            text(
                "SELECT count(*) FROM scheduled_tasks AS t WHERE t.id % 2 <> (SELECT count(*)"
                " FROM usage_logs AS u WHERE u.merchant_id = t.merchant_id AND u.task_id = t.id)"
            )
        )
    assert wrong == 0


def test_a_task_that_kills_its_worker_again_and_again_is_parked(app) -> None:
    task_id = make_task("m_a", attempts=running.MOST_ATTEMPTS - 1)
    statement = "UPDATE scheduled_tasks SET lease_until = now() - interval '1 s'"
    with platform_transaction("a test lets a lease run out") as session:
        assert [one.id for one in queue.claim(session, "me", "", 5, 60)] == [task_id]
        session.execute(text(statement))
    assert working.rescue() == 1
    with platform_transaction("a test looks at all tasks") as session:
        row = session.execute(text("SELECT status, last_error FROM scheduled_tasks")).one()
    assert tuple(row) == ("failed", "abandoned")
