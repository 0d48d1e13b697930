"""A worker process for tests that kill it: each task leaves one row in the transaction of its end.

`python -m tests.recovery.killed_worker DATABASE REDIS`
"""

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


def main(url: str, redis: str) -> None:
    settings = Settings(
        _env_file=None, profile=Profile.TEST, jwt_secret="k" * 40, log_level="CRITICAL"
    )
    app = create_app(settings, db_url=url, admin_url=url, redis_url=redis)
    running.PROCESSORS[TaskType.DUNNING_RETRY] = process
    with app.app_context():
        print("ready", flush=True)
        after = ""
        while True:
            working.rescue()
            size, after = working.work(after=after, lease_s=LEASE_S)
            if not size:
                time.sleep(0.02)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
