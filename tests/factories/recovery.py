"""Rows of recovery, written as they would stand."""

from datetime import timedelta
from typing import Any

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.recovery.case_models import RecoveryCase
from mealquest.recovery.domain import LIVE, CaseStatus, TaskStatus, TaskType, new_number
from mealquest.recovery.models import ScheduledTask


def make_task(
    merchant_id: str,
    task_type: TaskType = TaskType.DUNNING_RETRY,
    *,
    status: TaskStatus = TaskStatus.PENDING,
    **values: Any,
) -> int:
    """A task in some state, as its row stands then; its id."""
    number = new_number()
    ended = {"completed_at": utc_now()} if status not in LIVE else {}
    running = status is TaskStatus.RUNNING
    claim = {
        "claimed_at": utc_now(),
        "claimed_by": "a worker",
        "claim_token": "token",
        "lease_until": utc_now() + timedelta(minutes=1),
    }
    row = {"payload": {"invoiceId": "in_1"}, "is_due": status is TaskStatus.PENDING}
    with transaction(merchant_id) as session:
        session.add(
            ScheduledTask(
                merchant_id=merchant_id,
                id=number,
                task_type=task_type,
                status=status,
                **(row | ended | (claim if running else {}) | values),
            )
        )
    return number


def make_case(merchant_id: str, invoice_id: str = "in_1", **values: Any) -> str:
    """An open invoice whose payment has just failed; its id."""
    now = utc_now()
    row = {
        "status": CaseStatus.OPEN,
        "currency": "usd",
        "amount_due": 1_000,
        "attempt_count": 1,
        "decline_class": "soft",
        "first_failed_at": now,
        "last_failed_at": now,
        "last_event_at": now,
    }
    with transaction(merchant_id) as session:
        session.add(RecoveryCase(merchant_id=merchant_id, invoice_id=invoice_id, **(row | values)))
    return invoice_id
