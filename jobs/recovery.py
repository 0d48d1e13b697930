"""Works off due tasks of recovery, and tends them: what a dead worker left, what grew old."""

import time

from flask import current_app

from mealquest.recovery import service as recovery

SHARE_S = 30.0  # of one run; the next job goes on


def work() -> str:
    """Run due tasks, batch by batch. Safe to run twice: a task belongs to its claimer."""
    handled, after, give_up = 0, "", time.monotonic() + SHARE_S
    while time.monotonic() < give_up:
        batch, after = recovery.work(after=after)
        handled += batch
        if not batch:
            break
    if recovery.has_due():
        current_app.extensions["bells"].ring(recovery.BELL)
    return f"handled {handled}"


def tend() -> str:
    """The janitor's round."""
    return f"rescued {recovery.rescue()}"
