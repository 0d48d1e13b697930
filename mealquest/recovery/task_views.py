"""Tasks: the list, one of them, and what people may do with them."""

from collections.abc import Iterator
from typing import Any

from flask import Response, url_for

from mealquest.core.principal import MANAGEMENT, Role
from mealquest.core.spreadsheet import local
from mealquest.core.wire import NoInput
from mealquest.recovery import task_acts as acts
from mealquest.recovery.domain import TaskStatus, TaskType
from mealquest.recovery.task_forms import NewTaskForm, TaskForm, TasksForm
from mealquest.recovery.task_replies import TaskDeleted, TasksDeleted, TasksPage, TaskView
from mealquest.tenancy.service import Operation
from mealquest.web import lists
from mealquest.web.frame import Call, Face, Feature, Scope
from mealquest.web.look import translate as _
from mealquest.web.look import zone

feature = Feature("tasks")
ALLOWED = MANAGEMENT | {Role.OPERATOR}
PAGE = "/console/recovery/tasks"
API_LIMIT = 100  # of the bare array, where its caller names no limit


class TasksView(TasksPage, lists.Listing):
    """The list with what its page needs besides."""


@feature.get(
    api="/api/tasks", page=PAGE, roles=ALLOWED, scope=Scope.NAMED, template="recovery/tasks"
)
def tasks(call: Call, form: TasksForm) -> TasksView:
    """Tasks, newest first; `X-Next-Cursor` leads on."""
    is_app = call.face is Face.API
    limit = API_LIMIT if is_app and "limit" not in form.model_fields_set else form.limit
    page = acts.listed(call.merchant_id, form, limit)
    if is_app:
        return TasksView(**dict(page))
    links = lists.links(
        call, form, "tasks.tasks.page", page.next_cursor, csv="tasks.tasks_csv.page"
    )
    return TasksView(**dict(page), **links)


@feature.get(page=f"{PAGE}.csv", roles=lists.EXPORTERS, scope=Scope.NAMED, media="text/csv")
def tasks_csv(call: Call, form: TasksForm) -> Response:
    """The list of tasks as a CSV file, all pages of it."""
    here = zone()
    header = [
        _("Created (%(zone)s)", zone=here.key),
        _("Due (%(zone)s)", zone=here.key),
        _("Task"),
        _("State"),
        _("Unpaid invoice"),
        _("Attempts"),
        _("Outcome"),
        _("Reason"),
        _("Id"),
    ]
    rows: Iterator[Any] = (
        [_cells(task, here) for task in batch] for batch in acts.every(call.merchant_id, form)
    )
    return lists.csv_file(call, "tasks", form, header, rows)


@feature.get(
    api="/api/tasks/<task_id>",
    page=f"{PAGE}/<task_id>",
    roles=ALLOWED,
    scope=Scope.NAMED,
    template="recovery/task",
)
def task(call: Call, form: TaskForm) -> TaskView:
    """One task."""
    return acts.one(call.merchant_id, form.task_id)


@feature.post(
    api="/api/tasks",
    roles=ALLOWED,
    scope=Scope.NAMED,
    gate=Operation.RECOVERY_TASK_SET,
    status=201,
)
def create(call: Call, form: NewTaskForm) -> TaskView:
    """Ask for a task; one that waits for the same invoice is replaced."""
    return acts.create(call.merchant_id, form, call.principal)


@feature.post(
    api="/api/tasks/<task_id>/retry",
    page=f"{PAGE}/<task_id>/retry",
    roles=ALLOWED,
    scope=Scope.NAMED,
    gate=Operation.RECOVERY_TASK_SET,
    again="tasks.task",
    see_other=lambda view: url_for("tasks.task.page", task_id=view.id),
    flash=lambda view: _("The task is taken up again."),
)
def retry(call: Call, form: TaskForm) -> TaskView:
    """Take a failed task up again, as if it were new."""
    return acts.retry(call.merchant_id, form.task_id, call.principal)


@feature.delete(
    api="/api/tasks/completed",
    roles=ALLOWED,
    scope=Scope.NAMED,
    gate=Operation.RECOVERY_TASK_SET,
)
def delete_completed(call: Call, form: NoInput) -> TasksDeleted:
    """Remove the completed tasks."""
    return acts.delete_completed(call.merchant_id, call.principal)


