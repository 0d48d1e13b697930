"""The queues as operators see them: RQ's bells and workers, and the task rows behind them."""

from collections.abc import Iterable
from datetime import UTC, datetime

from flask import current_app
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker

from mealquest.core.bells import Bells
from mealquest.core.clock import utc_now
from mealquest.core.errors import Conflict, NotFound, Unavailable
from mealquest.ops import databases_seen
from mealquest.ops.replies import (
    BoardView,
    DoneView,
    FailedJobView,
    ParkedTaskView,
    QueueView,
    TasksOfView,
    WorkerView,
)
from mealquest.recovery import service as recovery
from mealquest.recovery.service import Figure

MOST = 50  # failed jobs, parked tasks, and merchants that are listed
STATES = ("due", "waiting", "running", "parked")


class JobNotFound(NotFound):
    """It was done, deleted, or has served its time."""

    code = "JOB_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("job not found")


class JobNotFailed(Conflict):
    code = "JOB_NOT_FAILED"

    def __init__(self) -> None:
        super().__init__("only a failed job can be put back")


def look() -> BoardView:
    """Everything at once. While Redis is away its part is empty, and the view says so."""
    by_merchant = _together(recovery.by_merchant())
    try:
        queues = [_queue(queue) for queue in _bells().queues.values()]
        workers = [_worker(worker) for worker in Worker.all(connection=_connection())]
        failed = _failed()
        is_away = False
    except RedisError:
        queues, workers, failed, is_away = [], [], [], True
    return BoardView(
        redis_is_away=is_away,
        databases=databases_seen.shown(),
        queues=queues,
        workers=sorted(workers, key=lambda worker: worker.name),
        failed_jobs=failed,
        tasks_by_type=_together(recovery.by_type()),
        tasks_by_merchant=by_merchant[:MOST],
        parked_tasks=[
            ParkedTaskView(
                id=task.id,
                merchant_id=task.merchant_id,
                task_type=task.task_type,
                invoice_id=task.invoice_id,
                attempts=task.attempts,
                last_error=task.last_error,
                completed_at=task.completed_at,
            )
            for task in recovery.parked(MOST)
        ],
    )


def requeue(queue: str, job_id: str) -> DoneView:
    """Put a failed job back. JobNotFound, JobNotFailed."""
    try:
        _named(queue).failed_job_registry.requeue(job_id)
    except (NoSuchJobError, ValueError):  # ValueError: no job could have this id
        raise JobNotFound from None
    except InvalidJobOperation:
        raise JobNotFailed from None
    except RedisError:
        raise Unavailable("Redis does not answer") from None
    return DoneView()


def delete(queue: str, job_id: str) -> DoneView:
    """Delete a failed job; the rows it was rung for stay, and are rung for again."""
    registry = _named(queue).failed_job_registry
    try:
        if job_id not in registry.get_job_ids():
            raise JobNotFound
        registry.remove(job_id, delete_job=True)
    except NoSuchJobError:
        raise JobNotFound from None
    except RedisError:
        raise Unavailable("Redis does not answer") from None
    return DoneView()


def _bells() -> Bells:
    bells: Bells = current_app.extensions["bells"]
    return bells


def _connection() -> Redis:
    return _bells().connection


def _named(name: str) -> Queue:
    queue = _bells().queues.get(name)
    if queue is None:
        raise JobNotFound
    return queue


def _queue(queue: Queue) -> QueueView:
    jobs = queue.get_jobs(0, 1)
    return QueueView(
        name=queue.name,
        waiting=queue.count,
        oldest_s=_age_s(jobs[0].enqueued_at) if jobs else None,
        running=queue.started_job_registry.count,
        failed=queue.failed_job_registry.count,
        workers=Worker.count(queue=queue),
    )


def _worker(worker: BaseWorker) -> WorkerView:
    return WorkerView(
        name=worker.name,
        queues=worker.queue_names(),
        state=str(worker.get_state()),
        job=worker.get_current_job_id(),
        done=worker.successful_job_count,
        failed=worker.failed_job_count,
        seen_s=_age_s(worker.last_heartbeat),
    )


def _failed() -> list[FailedJobView]:
    found: list[FailedJobView] = []
    for queue in _bells().queues.values():
        ids = queue.failed_job_registry.get_job_ids(0, MOST - 1)
        jobs = Job.fetch_many(ids, connection=_connection(), serializer=JSONSerializer)
        found += [_job(queue, job) for job in jobs if job is not None]
    return found[:MOST]


def _job(queue: Queue, job: Job) -> FailedJobView:
    result = job.latest_result()
    why = (result.exc_string or "") if result else ""
    last = why.strip().rsplit("\n", 1)[-1]
    return FailedJobView(
        id=job.id,
        queue=queue.name,
        function=job.func_name or "",
        why=last[:300],
        ended_at=_aware(job.ended_at),
    )


def _aware(moment: datetime | None) -> datetime | None:
    return moment and (moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _age_s(moment: datetime | None) -> int | None:
    aware = _aware(moment)
    return max(0, int((utc_now() - aware).total_seconds())) if aware else None


def _together(figures: Iterable[Figure]) -> list[TasksOfView]:
    """One line for each name, those with parked and due tasks first."""
    counts: dict[str, dict[str, int]] = {}
    ages: dict[str, int] = {}
    for one in figures:
        counts.setdefault(one.name, dict.fromkeys(STATES, 0))[one.state] = one.count
        if one.state == "due":
            ages[one.name] = int(one.oldest_s)
    rows = [
        TasksOfView(name=name, oldest_s=ages.get(name), **by_state)
        for name, by_state in counts.items()
    ]
    return sorted(rows, key=lambda row: (-row.parked, -row.due, row.name))
