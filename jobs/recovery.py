"""Works off due tasks of recovery, and tends them: what a dead worker left, what grew old."""

import time

from flask import current_app

from jobs import stopping
from mealquest.recovery import service as recovery

SHARE_S = 30.0  # of one run; the next job goes on


def work() -> str:
    """Do due tasks, batch by batch. Safe to run twice: a task belongs to its claimer.

    Told to stop, it finishes the task in hand and gives the others of its batch back.
    """
    handled, after, most = 0, "", recovery.BATCH
    give_up = time.monotonic() + SHARE_S
    rescued = recovery.rescue()
    while time.monotonic() < give_up and not stopping.told.is_set():
        began = time.monotonic()
        batch, after = recovery.work(most=most, after=after, stops=stopping.told.is_set)
        handled += batch
        most = recovery.next_batch(most, time.monotonic() - began)
        if not batch:
            break
    if recovery.has_due():
        current_app.extensions["bells"].ring(recovery.BELL)
    return f"handled {handled}, rescued {rescued}"


def tend() -> str:
    """The janitor's round."""
    return recovery.tend()
