"""The queue's figures for a metrics collector, looked up when it asks."""

import time

import structlog
from prometheus_client import Gauge
from sqlalchemy.exc import SQLAlchemyError

from mealquest.core.errors import Unavailable
from mealquest.recovery import queue_figures
from mealquest.recovery.domain import TaskType

EVERY_S = 5.0  # a process looks at most this often

tasks_now = Gauge(
    "mealquest_recovery_tasks",
    "Tasks by state (due, waiting, running, parked) and type.",
    ["state", "type"],
    multiprocess_mode="mostrecent",
)
oldest_due = Gauge(
    "mealquest_recovery_oldest_due_seconds",
    "For how long the oldest due task has waited, by type; 0 when none does.",
    ["type"],
    multiprocess_mode="mostrecent",
)
STATES = ("due", "waiting", "running", "parked")
OTHER = "other"  # a type that no version of the product knows: labels stay few

log = structlog.get_logger(__name__)
_next_look = 0.0


def measure() -> None:
    """Bring the figures up to date. While the database is away they stay as they were."""
    global _next_look
    now = time.monotonic()
    if now < _next_look:
        return
    _next_look = now + EVERY_S
    try:
        found = queue_figures.by_type()
    except (SQLAlchemyError, Unavailable) as away:
        log.warning("queue not measured", error=type(away).__name__)
        return
    known = [kind.value for kind in TaskType]
    counts = {(state, kind): 0 for state in STATES for kind in [*known, OTHER]}
    ages = dict.fromkeys([*known, OTHER], 0.0)
    for figure in found:
        kind = figure.name if figure.name in ages else OTHER
        counts[figure.state, kind] += figure.count
        if figure.state == "due":
            ages[kind] = max(ages[kind], figure.oldest_s)
    for (state, kind), count in counts.items():
        tasks_now.labels(state, kind).set(count)
    for kind, age in ages.items():
        oldest_due.labels(kind).set(age)
