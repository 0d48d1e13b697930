"""Events that Stripe never delivered: found by asking, and repaired without a second effect."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.serving import make_server

from mealquest.core.db import platform_transaction, transaction
from mealquest.engines.stripe_sandbox.webhooks import Weather
from mealquest.recovery import reconcile, running, tasks
from mealquest.recovery.domain import PLATFORM, TaskType, chain_key
from mealquest.recovery.events import Event
from mealquest.recovery.routing import TYPES
from mealquest.recovery.running import Done, Task
from mealquest.recovery.webhooks import take_in
from mealquest.tenancy import service as tenancy
from tests.fakes.stripe import StripeFake
from tests.recovery.test_webhooks import connected, figures, rows, until

DAY_S = 86_400


@pytest.fixture
def stripe(app: Flask) -> Iterator[StripeFake]:
    before = dict(app.config)
    with StripeFake() as fake:
        fake.configure(app.config)
        yield fake
    app.config.update(before)


@pytest.fixture
def account(stripe: StripeFake) -> str:
    return stripe.connect()


@pytest.fixture
def merchant(account: str) -> str:
    return connected(account)


def claimed(merchant_id: str) -> Task:
    """The chain's live link, as a worker holds it."""
    with transaction(merchant_id) as session:
        tasks.end_all(session, merchant_id, frozenset({TaskType.RECONCILE}), "replaced")
        tasks.enqueue(
            session, merchant_id, TaskType.RECONCILE, {}, dedupe_key=chain_key(TaskType.RECONCILE)
        )
    found, _ = tasks.claim("tests", most=50, lease_s=60.0)
    return next(one for one in found if one.type == TaskType.RECONCILE)


def run(merchant_id: str) -> str:
    task = claimed(merchant_id)
    outcome = reconcile.reconcile(task)
    assert isinstance(outcome, Done)
    assert running.settle(task, outcome)
    return outcome.outcome


def links(merchant_id: str) -> int:
    ((found,),) = rows(
        "SELECT count(*) FROM scheduled_tasks WHERE merchant_id = :m AND task_type = 'reconcile'"
        " AND status IN ('pending', 'running')",
        m=merchant_id,
    )
    return found


def told(stripe: StripeFake, account: str) -> list[dict[str, Any]]:
    """As webhooks bring them, the oldest first."""
    bodies = [stripe.signed(event)[0] for event in reversed(stripe.events(account))]
    return [json.loads(body) | {"account": account} for body in bodies]


def test_what_was_never_delivered_is_made_up_for_once(stripe, account, merchant) -> None:
    lost, paid = stripe.fails(account), stripe.fails(account)
    stripe.is_paid(account, paid["id"])
    heard = told(stripe, account)
    take_in(Event.of(heard[0]))

    assert run(merchant) == "read"
    assert run(merchant) == "read"

    assert figures(merchant) == (paid["amount_due"], 2, 1, 0)
    assert rows("SELECT invoice_id FROM recovery_cases WHERE status = 'open'") == [(lost["id"],)]
    assert rows(
        "SELECT invoice_id FROM scheduled_tasks WHERE task_type = 'dunning_retry'"
        " AND status = 'pending'"
    ) == [(lost["id"],)]
    known = [one for one in heard if one["type"] in TYPES]
    assert {take_in(Event.of(one)).reason for one in known} == {"already processed"}
    assert figures(merchant) == (paid["amount_due"], 2, 1, 0)
    assert links(merchant) == 1
    assert all(asked.account == account for asked in stripe.asked)


