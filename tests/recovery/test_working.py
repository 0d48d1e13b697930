"""A worker's batch: leases that are renewed, tasks given back, chains, the janitor's round."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from mealquest.core.clock import utc_now
from mealquest.core.db import platform_transaction, transaction
from mealquest.recovery import chains, janitor, running, tasks, working
from mealquest.recovery.domain import PLATFORM, TaskStatus, TaskType, chain_key
from mealquest.recovery.models import ProcessedEvent, ScheduledTask
from mealquest.recovery.running import Done, Later, NewTask
from mealquest.tenancy import service as tenancy
from tests.factories.recovery import make_task

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def process(monkeypatch):
    """Name the processor of reminders for this test."""

    def named(function) -> None:
        monkeypatch.setitem(running.PROCESSORS, TaskType.DUNNING_RETRY, function)

    return named


def row(merchant_id: str, task_id: int) -> ScheduledTask:
    with transaction(merchant_id) as session:
        return session.get_one(ScheduledTask, (merchant_id, task_id))


def statuses(merchant_id: str) -> list[str]:
    with transaction(merchant_id) as session:
        query = select(ScheduledTask.status).where(ScheduledTask.merchant_id == merchant_id)
        return [status.value for status in session.scalars(query.order_by(ScheduledTask.id))]


def merchant(merchant_id: str, **account) -> str:
    with transaction(merchant_id) as session:
        tenancy.create_merchant(session, merchant_id, name="Shop", budget_cap=100)
        if account:
            tenancy.set_account(session, merchant_id, **account)
    return merchant_id


def test_a_long_task_keeps_its_lease_and_those_of_its_batch(process) -> None:
    ids = [make_task("m_a") for _ in range(3)]
    seen = []

    def slow(task) -> Done:
        if not seen:
            time.sleep(0.9)  # three times the lease
            assert working.rescue() == 0
        seen.append(task.id)
        return Done()

    process(slow)
    assert working.work(lease_s=0.3)[0] == 3
    assert seen == ids
    assert statuses("m_a") == ["completed"] * 3


def test_who_is_told_to_stop_gives_back_what_is_not_begun(process) -> None:
    for _ in range(3):
        make_task("m_a")
    stopped = []

    def once(_) -> Done:
        stopped.append(True)
        return Done(effects=lambda session: None)

    process(once)
    working.work(stops=lambda: bool(stopped))
    assert statuses("m_a") == ["completed", "pending", "pending"]
    with transaction("m_a") as session:
        tries = session.scalars(select(ScheduledTask.attempts).order_by(ScheduledTask.id)).all()
    assert tries == [1, 0, 0]


def test_a_task_that_is_cancelled_while_it_runs_writes_nothing(process) -> None:
    task_id = make_task("m_a", invoice_id="in_1")
    written = []

    def meanwhile_paid(task) -> Done:
        with transaction("m_a") as session:
            tasks.end_of_invoice(session, "m_a", "in_1", TaskStatus.COMPLETED, "invoice_paid")
        assert not running.still_mine(task)
        return Done("sent", effects=lambda session: written.append(task.id))

    process(meanwhile_paid)
    working.work()
    assert row("m_a", task_id).outcome == "invoice_paid"
    assert written == []


def test_a_statement_that_fails_shows_nobody_its_values(process) -> None:
    task_id = make_task("m_a")

    def breaks(task) -> Done:
        with transaction("m_a") as session:
            session.execute(text("SELECT CAST(:said AS int)"), {"said": "payer@example.com"})
        return Done()

    process(breaks)
    working.work(lease_s=5)
    assert row("m_a", task_id).last_error == "InvalidTextRepresentation"
    assert row("m_a", task_id).status is TaskStatus.PENDING


def test_nobody_can_ask_for_more_than_a_day(process) -> None:
    task_id = make_task("m_a")
    process(lambda task: Later("429", wait_s=1e9))
    working.work(lease_s=5)
    assert row("m_a", task_id).run_at - utc_now() <= timedelta(days=1)


def test_claims_go_round_the_merchants(process) -> None:
    for name in ("m_a", "m_b", "m_c", "m_d"):
        for _ in range(3):
            make_task(name)
    order, after = [], ""
    for _ in range(6):
        found, after = tasks.claim("w", after=after, most=2, lease_s=60)
        order += [one.merchant_id for one in found]
    assert sorted(order[:4]) == sorted(order[4:8]) == ["m_a", "m_b", "m_c", "m_d"]


def test_a_statement_by_hand_makes_and_loses_tasks() -> None:
    """Operators write as the tables of the contract let them."""
    with platform_transaction("a test writes by hand") as session:
        session.execute(
            text(
                "INSERT INTO scheduled_tasks (merchant_id, task_type, payload)"
                " SELECT 'm_a', 'dunning_retry', '{}' FROM generate_series(1, 500)"
            )
        )
        session.execute(
            text(
                "INSERT INTO scheduled_tasks (merchant_id, task_type, status, claimed_at) VALUES"
                " ('m_b', 'dunning_retry', 'running', now() - interval '20 minutes')"
            )
        )
    assert len(tasks.claim("w", most=600, lease_s=60)[0]) == 500
    assert working.rescue() == 1
    assert statuses("m_b") == ["pending"]


def test_chains_are_begun_once_however_many_look(app) -> None:
    merchant("m_mail", email="owner@example.com")
    merchant("m_stripe", stripe_connect_id="acct_1")
    merchant("m_plain")

    def ensure(_: int) -> int:
        with app.app_context():
            return chains.ensure()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ensure, range(4))) == 4
    with platform_transaction("a test looks at all tasks") as session:
        found = session.execute(select(ScheduledTask.merchant_id, ScheduledTask.task_type)).all()
    assert {tuple(one) for one in found} == {
        ("m_mail", TaskType.SEND_WEEKLY_DIGEST),
        ("m_stripe", TaskType.RECONCILE),
        (PLATFORM, TaskType.RECONCILE),
        (PLATFORM, TaskType.REPORT_USAGE),
    }
    assert chains.missing() == []


def test_a_chain_goes_on_with_the_end_of_its_link_and_never_twice() -> None:
    links = chains.ensure()
    found, _ = tasks.claim("w", lease_s=60)
    one = next(task for task in found if task.type == TaskType.REPORT_USAGE)
    key = chain_key(TaskType.REPORT_USAGE)
    link = NewTask(type=TaskType.REPORT_USAGE, payload={}, dedupe_key=key)
    assert chains.ensure() == 0  # the one that runs is live
    assert running.settle(one, Done(next=link))
    assert not running.settle(one, Done(next=link))
    assert sorted(statuses(PLATFORM)) == ["completed", "pending", *["running"] * (links - 1)]


def test_the_janitor_forgets_what_has_served_and_nothing_else() -> None:
    old = utc_now() - timedelta(days=40)
    make_task("m_a", status=TaskStatus.COMPLETED, created_at=old, completed_at=old)
    kept = [
        make_task("m_a", status=TaskStatus.COMPLETED),
        make_task("m_a", status=TaskStatus.FAILED, created_at=old, completed_at=old),
        make_task("m_a", run_at=utc_now() + timedelta(days=2), is_due=False, created_at=old),
    ]
    with platform_transaction("a test writes by hand") as session:
        for name, age in (("evt_old", 8), ("evt_new", 6)):
            session.execute(
                text(
                    "INSERT INTO processed_events (event_id, processed_at)"
                    " VALUES (:name, now() - make_interval(days => :age))"
                ),
                {"name": name, "age": age},
            )
    janitor.tend()
    with platform_transaction("a test looks at everything") as session:
        left = select(ScheduledTask.id).where(ScheduledTask.merchant_id == "m_a")
        assert set(session.scalars(left)) == set(kept)
        assert session.scalars(select(ProcessedEvent.event_id)).all() == ["evt_new"]
    assert janitor.tend() == "nothing to do"


def test_a_task_that_hangs_is_taken_from_its_worker(app, process, monkeypatch) -> None:
    monkeypatch.setattr(app.config["SETTINGS"], "zombie_after_s", 1)
    task_id = make_task("m_a")
    with platform_transaction("a test lets time pass") as session:
        assert tasks.queue.claim(session, "w", "", 1, 3600)
        session.execute(update(ScheduledTask).values(claimed_at=func.now() - timedelta(seconds=2)))
    assert working.rescue() == 1
    assert row("m_a", task_id).last_error == "worker lost"
