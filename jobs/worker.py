"""The RQ worker: takes rung bells and runs the jobs they name, inside the application."""

from flask import Flask
from rq import Queue, SimpleWorker
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from mealquest.core.bells import QUEUE, Bells
from mealquest.core.telemetry import jobs_total

QUEUES = (QUEUE,)


class Worker(SimpleWorker):
    """Runs jobs in this process: they are short, hold no state, and look for work in rows."""

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        succeeded = super().perform_job(job, queue, execution)
        jobs_total.labels(job.func_name, "done" if succeeded else "failed").inc()
        return succeeded


def work(app: Flask, *, burst: bool) -> None:
    """Work until told to stop (SIGTERM finishes the job in hand), or until nothing is left."""
    bells: Bells = app.extensions["bells"]
    connection = bells.connection_for_worker()
    queues = [Queue(name, connection=connection, serializer=JSONSerializer) for name in QUEUES]
    worker = Worker(queues, connection=connection, serializer=JSONSerializer)
    with app.app_context():
        worker.work(burst=burst, logging_level="WARNING", with_scheduler=False)
