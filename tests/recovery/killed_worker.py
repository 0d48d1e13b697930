"""Worker processes for tests that kill them: each is a fork of this one, which costs no start.

`python -m tests.recovery.killed_worker DATABASE REDIS`: a line on standard input starts a worker,
whose process id is answered. All of them end with standard input.
"""

import os
import signal
import sys
import time

from sqlalchemy.orm import Session

from mealquest.application import create_app
from mealquest.core.settings import Profile, Settings
from mealquest.recovery import running, usage, working
from mealquest.recovery.domain import Metric, TaskType
from mealquest.recovery.running import Done, Task

LEASE_S = 0.6


def process(task: Task) -> Done:
    """Every other task has an effect; the others are completed together."""
    time.sleep(0.002)

    def effect(session: Session) -> None:
        usage.log(session, task.merchant_id, Metric.TASK_SCHEDULED, task_id=task.id)

    return Done("done", effects=effect if task.id % 2 else None)


def work() -> None:
    after = ""
    while True:
        working.rescue()
        size, after = working.work(after=after, lease_s=LEASE_S)
        if not size:
            time.sleep(0.02)


def main(url: str, redis: str) -> None:
    settings = Settings(
        _env_file=None, profile=Profile.TEST, jwt_secret="k" * 40, log_level="ERROR"
    )
    app = create_app(settings, db_url=url, admin_url=url, redis_url=redis)
    running.PROCESSORS[TaskType.DUNNING_RETRY] = process
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for who was killed
    started = []
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            with app.app_context():
                work()
        started.append(child)
        print(child, flush=True)
    for child in started:
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
