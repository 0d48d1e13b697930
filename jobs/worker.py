"""The RQ worker: takes rung bells and runs the jobs they name, inside the application."""

import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

import redis
from flask import Flask
from rq import Queue, SimpleWorker
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from jobs import stopping
from mealquest.core.bells import QUEUES, Bells
from mealquest.core.telemetry import jobs_total

WORKER_TTL_S = 60  # also bounds how long it waits on a connection that has gone dead


class Worker(SimpleWorker):
    """Runs jobs in this process: they are short, hold no state, and look for work in rows."""

    max_connection_wait_time = 2.0  # between tries while Redis is away

    def __init__(self, bells: Bells, names: Sequence[str]) -> None:
        connection = bells.connection_for_worker()
        queues = [Queue(name, connection=connection, serializer=JSONSerializer) for name in names]
        super().__init__(
            queues, connection=connection, serializer=JSONSerializer, worker_ttl=WORKER_TTL_S
        )
        self.bells = bells
        self.was_told_to_stop = False

    def request_stop(self, signum: Any, frame: FrameType | None) -> None:
        self.was_told_to_stop = True
        stopping.told.set()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        self.bells.heard(job.func_name or "")
        succeeded = super().perform_job(job, queue, execution)
        jobs_total.labels(job.func_name, "done" if succeeded else "failed").inc()
        return succeeded


def work(app: Flask, *, burst: bool, queues: Sequence[str] = QUEUES) -> None:
    """Work until told to stop (SIGTERM finishes the job in hand), or until nothing is left.

    `queues`: which to serve, the first one first.

    Ends with code 1 when Redis does not let it work; who supervises it starts it again.
    """
    stopping.told.clear()
    try:
        worker = Worker(app.extensions["bells"], queues)
        with app.app_context():
            worker.work(burst=burst, logging_level="WARNING", with_scheduler=False)
    except redis.RedisError as away:
        sys.exit(f"the worker cannot reach Redis: {away}")
    if not (burst or worker.was_told_to_stop):
        sys.exit("the worker lost Redis")
