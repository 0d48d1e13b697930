"""The tick, and who leads when there are several."""

import signal
import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from jobs import schedule
from jobs.schedule import LEADER_LOCK, Duty, tick
from mealquest.core import outbox
from mealquest.core.bells import Bells
from mealquest.core.db import db, transaction
from mealquest.realtime import service as realtime
from tests.factories.merchants import make_merchant
from tests.product.running import until

OURS = "(SELECT oid FROM pg_database WHERE datname = current_database())"


class Rung:
    """In place of bells: writes down what was rung."""

    is_away = False

    def __init__(self) -> None:
        self.names: list[str] = []

    def ring(self, bell: str) -> None:
        self.names.append(bell)


def leader() -> int | None:
    """The database process of whoever leads."""
    holds = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = :key AND granted"
    with db.engine.connect() as connection:
        return connection.scalar(text(f"{holds} AND database = {OURS}"), {"key": LEADER_LOCK})


def test_a_duty_is_looked_at_when_it_is_its_turn_and_rung_when_there_is_work(app):
    rung = Rung()
    due = [
        Duty("now", 0, lambda: True),
        Duty("idle", 0, lambda: False),
        Duty("rare", 60, lambda: True),
    ]
    tick(due, rung)
    tick(due, rung)
    assert rung.names == ["now", "rare", "now"]


def test_while_redis_is_away_a_duty_may_do_its_work_here(app):
    rung, worked = Rung(), []
    due = [Duty("here", 0, lambda: True, here=lambda: worked.append(1)), Duty("not", 0, lambda: 1)]
    tick(due, rung)
    assert worked == []
    rung.is_away = True
    tick(due, rung)
    assert worked == [1]


@pytest.mark.usefixtures("app")
def test_events_are_numbered_by_the_tick_while_redis_is_away():
    merchant_id = make_merchant()
    with transaction(merchant_id) as session:
        outbox.publish(session, merchant_id, "PAYMENT_VERIFIED", {})
    bells = Bells("redis://127.0.0.1:1/0")
    tick([duty for duty in schedule.duties() if duty.bell == "outbox"], bells)
    assert bells.is_away
    assert not outbox.has_due()
    assert realtime.status(merchant_id).last_seq == 1


ALWAYS = {"housekeeping", "doctor", "recovery-janitor"}  # they look for themselves


@pytest.mark.usefixtures("app")
def test_every_duty_can_be_asked_whether_it_is_due():
    assert {duty.bell: duty.is_due() for duty in schedule.duties()} == {
        duty.bell: duty.bell in ALWAYS for duty in schedule.duties()
    }


def test_two_schedulers_have_one_leader_and_the_other_follows_it(app, start):
    first = start("scheduler")
    leads = until(leader, "the first one leads")
    second = start("scheduler")
    until(lambda: "stands by" in second.err, "the second one stands by")
    assert leader() == leads

    first.process.kill()
    until(lambda: leader() not in {None, leads}, "the second one leads", 10)
    with transaction("m_a") as session:
        outbox.publish(session, "m_a", "SOMETHING", {})
    app.extensions["bells"].connection.flushdb()  # the ring is lost
    queue = app.extensions["bells"].queue
    until(
        lambda: any(job.func_name == "jobs.outbox.relay" for job in queue.jobs),
        "the second one rings",
        10,
    )

    second.process.send_signal(signal.SIGTERM)
    assert second.ended(10) == 0, second.err
    until(lambda: leader() is None, "nobody leads", 5)


@pytest.mark.usefixtures("app")
def test_a_leader_that_stumbles_gives_the_lead_away(monkeypatch):
    def stumble() -> bool:
        raise OperationalError("SELECT 1", {}, ConnectionError("the database went away"))

    monkeypatch.setattr(schedule, "TICK_S", 0.01)
    monkeypatch.setattr(schedule, "duties", lambda every_s: [Duty("outbox", 0, stumble)])
    with pytest.raises(OperationalError):
        schedule._lead(Rung(), threading.Event())
    until(lambda: leader() is None, "nobody leads", 5)
