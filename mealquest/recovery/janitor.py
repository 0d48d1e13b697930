"""The janitor's round: lost tasks back into the queue, chains alive, old rows gone."""

import time
from collections.abc import Callable

import structlog
from flask import current_app

from mealquest.core.db import platform_transaction
from mealquest.core.everywhere import everywhere
from mealquest.recovery import chains, working
from mealquest.recovery import janitor_queries as queries
from mealquest.recovery.janitor_queries import Old

TASK_DAYS = 30  # that ended
LOG_DAYS = 396  # thirteen months
UNMATCHED_DAYS = 30  # as long as Stripe itself knows its events
STATE_DAYS = 1
SHARE_S = 60.0  # of one round; the next one goes on

# These go through every database themselves.
EVERYWHERE: dict[str, Callable[[], int]] = {
    "lost tasks rescued": working.rescue,
    "chains begun": chains.ensure,
}

log = structlog.get_logger(__name__)


def tend() -> str:
    """Everything once; says what was done, or that there was nothing to do."""
    give_up = time.monotonic() + SHARE_S
    chores: dict[str, Callable[[], int]] = {
        "completed tasks deleted": lambda: _delete(queries.COMPLETED_TASKS, TASK_DAYS, give_up),
        "cancelled tasks deleted": lambda: _delete(queries.CANCELLED_TASKS, TASK_DAYS, give_up),
        "events deleted": lambda: _delete(queries.EVENTS, _event_days(), give_up),
        "unmatched events deleted": lambda: _delete(
            queries.UNMATCHED_EVENTS, max(UNMATCHED_DAYS, _event_days()), give_up
        ),
        "usage logs deleted": lambda: _delete(queries.USAGE_LOGS, LOG_DAYS, give_up),
        "states deleted": _delete_states,
    }
    done = {name: count for name, chore in chores.items() if (count := sum(everywhere(chore)))}
    for name, chore in EVERYWHERE.items():
        if count := chore():
            done[name] = count
    said = ", ".join(f"{count} {name}" for name, count in done.items()) or "nothing to do"
    log.info("janitor", done=said)
    return said


def _event_days() -> int:
    days: int = current_app.config["SETTINGS"].event_retention_days
    return days


def _delete(old: Old, days: int, give_up: float) -> int:
    total = 0
    while time.monotonic() < give_up:
        with platform_transaction("what has served is deleted for every merchant") as session:
            gone = queries.delete_old(session, old, days)
        total += gone
        if gone < queries.AT_ONCE:
            break
    return total


def _delete_states() -> int:
    with platform_transaction("what has served is deleted for every merchant") as session:
        return queries.delete_states(session, STATE_DAYS)
