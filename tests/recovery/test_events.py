"""Events of one invoice in any order, twice: one state."""

from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import text

from mealquest.core.db import platform_transaction, transaction
from mealquest.recovery import webhooks
from mealquest.recovery.webhooks import Event
from mealquest.tenancy import service as tenancy
from tests.factories.wallet import make_wallet

pytestmark = pytest.mark.usefixtures("app")

ACCOUNT = "acct_1"
START = 1_780_000_000


@pytest.fixture
def merchant() -> str:
    merchant_id = make_wallet().merchant_id
    with transaction(merchant_id) as session:
        tenancy.set_account(session, merchant_id, stripe_connect_id=ACCOUNT)
    return merchant_id


def event(number: int, kind: str, *, account: str | None = ACCOUNT, **about: Any) -> Event:
    invoice = {
        "id": "in_1",
        "customer": "cus_1",
        "parent": {"subscription_details": {"subscription": "sub_1"}},
        "billing_reason": "subscription_cycle",
        "currency": "usd",
        "amount_due": 1234,
        "attempt_count": 1,
    }
    return Event.of(
        {
            "id": f"evt_{number}",
            "type": kind,
            "account": account,
            "livemode": False,
            "created": START + number * 3600,
            "data": {"object": {**invoice, **about}},
        }
    )


STORIES = {
    "paid": [
        event(1, "invoice.payment_failed"),
        event(2, "invoice.payment_action_required"),
        event(3, "invoice.payment_failed", attempt_count=2),
        event(4, "invoice.paid", amount_paid=1234, attempt_count=3),
        event(5, "customer.subscription.deleted", id="sub_1"),
    ],
    "open": [
        event(1, "invoice.payment_failed"),
        event(2, "invoice.payment_failed", attempt_count=2, amount_due=1000),
        event(3, "invoice.payment_action_required", attempt_count=2, amount_due=1000),
    ],
    "void": [
        event(1, "invoice.payment_failed"),
        event(2, "invoice.payment_failed", attempt_count=2),
        event(3, "invoice.voided"),
        event(4, "customer.subscription.deleted", id="sub_1"),
    ],
}


def state(merchant_id: str) -> dict[str, Any]:
    asked = {
        "case": "SELECT status, closed_why, closed_at, amount_due, attempt_count, needs_action,"
        " first_failed_at, last_failed_at FROM recovery_cases WHERE merchant_id = :m",
        "money": "SELECT amount_minor, currency, brought_by, recovered_at FROM recoveries"
        " WHERE merchant_id = :m",
        "daily": "SELECT metric_date, currency, amount_minor, count FROM daily_recoveries"
        " WHERE merchant_id = :m",
        "days": "SELECT sum(recovered_cents), sum(failures), sum(recoveries), sum(losses)"
        " FROM daily_metrics WHERE merchant_id = :m",
        "live": "SELECT task_type, payload ->> 'attemptCount' FROM scheduled_tasks"
        " WHERE merchant_id = :m AND status = 'pending' ORDER BY 1",
    }
    with transaction(merchant_id) as session:
        return {
            name: [tuple(row) for row in session.execute(text(query), {"m": merchant_id})]
            for name, query in asked.items()
        }


def forget() -> None:
    with platform_transaction("the next order begins with nothing") as session:
        for table in (
            "recovery_cases recovery_entries recoveries daily_recoveries daily_metrics"
            " scheduled_tasks usage_logs processed_events outbox_events"
        ).split():
            session.execute(text(f"DELETE FROM {table}"))


@pytest.mark.parametrize("story", STORIES)
def test_every_order_of_events_each_sent_twice_ends_in_one_state(merchant: str, story: str) -> None:
    told = STORIES[story]
    expected = None
    for order in permutations(told):
        for one in order:
            assert webhooks.take_in(one).action != "error"
            assert webhooks.take_in(one).reason == "already processed"
        found = state(merchant)
        expected = expected or found
        assert found == expected, [one.id for one in order]
        forget()
