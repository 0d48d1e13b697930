"""Usage that is told to Stripe's meter: each mail once, whoever else waits."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.recovery import billing, metering, running, service, tasks, usage
from mealquest.recovery.domain import PLATFORM, Metric, TaskType, chain_key
from mealquest.recovery.gateway import StripeGateway
from mealquest.recovery.running import Done
from mealquest.tenancy import service as tenancy
from tests.factories.merchants import make_merchant
from tests.fakes.stripe import StripeFake

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def stripe(app, monkeypatch):
    with StripeFake() as fake:
        pointed: dict[str, Any] = {}
        fake.configure(pointed)
        for name, value in pointed.items():
            monkeypatch.setitem(app.config, name, value)
        yield fake


def billed(merchant_id: str | None = None) -> str:
    """A connected merchant that the platform bills."""
    merchant_id = make_merchant(merchant_id)
    with transaction(merchant_id) as session:
        tenancy.set_account(session, merchant_id, stripe_connect_id=f"acct_{merchant_id}")
    assert billing.ensure_customer(merchant_id)
    return merchant_id


def mails(merchant_id: str, count: int, *, days_ago: float = 0) -> None:
    with transaction(merchant_id) as session:
        for _ in range(count):
            number = usage.log(session, merchant_id, Metric.DUNNING_EMAIL_SENT)
            session.execute(
                text("UPDATE usage_logs SET created_at = :at WHERE merchant_id = :m AND id = :id"),
                {"at": utc_now() - timedelta(days=days_ago), "m": merchant_id, "id": number},
            )
        usage.log(session, merchant_id, Metric.TASK_SCHEDULED)


def run() -> Done:
    """Claim and do the reporter's task, as a worker would; its successor, when there is one."""
    with transaction(PLATFORM) as session:
        key = chain_key(TaskType.REPORT_USAGE)
        tasks.enqueue(session, PLATFORM, TaskType.REPORT_USAGE, {}, dedupe_key=key)
        session.execute(text("UPDATE scheduled_tasks SET run_at = now(), is_due = true"))
    found, _ = tasks.claim("me", lease_s=60)
    (one,) = [task for task in found if task.type == TaskType.REPORT_USAGE]
    done = metering.report(one)
    assert running.settle(one, done)
    return done


def states(merchant_id: str) -> dict[str, int]:
    query = (
        "SELECT coalesce(report_status, 'none'), count(*) FROM usage_logs"
        " WHERE merchant_id = :m GROUP BY 1"
    )
    with transaction(merchant_id) as session:
        return dict(session.execute(text(query), {"m": merchant_id}).tuples().all())


def told(stripe: StripeFake) -> list:
    return stripe.asked_of("POST", "/v1/billing/meter_events")


def test_every_mail_is_told_once_on_the_platform_account_and_the_chain_goes_on(stripe):
    one, other = billed(), billed()
    mails(one, 45)
    mails(other, 1)
    assert run().outcome == "reported 46"
    assert run().outcome == "reported 0"
    assert len(told(stripe)) == 46
    assert {call.account for call in told(stripe)} <= {None, ""}
    identifiers = [call.form["identifier"] for call in told(stripe)]
    assert len(set(identifiers)) == 46
    assert all(name.startswith("usage_log_") for name in identifiers)
    assert states(one) == {"reported": 45, "none": 1}
    with transaction(PLATFORM) as session:
        live = session.execute(text("SELECT status FROM scheduled_tasks WHERE status = 'pending'"))
        assert len(live.all()) == 1


def test_a_small_shop_waits_for_no_large_one(stripe):
    large, small = billed("m_a_large"), billed("m_z_small")
    mails(large, 200)
    mails(small, 1)
    run()
    places = [call.form["payload"]["stripe_customer_id"] for call in told(stripe)]
    with transaction(small) as session:
        customer = tenancy.account_of(session, small).stripe_customer_id
    assert places.index(customer) <= 20


def test_what_cannot_be_billed_is_given_up_with_a_reason_and_blocks_nobody(stripe):
    stranger = make_merchant("m_a_stranger")
    late, good = billed("m_b_late"), billed("m_c_good")
    mails(stranger, 130)
    mails(late, 2, days_ago=36)
    mails(good, 3)
    assert run().outcome == "reported 3"
    assert states(stranger) == {"skipped": 130, "none": 1}
    assert states(late) == {"failed": 2, "none": 1}
    assert metering.late() == 0


@pytest.mark.parametrize("kind", ["conflict", "unavailable", "rate_limit", "reset"])
def test_what_stripe_does_not_take_now_is_told_later_under_the_same_name(stripe, kind):
    shop = billed()
    mails(shop, 2)
    stripe.breaks(kind, "/v1/billing/meter_events", times=2)
    run()
    assert states(shop) == {"pending": 2, "none": 1}
    run()
    assert states(shop) == {"reported": 2, "none": 1}
    assert len({call.form["identifier"] for call in told(stripe)}) == 2


def test_one_log_that_stripe_chokes_on_holds_nobody_up(stripe):
    first, second = billed("m_a"), billed("m_b")
    mails(first, 1)
    mails(second, 30)
    stripe.breaks("broken", "/v1/billing/meter_events")
    run()
    assert states(second)["reported"] == 30
    run()
    assert states(first)["pending"] == 1  # Stripe answers a known key as it did before


def test_while_stripe_is_away_it_is_left_alone(stripe):
    for number in range(5):
        mails(billed(f"m_{number}"), 20)
    stripe.breaks("unavailable", "/v1/billing/meter_events", times=None)
    assert "stopped" in run().outcome
    assert len(told(stripe)) <= 40


def test_a_repeat_that_stripe_knows_counts_as_told(stripe):
    shop = billed()
    mails(shop, 1)
    run()
    with transaction(shop) as session:
        session.execute(text("UPDATE usage_logs SET report_status = NULL, reported_at = NULL"))
    stripe.world.store.run("DELETE FROM answers")  # as after a day; identifiers stay
    run()
    assert states(shop) == {"reported": 1, "none": 1}
    assert len(told(stripe)) == 2


def test_without_a_key_nothing_is_asked_and_the_chain_waits(app):
    assert not app.config["STRIPE_SECRET_KEY"]
    mails(make_merchant(), 1)
    assert run().outcome == "stripe_not_configured"


def test_the_doctor_hears_of_mails_that_wait_for_more_than_a_day(stripe):
    shop = billed()
    mails(shop, 2, days_ago=2)
    mails(shop, 1)
    assert metering.late() == 2
    (check,) = [one for one in service.CHECKS if one.name == "recovery_usage"]
    assert "2 mails" in check.find("")[0].what
    run()
    assert check.find("") == []


def test_a_gateway_tells_whose_usage_it_is(stripe):
    shop = billed()
    with transaction(shop) as session:
        customer = tenancy.account_of(session, shop).stripe_customer_id
    StripeGateway.platform().meter_event(
        customer_id=customer,
        value=2,
        identifier="usage_log_1",
        at=utc_now(),
        name="dunning_email_sent",
    )
    (call,) = told(stripe)
    assert call.form["payload"]["value"] == "2"
