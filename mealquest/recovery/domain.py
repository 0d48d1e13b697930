"""Words of recovery: kinds of tasks, states with their allowed moves, what is metered. Pure."""

import secrets
import threading
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

PLATFORM: Final = "system"  # the merchant of tasks and events that belong to the platform itself


class TaskType(StrEnum):
    DUNNING_RETRY = "dunning_retry"
    NOTIFY_ACTION_REQUIRED = "notify_action_required"
    REPORT_USAGE = "report_usage"
    SEND_WEEKLY_DIGEST = "send_weekly_digest"
    RECONCILE = "reconcile"


# What a merchant may ask for, and what takes one of its queue places.
OF_MERCHANTS: Final = frozenset({TaskType.DUNNING_RETRY, TaskType.NOTIFY_ACTION_REQUIRED})


def chain_key(task_type: TaskType) -> str:
    """The dedupe key of work that comes again and again: one link of it is live at a time."""
    return f"chain:{task_type.value}"


class TaskStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"  # parked: `last_error` says why; a person may retry it
    CANCELLED = "cancelled"


LIVE: Final = frozenset({TaskStatus.PENDING, TaskStatus.RUNNING})

# A failed task is taken up again by hand only; nothing leaves completed or cancelled.
MOVES: Mapping[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.PENDING: frozenset({TaskStatus.RUNNING, TaskStatus.CANCELLED, TaskStatus.COMPLETED}),
    TaskStatus.RUNNING: frozenset(
        {TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.PENDING, TaskStatus.CANCELLED}
    ),
    TaskStatus.COMPLETED: frozenset(),
    TaskStatus.FAILED: frozenset({TaskStatus.PENDING}),
    TaskStatus.CANCELLED: frozenset(),
}


def may_become(old: TaskStatus, new: TaskStatus) -> bool:
    return new in MOVES[old]


class Metric(StrEnum):
    """What a usage log counts. Only a dunning mail is billable and counts against the limit."""

    TASK_SCHEDULED = "task_scheduled"
    ACTION_REQUIRED_NOTIFICATION = "action_required_notification"
    SUBSCRIPTION_CHURNED = "subscription_churned"
    DUNNING_EMAIL_SENT = "dunning_email_sent"
    TASK_RETRY = "task_retry"
    RECOVERY_SUCCESS = "recovery_success"
    RECOVERY_FAILED = "recovery_failed"
    MERCHANT_CONNECTED = "merchant_connected"
    MERCHANT_DISCONNECTED = "merchant_disconnected"
    QUOTA_EXCEEDED = "quota_exceeded"


BILLABLE: Final = Metric.DUNNING_EMAIL_SENT


class ReportStatus(StrEnum):
    """Of a billable usage log on its way to Stripe's meter."""

    PENDING = "pending"
    REPORTED = "reported"
    SKIPPED = "skipped"  # cannot be billed; `report_error` says why
    FAILED = "failed"


class EventStatus(StrEnum):
    """Of a Stripe event that came by webhook or was found by reconciliation."""

    PROCESSED = "processed"
    UNMATCHED = "unmatched"  # of an account nobody has connected yet; kept for replay
    FAILED = "failed"


class CaseStatus(StrEnum):
    """Of an invoice in recovery."""

    OPEN = "open"
    RECOVERED = "recovered"
    LOST = "lost"  # voided, uncollectible, or the subscription ended


class Closed(StrEnum):
    """Why an invoice left recovery."""

    PAID = "paid"
    PAID_OUT_OF_BAND = "paid_out_of_band"
    VOIDED = "voided"
    UNCOLLECTIBLE = "uncollectible"
    SUBSCRIPTION_ENDED = "subscription_ended"
    DISCONNECTED = "disconnected"


class BroughtBy(StrEnum):
    """What a recovered payment is put down to. Exactly one, so that the labels sum to the total."""

    STRIPE_RETRY = "stripe_retry"  # no mail of ours had gone out before
    MAIL = "mail"  # the last mail before it; `step` says which
    PAGE = "page"  # the customer came by the signed link
    MERCHANT = "merchant"  # the merchant charged again by hand
    HOLDOUT = "holdout"  # the customer was never mailed, for comparison
    OUT_OF_BAND = "out_of_band"  # marked as paid at Stripe; no money came through it


class MailState(StrEnum):
    INTENDED = "intended"  # written before the send; a resume sends it again under the same key
    SENT = "sent"
    FAILED = "failed"
    HELD = "held"  # not sent: `why` says which rule held it


class Plan(StrEnum):
    FREE = "free"
    GROWTH = "growth"
    PRO = "pro"


_lock = threading.Lock()
_last = 0
_EPOCH_US: Final = 1_767_225_600_000_000  # 2026-01-01, in microseconds
_SPREAD: Final = 16


def new_number() -> int:
    """An id for what the contract numbers: rises with time, exact in JavaScript until 2043.

    Microseconds times sixteen, plus a random rest: no sequence is shared between merchants or
    databases. A key with the merchant in front guards the rest.
    """
    global _last
    with _lock:
        now = (time.time_ns() // 1000 - _EPOCH_US) * _SPREAD + secrets.randbelow(_SPREAD)
        _last = max(_last + 1, now)
        return _last
