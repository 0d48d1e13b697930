"""Works off due tasks of recovery, and tends them: what a dead worker left, what grew old."""

import time
from collections import defaultdict
from dataclasses import dataclass

from flask import current_app

from jobs import stopping
from mealquest.core.db import databases
from mealquest.core.everywhere import anywhere, in_turns
from mealquest.core.places import here
from mealquest.recovery import service as recovery

SHARE_S = 30.0  # of one run; the next job goes on
ROUNDS = 1_000_000  # the time is what ends it


def work() -> str:
    """Do due tasks, batch by batch. Safe to run twice: a task belongs to its claimer.

    Told to stop, it finishes the task in hand and gives the others of its batch back.
    """
    rescued = recovery.rescue()
    turns: dict[str, _Turn] = defaultdict(_Turn)
    handled = in_turns(lambda: _batch(turns[here(databases()).name]), ROUNDS, SHARE_S)
    if anywhere(recovery.has_due):
        current_app.extensions["bells"].ring(recovery.BELL)
    return f"handled {handled}, rescued {rescued}"


@dataclass(slots=True)
class _Turn:
    """Where the next batch of a database begins, and how large it is."""

    after: str = ""
    most: int = recovery.BATCH


def _batch(turn: _Turn) -> int:
    """One batch of the database in turn; 0: it has none, or this process is to stop."""
    if stopping.told.is_set():
        return 0
    began = time.monotonic()
    batch, turn.after = recovery.work(most=turn.most, after=turn.after, stops=stopping.told.is_set)
    turn.most = recovery.next_batch(turn.most, time.monotonic() - began)
    return batch


def tend() -> str:
    """The janitor's round."""
    return recovery.tend()
