"""Exports of what is known about a customer: their states and limits."""

from datetime import timedelta
from enum import StrEnum


class ExportState(StrEnum):
    WAITING = "WAITING"  # for a worker
    RUNNING = "RUNNING"  # a worker writes it; another takes over when that one dies
    READY = "READY"  # can be taken until it expires
    FAILED = "FAILED"  # final: given up after MAX_ATTEMPTS


UNFINISHED = frozenset({ExportState.WAITING, ExportState.RUNNING})
KEPT = timedelta(days=7)
LEASE = timedelta(minutes=1)  # how long a worker may be silent
MAX_ATTEMPTS = 5  # without getting on
SLICE_S = 3.0  # how long a job works on one export before others have their turn
AT_ONCE = 1_000  # rows; a customer with no more has the file with the first answer
BATCH = 500  # rows read at a time