@feature.post(
    page=f"{PAGE}/clear",
    roles=MANAGEMENT,
    scope=Scope.NAMED,
    gate=Operation.RECOVERY_TASK_SET,
    see_other=lambda view: url_for("tasks.tasks.page"),
    flash=lambda view: _("Removed %(count)s completed tasks.", count=view.deleted),
)
def clear(call: Call, form: NoInput) -> TasksDeleted:
    """Remove the completed tasks from their page."""
    return acts.delete_completed(call.merchant_id, call.principal)


@feature.delete(
    api="/api/tasks/<task_id>",
    roles=ALLOWED,
    scope=Scope.NAMED,
    gate=Operation.RECOVERY_TASK_SET,
)
def delete(call: Call, form: TaskForm) -> TaskDeleted:
    """Remove a task; who runs it writes nothing more."""
    return acts.delete(call.merchant_id, form.task_id, call.principal)


@feature.post(
    page=f"{PAGE}/<task_id>/delete",
    roles=MANAGEMENT,
    scope=Scope.NAMED,
    gate=Operation.RECOVERY_TASK_SET,
    see_other=lambda view: url_for("tasks.tasks.page"),
    flash=lambda view: _("The task is removed."),
)
def remove(call: Call, form: TaskForm) -> TaskDeleted:
    """Remove a task from its page."""
    return acts.delete(call.merchant_id, form.task_id, call.principal)


@feature.word
def task_types() -> list[tuple[str, str]]:
    return [(kind.value, task_type(kind.value)) for kind in TaskType]


@feature.word
def task_type(kind: str) -> str:
    words = {
        TaskType.DUNNING_RETRY: _("Reminder"),
        TaskType.NOTIFY_ACTION_REQUIRED: _("Ask to confirm the payment"),
        TaskType.REPORT_USAGE: _("Report of usage"),
        TaskType.SEND_WEEKLY_DIGEST: _("Weekly digest"),
        TaskType.RECONCILE: _("Comparison with Stripe"),
    }
    return words.get(kind, kind)  # type: ignore[call-overload, no-any-return]


@feature.word
def task_statuses() -> list[tuple[str, str]]:
    return [(status.value, task_status(status)["label"]) for status in TaskStatus]


@feature.word
def task_status(status: TaskStatus) -> dict[str, str]:
    words = {
        TaskStatus.PENDING: (_("Waits"), "info"),
        TaskStatus.RUNNING: (_("At work"), "primary"),
        TaskStatus.COMPLETED: (_("Done"), "success"),
        TaskStatus.FAILED: (_("Parked"), "danger"),
        TaskStatus.CANCELLED: (_("Cancelled"), "neutral"),
    }
    label, tone = words[status]
    return {"label": label, "tone": tone}


@feature.word
def task_outcome(text: str) -> str:
    """What came of a task, in words; what has none is shown as it is."""
    words = {
        "done": _("Done"),
        "sent": _("Sent"),
        "invoice_paid": _("The invoice was paid"),
        "invoice_void": _("The invoice was voided"),
        "invoice_voided": _("The invoice was voided"),
        "invoice_uncollectible": _("The invoice was written off"),
        "subscription_ended": _("The subscription ended"),
        "disconnected": _("Stripe was disconnected"),
        "no_customer_email": _("The customer has no e-mail address"),
        "suppressed": _("The customer wants no reminders"),
        "held_out": _("Held out of reminders, for comparison"),
        "quota_exceeded": _("This month's reminders are used up"),
        "abandoned": _("Its workers died again and again"),
        "worker lost": _("Its worker died; it is tried again"),
        "replaced": _("A newer task took its place"),
    }
    return words.get(text, text)


def _cells(task: TaskView, here: Any) -> list[Any]:
    return [
        local(task.created_at, here),
        local(task.run_at, here),
        task.task_type,
        task.status.value,
        task.invoice_id or "",
        task.attempts,
        task.outcome or "",
        task.last_error or "",
        str(task.id),
    ]
