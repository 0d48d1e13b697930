"""What the operators' routes answer."""

from typing import Literal

from mealquest.core.messages import StoredMessage
from mealquest.core.wire import Timestamp, View


class Alive(View):
    ok: Literal[True] = True
    now: Timestamp


class Healthy(View):
    status: Literal["healthy"] = "healthy"
    database: Literal["connected"] = "connected"
    pending_tasks: int
    running_tasks: int


class DatabaseHealth(View):
    """A merchant's own database, as this process knows it; home speaks for itself."""

    name: str
    status: Literal["connected", "degraded", "unknown"]


class HealthyWithOthers(Healthy):
    databases: list[DatabaseHealth]


class DatabaseView(View):
    """`why_not`: why nobody is let in; None while it answers. `in_use` is of this process."""

    name: str
    address: str
    why_not: str | None
    in_use: int


class OutboxItem(View):
    id: str
    kind: str
    to: str
    subject: str
    text: str
    html: str
    headers: dict[str, str]
    attachments: list[str]
    created_at: Timestamp

    @classmethod
    def of(cls, stored: StoredMessage) -> "OutboxItem":
        message = stored.message
        return cls(
            id=stored.id,
            kind=stored.kind,
            to=message.to,
            subject=message.subject,
            text=message.text,
            html=message.html,
            headers=message.headers,
            attachments=message.attachments,
            created_at=stored.created_at,
        )


class OutboxItems(View):
    items: list[OutboxItem]


class QueueView(View):
    """One queue of bells. `oldest_s`: for how long its first job has waited."""

    name: str
    waiting: int
    oldest_s: int | None
    running: int
    failed: int
    workers: int


class WorkerView(View):
    """One worker process; `seen_s`: seconds since it was heard of."""

    name: str
    queues: list[str]
    state: str
    job: str | None
    done: int
    failed: int
    seen_s: int | None


class FailedJobView(View):
    id: str
    queue: str
    function: str
    why: str
    ended_at: Timestamp | None


class TasksOfView(View):
    """Tasks of one type or one merchant by state. `oldest_s`: how long the oldest has been due."""

    name: str
    due: int
    waiting: int
    running: int
    parked: int
    oldest_s: int | None


class ParkedTaskView(View):
    id: int
    merchant_id: str
    task_type: str
    invoice_id: str | None
    attempts: int
    last_error: str | None
    completed_at: Timestamp | None


class BoardView(View):
    redis_is_away: bool
    databases: list[DatabaseView]
    queues: list[QueueView]
    workers: list[WorkerView]
    failed_jobs: list[FailedJobView]
    tasks_by_type: list[TasksOfView]
    tasks_by_merchant: list[TasksOfView]
    parked_tasks: list[ParkedTaskView]


class DoneView(View):
    success: Literal[True] = True


class OperatorPage(View):
    """The sign-in of operators; `is_set_up`: there is a key to sign in with."""

    is_set_up: bool
