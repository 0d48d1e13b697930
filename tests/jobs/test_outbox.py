import pytest
from sqlalchemy import func, select

from jobs import outbox as job
from mealquest.core import outbox
from mealquest.core.db import platform_transaction, transaction
from mealquest.core.outbox import OutboxEvent

pytestmark = pytest.mark.usefixtures("app")


def publish(count: int) -> None:
    for number in range(count):
        merchant_id = f"m_{number % 3}"
        with transaction(merchant_id) as session:
            outbox.publish(session, merchant_id, "PAYMENT_VERIFIED", {"number": number})


def waiting() -> int:
    with platform_transaction("a test counts for every merchant") as session:
        return session.scalar(
            select(func.count()).select_from(OutboxEvent).where(OutboxEvent.delivered_at.is_(None))
        )


def test_an_event_that_nobody_subscribes_to_is_delivered():
    publish(3)
    assert job.relay() == "handled 3"
    assert waiting() == 0


def test_nothing_to_do_is_nothing_done():
    assert job.relay() == "handled 0"


def test_more_than_one_batch_is_delivered(monkeypatch):
    publish(7)
    deliver = outbox.deliver_due
    monkeypatch.setattr(outbox, "deliver_due", lambda subs: deliver(subs, limit=2))
    assert job.relay() == "handled 7"


def test_a_subscriber_hears_and_one_that_fails_keeps_its_event(monkeypatch):
    publish(2)
    heard = []

    def hear(event):
        heard.append(event.payload["number"])
        if event.payload["number"] == 1:
            raise ConnectionError

    monkeypatch.setattr(job, "SUBSCRIBERS", {"PAYMENT_VERIFIED": (hear,)})
    monkeypatch.setattr(job, "ROUNDS", 1)
    job.relay()

    assert sorted(heard) == [0, 1]
    assert waiting() == 1
