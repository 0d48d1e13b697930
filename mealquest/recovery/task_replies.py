"""Tasks as they are told."""

from typing import Any, Literal

from mealquest.core.wire import Listing, Timestamp, View
from mealquest.recovery.domain import TaskStatus, TaskType
from mealquest.recovery.models import ScheduledTask


class TaskView(View):
    """`last_error`: why it failed, or what the last attempt met; `outcome`: what it came to."""

    id: int
    merchant_id: str
    task_type: str
    payload: dict[str, Any]
    status: TaskStatus
    run_at: Timestamp
    created_at: Timestamp
    attempts: int
    invoice_id: str | None
    claimed_at: Timestamp | None
    claimed_by: str | None
    last_error: str | None
    outcome: str | None
    completed_at: Timestamp | None

    @property
    def is_live(self) -> bool:
        return self.status in {TaskStatus.PENDING, TaskStatus.RUNNING}

    @classmethod
    def of(cls, row: ScheduledTask) -> "TaskView":
        names = cls.model_fields.keys()
        return cls(**{name: getattr(row, name) for name in names})


class ClaimedTask(TaskView):
    claim_token: str


class TasksPage(Listing):
    """A bare array, newest first; a header says where it goes on."""

    items: list[TaskView]


class TaskDeleted(View):
    success: Literal[True] = True


class TasksDeleted(View):
    deleted: int


class Claimed(View):
    task: ClaimedTask | None


class TaskDone(View):
    success: Literal[True] = True


def type_known(text: str) -> TaskType | None:
    """Of a row that a statement by hand may have given any text."""
    try:
        return TaskType(text)
    except ValueError:
        return None
