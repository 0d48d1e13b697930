from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from mealquest.core import outbox
from mealquest.core.db import platform_transaction, transaction
from mealquest.core.outbox import OutboxEvent
from tests.identity.parallel import at_once

pytestmark = pytest.mark.usefixtures("app")


def publish(kind="PAYMENT_VERIFIED", merchant_id="m_a", **payload):
    with transaction(merchant_id) as session:
        outbox.publish(session, merchant_id, kind, payload)


def publish_and_fail():
    with transaction("m_a") as session:
        outbox.publish(session, "m_a", "PAYMENT_VERIFIED", {})
        raise ZeroDivisionError


def rows():
    with platform_transaction("a test looks at every merchant") as session:
        return session.scalars(select(OutboxEvent).order_by(OutboxEvent.id)).all()


def change(**values):
    with platform_transaction("a test moves time") as session:
        session.execute(update(OutboxEvent).values(**values))


def test_an_event_reaches_every_subscriber_of_its_type_and_no_other():
    publish(amount=52)
    first, second, other = [], [], []

    size = outbox.deliver_due(
        {"PAYMENT_VERIFIED": (first.append, second.append), "REFUNDED": (other.append,)}
    )

    assert size == 1
    assert [event.payload["amount"] for event in first] == [52]
    assert "occurredAt" in first[0].payload
    assert (first[0].merchant_id, first[0].type) == ("m_a", "PAYMENT_VERIFIED")
    assert second == first
    assert other == []


def test_an_event_is_delivered_once():
    publish()
    heard = []
    subscribers = {"PAYMENT_VERIFIED": (heard.append,)}

    assert outbox.deliver_due(subscribers) == 1
    assert outbox.deliver_due(subscribers) == 0
    assert len(heard) == 1
    assert not outbox.has_due()


def test_an_event_of_a_transaction_that_failed_was_never_there():
    with pytest.raises(ZeroDivisionError):
        publish_and_fail()

    assert rows() == []


def test_the_bell_rings_after_the_commit_and_not_before(app):
    queue = app.extensions["bells"].queue
    app.extensions["bells"]._rung.clear()
    with transaction("m_a") as session:
        outbox.publish(session, "m_a", "PAYMENT_VERIFIED", {})
        assert queue.job_ids == []
    assert [job.func_name for job in queue.jobs] == ["jobs.outbox.relay"]


def test_a_subscriber_that_raises_has_its_event_back_and_stops_no_other():
    publish(bad=True)
    publish("REFUNDED")
    heard = []

    def fail(event):
        raise ConnectionError("the socket is gone")

    outbox.deliver_due({"PAYMENT_VERIFIED": (fail,), "REFUNDED": (heard.append,)})

    put_off, delivered = rows()
    assert (put_off.delivered_at, put_off.attempts) == (None, 1)
    assert "the socket is gone" in put_off.last_error
    assert delivered.delivered_at is not None
    assert len(heard) == 1


def test_an_event_that_was_put_off_comes_again_with_the_same_id():
    publish()
    heard = []

    def fail_once(event):
        heard.append(event.id)
        if len(heard) == 1:
            raise ConnectionError

    subscribers = {"PAYMENT_VERIFIED": (fail_once,)}
    outbox.deliver_due(subscribers)
    change(run_at=func.now())
    outbox.deliver_due(subscribers)

    (row,) = rows()
    assert heard == [row.id, row.id]
    assert (row.attempts, row.last_error) == (2, None)
    assert row.delivered_at is not None


def test_a_claimed_event_is_left_alone_until_the_lease_ends():
    publish()
    assert len(outbox._claim(10)) == 1  # a relay that dies right after its claim
    assert outbox.deliver_due({}) == 0

    change(run_at=func.now() - timedelta(seconds=1))
    assert outbox.has_due()
    assert outbox.deliver_due({}) == 1


def test_relays_that_run_together_share_the_events(app):
    for number in range(40):
        publish(merchant_id=f"m_{number % 3}", number=number)
    heard = []
    subscribers = {"PAYMENT_VERIFIED": (heard.append,)}

    at_once(app, *[lambda: outbox.deliver_due(subscribers, limit=10)] * 4)
    while outbox.deliver_due(subscribers, limit=10):
        pass

    assert Counter(event.payload["number"] for event in heard) == Counter(range(40))


def test_a_batch_is_delivered_in_the_order_of_the_news():
    for number in range(5):
        publish(number=number)
    heard = []
    outbox.deliver_due({"PAYMENT_VERIFIED": (heard.append,)})
    assert [event.payload["number"] for event in heard] == list(range(5))


def test_delivered_events_are_forgotten_and_others_never():
    publish()
    outbox.deliver_due({})
    change(delivered_at=func.now() - timedelta(days=8))
    publish("WAITING")
    change(created_at=func.now() - timedelta(days=30))

    assert outbox.purge_delivered(7) == 1
    assert [row.type for row in rows()] == ["WAITING"]