@contextmanager
def listening(app: Flask) -> Iterator[str]:
    """The application on a real port."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/stripe/webhook"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_deliveries_newest_first_and_twice_and_the_lost_ones_found(
    app, stripe, account, merchant
) -> None:
    stripe.postman.weather = Weather(hold=True, copies=2)
    bills = [stripe.fails(account) for _ in range(3)]
    with listening(app) as url:
        stripe.delivers_to(url)
        for bill in bills[:2]:
            stripe.retries(account, bill["id"])
            stripe.is_paid(account, bill["id"])
        stripe.closes(account, bills[2]["id"], "void")
        until(lambda: stripe.postman.deliver_due() == 0 and held(stripe) >= 10)
        assert stripe.postman.release() >= 10
        heard = figures(merchant)
        run(merchant)
    assert heard[0] in {0, sum(bill["amount_due"] for bill in bills[:2])}
    assert figures(merchant) == (2 * bills[0]["amount_due"], 3, 2, 1)
    assert rows(
        "SELECT count(*) FROM scheduled_tasks WHERE status = 'pending'"
        " AND task_type = 'dunning_retry'"
    ) == [(0,)]


def held(stripe: StripeFake) -> int:
    found = stripe.world.store.run("SELECT count(*) FROM deliveries WHERE state = 'held'")
    return int(found[0][0])


def test_failures_that_no_event_tells_of_any_more(stripe, account, merchant) -> None:
    bill = stripe.fails(account)
    heard = told(stripe, account)
    forget_events(stripe)
    run(merchant)
    assert figures(merchant)[1] == 1
    assert rows(
        "SELECT payload ->> 'attemptCount' FROM scheduled_tasks WHERE status = 'pending'"
        " AND task_type = 'dunning_retry'"
    ) == [("1",)]

    for one in heard:  # and then they come after all
        take_in(Event.of(one))
    assert figures(merchant) == (0, 1, 0, 0)
    assert rows("SELECT count(*) FROM scheduled_tasks WHERE task_type = 'dunning_retry'") == [(1,)]

    stripe.retries(account, bill["id"])
    forget_events(stripe)
    run(merchant)
    assert rows("SELECT attempt_count, scheduled_attempt FROM recovery_cases") == [(2, 2)]


@pytest.mark.parametrize(
    ("end", "status", "why"),
    [("paid", "recovered", "paid"), ("void", "lost", "voided")],
)
def test_open_cases_whose_end_nobody_told(stripe, account, merchant, end, status, why) -> None:
    bill = stripe.fails(account)
    run(merchant)
    if end == "paid":
        stripe.is_paid(account, bill["id"])
    else:
        stripe.closes(account, bill["id"], end)
    forget_events(stripe)
    run(merchant)
    assert rows("SELECT status FROM recovery_cases") == [("open",)]  # asked for once a day

    change(
        "UPDATE recovery_cases SET checked_at = now() - interval '2 days',"
        " last_failed_at = now() - interval '3 days'"
    )
    run(merchant)
    assert rows("SELECT status, closed_why FROM recovery_cases") == [(status, why)]
    assert figures(merchant)[0] == (bill["amount_due"] if end == "paid" else 0)


def test_money_that_came_past_stripe_is_taken_back(stripe, account, merchant) -> None:
    bill = stripe.fails(account)
    run(merchant)
    change_invoice(stripe, account, bill["id"])
    of_it = [one for one in told(stripe, account) if one["data"]["object"]["id"] == bill["id"]]
    (paid,) = [one for one in of_it if one["type"] == "invoice.paid"]
    paid["data"]["object"]["amount_paid_off_stripe"] = None  # as real events are
    take_in(Event.of(paid))
    assert figures(merchant)[0] == bill["amount_due"]

    run(merchant)
    assert figures(merchant) == (0, 1, 0, 0)
    assert rows("SELECT brought_by, amount_minor, is_checked FROM recoveries") == [
        ("out_of_band", 0, True)
    ]
    assert rows("SELECT brought_by, amount_minor FROM daily_recoveries WHERE count > 0") == [
        ("out_of_band", 0)
    ]


def change_invoice(stripe: StripeFake, account: str, invoice_id: str) -> None:
    from mealquest.engines.stripe_sandbox import billing

    with stripe.world.store.change():
        bill = stripe.world.take(account, "invoice", invoice_id)
        billing.pay(stripe.world, account, bill, {"paid_out_of_band": "true"})


def test_the_platform_s_plan_events_are_looked_for_too(stripe, account, merchant) -> None:
    assert run(PLATFORM) == "read"
    (asked,) = stripe.asked
    assert (asked.path, asked.account) == ("/v1/events", "")
    assert links(PLATFORM) == 1


@pytest.mark.parametrize(
    "kind", ["drop", "reset", "rate_limit", "broken", "unavailable", "conflict"]
)
def test_while_stripe_is_away_the_chain_goes_on(stripe, account, merchant, kind) -> None:
    bill = stripe.fails(account)
    stripe.breaks(kind, "/v1/events")
    assert run(merchant) == "put_off"
    assert links(merchant) == 1
    ((error, read),) = rows("SELECT last_error, read_until < now() FROM recovery_syncs")
    assert error
    assert read
    assert run(merchant) == "read"
    assert rows("SELECT invoice_id FROM recovery_cases") == [(bill["id"],)]


def test_an_account_that_let_us_go_is_disconnected(stripe, account, merchant) -> None:
    stripe.withdraw(account)
    task = claimed(merchant)
    outcome = reconcile.reconcile(task)
    assert (outcome.outcome, outcome.next) == ("deauthorized", None)
    assert running.settle(task, outcome) is True
    assert tenancy.merchant_of_account(account) is None


def test_a_link_that_was_lost_takes_nothing_in(stripe, account, merchant) -> None:
    stripe.fails(account)
    task = claimed(merchant)
    change("UPDATE scheduled_tasks SET lease_until = now() - interval '1 second'")
    outcome = reconcile.reconcile(task)
    assert rows("SELECT event_id FROM processed_events") == []
    assert links(merchant) == 1
    assert isinstance(outcome, Done)


def forget_events(stripe: StripeFake) -> None:
    with stripe.world.store.change():
        stripe.world.store.run("DELETE FROM objects WHERE kind = 'event'")


def change(statement: str) -> None:
    with platform_transaction("tests set the scene") as session:
        session.execute(text(statement))


def test_why_a_payment_failed_is_asked_for_soon_after_it_failed(stripe, account, merchant) -> None:
    stripe.fails(account, "expired_card")
    run(merchant)
    found = rows("SELECT decline_code, decline_class FROM recovery_cases")
    assert found == [("expired_card", "hard")]
