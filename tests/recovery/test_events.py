"""Events of one invoice in any order, twice: one state."""

from collections.abc import Iterator
from itertools import islice, permutations
from typing import Any

import pytest
from sqlalchemy import text

from mealquest.core.db import platform_transaction, transaction
from mealquest.recovery import webhooks
from mealquest.recovery.events import Event
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


def event(
    number: int, kind: str, *, account: str | None = ACCOUNT, at: int | None = None, **about: Any
) -> Event:
    """Event `number`, made so many hours (`at`, or its number) after the start."""
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
            "created": START + (number if at is None else at) * 3600,
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
    "given up, then paid": [  # told by two events of one second, with a failure in the second of
        event(1, "invoice.payment_failed", next_payment_attempt=START + 9000),
        event(2, "invoice.payment_failed", at=3, attempt_count=2, amount_due=900),
        event(3, "invoice.marked_uncollectible"),
        event(4, "invoice.payment_succeeded", at=30, amount_paid=1234, currency="eur"),
        event(5, "invoice.paid", at=30, amount_paid=1234, currency="eur"),
    ],
    "paid elsewhere": [
        event(1, "invoice.payment_failed"),
        event(2, "invoice.paid", at=50, amount_paid=1234, paid_out_of_band=True),
        event(3, "charge.failed", id="ch_1"),
        event(4, "invoice.voided", at=49),
    ],
    "twice the same": [  # two events of one attempt, in one second
        event(1, "invoice.payment_failed", amount_due=5),
        event(2, "invoice.payment_failed", at=1, amount_due=6),
        event(3, "invoice.payment_action_required", at=1, amount_due=7),
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
        "case": "SELECT status, closed_why, closed_at, currency, amount_due, attempt_count,"
        " needs_action, next_payment_attempt, first_failed_at, last_failed_at, last_event_id"
        " FROM recovery_cases WHERE merchant_id = :m",
        "money": "SELECT amount_minor, currency, brought_by, step, recovered_at, event_id"
        " FROM recoveries WHERE merchant_id = :m",
        "daily": "SELECT metric_date, currency, brought_by, amount_minor, count"
        " FROM daily_recoveries WHERE merchant_id = :m AND count > 0",
        "days": "SELECT metric_date, recovered_cents, failures, recoveries, losses"
        " FROM daily_metrics WHERE merchant_id = :m AND (recovered_cents, failures, recoveries,"
        " losses) <> (0, 0, 0, 0) ORDER BY 1",
        "live": "SELECT task_type, payload ->> 'attemptCount' FROM scheduled_tasks"
        " WHERE merchant_id = :m AND status = 'pending' ORDER BY 1",
        "labels": "SELECT sum(d.amount_minor) - (SELECT sum(amount_minor) FROM recoveries),"
        " sum(d.count) - (SELECT count(*) FROM recoveries) FROM daily_recoveries AS d",
    }
    with transaction(merchant_id) as session:
        return {
            name: [tuple(row) for row in session.execute(text(query), {"m": merchant_id})]
            for name, query in asked.items()
        }


def forget() -> None:
    of_cases = ["recovery_cases", "recovery_entries", "recoveries", "charge_attempts"]
    of_days = ["daily_recoveries", "daily_metrics"]
    of_events = ["scheduled_tasks", "usage_logs", "processed_events", "outbox_events"]
    tables = [*of_cases, *of_days, *of_events]
    with platform_transaction("the next order begins with nothing") as session:
        session.execute(text("; ".join(f"DELETE FROM {table}" for table in tables)))


WHOLE = "given up, then paid"  # in all its orders; of other long ones some of each beginning


def orders(story: str) -> Iterator[tuple[Event, ...]]:
    every = 5 if len(STORIES[story]) > 4 and story != WHOLE else 1
    return islice(permutations(STORIES[story]), 0, None, every)


@pytest.mark.parametrize("story", STORIES)
def test_every_order_of_events_each_sent_twice_ends_in_one_state(merchant: str, story: str) -> None:
    expected = None
    for order in orders(story):
        for one in order:
            assert webhooks.take_in(one).action != "error"
            assert webhooks.take_in(one).reason == "already processed"
        found = state(merchant)
        expected = expected or found
        assert found == expected, [one.id for one in order]
        forget()
