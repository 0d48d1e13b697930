"""The queue: fair claims, one owner a task, an end that is written once."""

from datetime import timedelta

import pytest

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.recovery import running, tasks
from mealquest.recovery.domain import TaskStatus, TaskType
from mealquest.recovery.models import ScheduledTask
from mealquest.recovery.running import Done, Later, Never

pytestmark = pytest.mark.usefixtures("app")


def enqueue(merchant_id: str, count: int = 1, **options) -> list[int]:
    with transaction(merchant_id) as session:
        return [
            tasks.enqueue(
                session, merchant_id, TaskType.DUNNING_RETRY, {"invoiceId": "in_1"}, **options
            )
            for _ in range(count)
        ]


def row(merchant_id: str, task_id: int) -> ScheduledTask:
    with transaction(merchant_id) as session:
        return session.get_one(ScheduledTask, (merchant_id, task_id))


def claim(most: int = 20, after: str = "") -> list[running.Task]:
    return tasks.claim("me", most=most, after=after, lease_s=60)[0]


def test_a_claim_takes_the_same_from_each_merchant():
    enqueue("m_a", 30)
    enqueue("m_b", 3)
    enqueue("m_c", 3)
    taken = [one.merchant_id for one in claim(most=9)]
    assert sorted(taken) == ["m_a"] * 3 + ["m_b"] * 3 + ["m_c"] * 3


def test_what_is_due_later_is_not_claimed():
    enqueue("m_a", delay_s=60)
    enqueue("m_a", run_at=utc_now() + timedelta(days=3))
    assert claim() == []
    assert not tasks.has_due()


def test_one_live_task_a_key():
    first, second = enqueue("m_a", 2, dedupe_key="dunning:in_1")
    assert first
    assert second is None
    assert running.settle(claim()[0], Done("sent"))
    (third,) = enqueue("m_a", dedupe_key="dunning:in_1")
    assert third


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Done("sent"), TaskStatus.COMPLETED),
        (Never("gone"), TaskStatus.FAILED),
        (Later("away"), TaskStatus.PENDING),
    ],
)
def test_an_end_is_written_once(outcome, status):
    (task_id,) = enqueue("m_a")
    (one,) = claim()
    assert running.settle(one, outcome)
    assert not running.settle(one, Done("again"))
    assert row("m_a", task_id).status is status
