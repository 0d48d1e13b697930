"""Events over HTTP: what is proved, what is answered, and what is left when something breaks."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event as sql_event
from sqlalchemy import text

from mealquest.core.clock import utc_now
from mealquest.core.db import db, platform_transaction, transaction
from mealquest.recovery import connect, webhooks
from mealquest.recovery.events import Event
from mealquest.recovery.webhooks import take_in
from mealquest.tenancy import service as tenancy
from tests.factories.http import Client, assert_problem, client_of
from tests.factories.merchants import make_merchant
from tests.factories.threads import run_together
from tests.fakes.stripe import SECRET, sign

URL, PLAIN = "/api/stripe/webhook", "/api/webhooks/stripe"
START = 1_780_000_000


@pytest.fixture
def client(app: Flask) -> Iterator[Client]:
    before = app.config["STRIPE_WEBHOOK_SECRETS"]
    app.config["STRIPE_WEBHOOK_SECRETS"] = ("whsec_old", SECRET)
    yield client_of(app)
    app.config["STRIPE_WEBHOOK_SECRETS"] = before


@pytest.fixture
def merchant() -> str:
    return connected("acct_1")


def connected(account: str, **more: Any) -> str:
    merchant_id = make_merchant()
    with transaction(merchant_id) as session:
        tenancy.set_account(session, merchant_id, stripe_connect_id=account, **more)
    return merchant_id


def said(number: int, kind: str, *, account: str | None = "acct_1", **about: Any) -> dict[str, Any]:
    invoice = {
        "id": "in_1",
        "customer": {"id": "cus_1", "email": "somebody@example.com"},
        "customer_email": "somebody@example.com",
        "customer_name": "Some Body",
        "subscription": "sub_1",
        "billing_reason": "subscription_cycle",
        "currency": "EUR",
        "amount_due": 2000,
        "amount_remaining": 1500,
        "attempt_count": 1,
        "hosted_invoice_url": "https://invoice.stripe.com/i/1",
    }
    return {
        "id": f"evt_{number}",
        "type": kind,
        "account": account,
        "livemode": False,
        "created": START + number,
        "data": {"object": invoice | about},
    }


def send(client: Client, event: Any, url: str = URL, **signing: Any) -> Any:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return client.post(url, data=body, headers={"Stripe-Signature": sign(body, SECRET, **signing)})


def rows(query: str, **values: Any) -> list[tuple[Any, ...]]:
    with platform_transaction("tests look at every merchant") as session:
        return [tuple(row) for row in session.execute(text(query), values)]


def figures(merchant_id: str) -> tuple[Any, ...]:
    (found,) = rows(
        "SELECT coalesce(sum(recovered_cents), 0), coalesce(sum(failures), 0),"
        " coalesce(sum(recoveries), 0), coalesce(sum(losses), 0)"
        " FROM daily_metrics WHERE merchant_id = :m",
        m=merchant_id,
    )
    return tuple(map(int, found))


# --- proof --------------------------------------------------------------------------------


def test_what_is_not_proved_is_refused_in_the_contract_s_order(client, app, merchant) -> None:
    event = said(1, "invoice.payment_failed")
    body = json.dumps(event).encode()
    assert_problem(client.post(URL, data=body), 400, code="WEBHOOK_NOT_SIGNED")
    for header in ("t=1", "v1=aa", "t=x,v1=é", sign(body, "whsec_other"), sign(body, SECRET, 1)):
        answer = client.post(URL, data=body, headers={"Stripe-Signature": header})
        assert_problem(answer, 400, code="WEBHOOK_FORGED")
    late = send(client, event, at=int(utc_now().timestamp()) - 301)
    assert_problem(late, 400, code="WEBHOOK_FORGED")
    other = client.post(URL, data=body + b" ", headers={"Stripe-Signature": sign(body, SECRET)})
    assert_problem(other, 400, code="WEBHOOK_FORGED")

    app.config["STRIPE_WEBHOOK_SECRETS"] = ()
    assert_problem(send(client, event), 500, code="WEBHOOK_SECRET_MISSING")
    assert_problem(client.post(URL, data=body), 400, code="WEBHOOK_NOT_SIGNED")
    plainly = send(client, event, PLAIN)
    assert (plainly.status_code, plainly.mimetype) == (400, "text/plain")
    assert rows("SELECT event_id FROM processed_events") == []


def test_either_of_two_secrets_and_any_of_several_signatures_proves(client, merchant) -> None:
    for number, secret in ((1, "whsec_old"), (2, SECRET)):
        body = json.dumps(said(number, "charge.failed")).encode()
        header = sign(body, "whsec_gone") + ",v0=aa," + sign(body, secret).partition(",")[2]
        assert client.post(URL, data=body, headers={"Stripe-Signature": header}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"id": 1, "type": "x", "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "invoice.paid", "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "x", "data": {}}',
        b'{"id": "evt_\\u0000", "type": "x", "data": {"object": {}}}',
        json.dumps(said(1, "invoice.payment_failed", amount_due="12")).encode(),
        json.dumps(said(1, "invoice.payment_failed", amount_due=10**30)).encode(),
        json.dumps(said(1, "invoice.payment_failed", payments={"data": [1]})).encode(),
        json.dumps(said(1, "invoice.payment_failed") | {"created": 2**52}).encode(),
        b"[" * 100_000,
    ],
)
def test_a_genuine_body_that_is_no_event_is_refused_once(client, merchant, body) -> None:
    assert_problem(send(client, body), 400, code="WEBHOOK_UNREADABLE")
    assert send(client, body, PLAIN).status_code == 400
    assert rows("SELECT event_id FROM processed_events") == []


def test_big_invoices_pass_and_bigger_ones_do_not(client, merchant) -> None:
    event = said(1, "invoice.payment_failed")
    big = event | {"padding": "x" * 1_900_000}
    assert send(client, big).get_json()["result"]["action"] == "enqueued"
    assert send(client, event | {"padding": "x" * 2_200_000}).status_code == 413


def test_only_wrong_signatures_are_counted_against_an_address(client, app, merchant) -> None:
    app.extensions["throttles"].enabled = True
    try:
        body = b"{}"
        wrong = [
            client.post(URL, data=body, headers={"Stripe-Signature": "t=1,v1=aa"}).status_code
            for _ in range(61)
        ]
        right = [send(client, said(n, "charge.failed")).status_code for n in range(70)]
    finally:
        app.extensions["throttles"].enabled = False
    assert (wrong[:60], wrong[60]) == ([400] * 60, 429)
    assert set(right) == {200}


# --- answers ------------------------------------------------------------------------------


def test_answers_of_both_paths(client, merchant) -> None:
    first = send(client, said(1, "invoice.payment_failed")).get_json()
    ((task_id, payload),) = rows("SELECT id, payload FROM scheduled_tasks")

    assert first["received"] is True
    assert first["result"]["processed"] is True
    assert (first["result"]["action"], first["result"]["taskId"]) == ("enqueued", task_id)
    assert payload == {
        "eventId": "evt_1",
        "invoiceId": "in_1",
        "customerId": "cus_1",
        "subscriptionId": "sub_1",
        "amountDue": 2000,
        "currency": "eur",
        "attemptCount": 1,
        "billingReason": "subscription_cycle",
        "hostedInvoiceUrl": "https://invoice.stripe.com/i/1",
    }
    again = send(client, said(1, "invoice.payment_failed"), PLAIN)
    assert again.mimetype == "application/json"
    assert again.get_json() == {
        "processed": False,
        "action": "ignored",
        "reason": "already processed",
    }


@pytest.mark.parametrize("reason", ["subscription_create", "subscription_update", "manual", None])
def test_other_failures_are_the_merchant_s_own(client, merchant, reason) -> None:
    told = said(1, "invoice.payment_failed", billing_reason=reason)
    assert send(client, told).get_json()["result"]["action"] == "ignored"
    assert rows("SELECT id FROM scheduled_tasks") == []
    assert rows("SELECT invoice_id FROM recovery_cases") == []


def test_routes_that_only_note_or_name_nobody(client, merchant) -> None:
    nobody = send(client, said(1, "invoice.payment_failed", account=None)).get_json()["result"]
    assert (nobody["processed"], nobody["action"]) == (False, "error")
    card = {"card": {"fingerprint": "fp_1", "network": "visa"}}
    told = said(2, "charge.failed", id="ch_1", payment_method_details=card)
    assert send(client, told).get_json()["result"]["action"] == "ignored"
    assert rows("SELECT id, card, network FROM charge_attempts") == [("ch_1", "fp_1", "visa")]
    live = said(3, "invoice.payment_failed") | {"livemode": True}
    assert send(client, live).get_json()["result"]["action"] == "ignored"
    assert rows("SELECT invoice_id FROM recovery_cases") == []


def test_a_first_payment_that_needs_its_payer_is_asked_for_but_is_no_recovery(
    client, merchant
) -> None:
    about = {"billing_reason": "subscription_create"}
    asked = send(client, said(1, "invoice.payment_action_required", **about)).get_json()
    assert asked["result"]["action"] == "enqueued"
    send(client, said(2, "invoice.paid", amount_paid=2000, **about))
    assert figures(merchant) == (0, 0, 0, 0)
    assert rows("SELECT status, outcome FROM scheduled_tasks") == [("completed", "invoice_paid")]


def test_what_is_left_is_due_and_nobody_is_named_anywhere(client, merchant) -> None:
    send(client, said(1, "invoice.payment_failed"))
    send(client, said(2, "invoice.payment_failed", account="acct_later"))
    assert rows("SELECT amount_due, currency FROM recovery_cases") == [(1500, "eur")]
    for table in ("processed_events", "scheduled_tasks", "recovery_entries", "outbox_events"):
        for (row,) in rows(f"SELECT to_jsonb(t)::text FROM {table} AS t"):
            assert "somebody@" not in row, table
            assert "Some Body" not in row, table


# --- accounts -----------------------------------------------------------------------------


def test_two_merchants_with_the_same_ids_stay_apart(client, merchant) -> None:
    other = connected("acct_2")
    send(client, said(1, "invoice.payment_failed"))
    send(client, said(2, "invoice.payment_failed", account="acct_2"))
    send(client, said(3, "invoice.paid", account="acct_2", amount_paid=1500))
    assert figures(merchant) == (0, 1, 0, 0)
    assert figures(other) == (1500, 1, 1, 0)
    assert rows("SELECT merchant_id FROM scheduled_tasks WHERE status = 'pending'") == [(merchant,)]


def test_events_before_the_connection_wait_for_it(client) -> None:
    told = send(client, said(2, "invoice.payment_failed")).get_json()["result"]
    assert (told["processed"], told["action"]) == (False, "error")
    send(client, said(3, "invoice.paid", amount_paid=1500))
    late = connected("acct_1")
    assert webhooks.replay("acct_1", late) == 2
    assert webhooks.replay("acct_1", late) == 0
    assert figures(late) == (1500, 1, 1, 0)
    assert send(client, said(2, "invoice.payment_failed")).get_json()["result"]["reason"] == (
        "already processed"
    )


def test_what_says_no_time_happens_as_it_comes(client, merchant) -> None:
    for number, kind in ((1, "invoice.payment_failed"), (2, "invoice.paid")):
        event = said(number, kind, amount_paid=1500)
        del event["created"]
        assert send(client, event).get_json()["result"]["processed"]
    today = "SELECT recovered_cents FROM daily_metrics WHERE metric_date >= CURRENT_DATE - 1"
    assert rows(today) == [(1500,)]


def test_deauthorised_accounts_are_let_go_unless_they_came_back(client, merchant) -> None:
    send(client, said(1, "invoice.payment_failed"))
    gone = said(2, "account.application.deauthorized", id="ca_1")
    with transaction(merchant) as session:
        back = datetime.fromtimestamp(START, utc_now().tzinfo) + timedelta(days=1)
        tenancy.set_account(session, merchant, connected_at=back)
    assert send(client, gone).get_json()["result"]["action"] == "ignored"

    with transaction(merchant) as session:
        tenancy.set_account(session, merchant, connected_at=back - timedelta(days=2))
    gone["id"] = "evt_3"
    assert send(client, gone).get_json()["result"]["action"] == "processed"
    assert rows("SELECT status, outcome FROM scheduled_tasks WHERE invoice_id = 'in_1'") == [
        ("cancelled", "disconnected")
    ]
    assert rows("SELECT status, closed_why FROM recovery_cases") == [("lost", "disconnected")]
    assert figures(merchant) == (0, 1, 0, 0)

    with transaction(merchant) as session:  # and it came back after all
        tenancy.set_account(session, merchant, stripe_connect_id="acct_1")
    again = said(4, "invoice.payment_failed", attempt_count=2)
    again["created"] = int(utc_now().timestamp()) + 60
    assert send(client, again).get_json()["result"]["action"] == "enqueued"
    assert rows("SELECT status, closed_why FROM recovery_cases") == [("open", None)]
    assert figures(merchant) == (0, 1, 0, 0)


# --- plans --------------------------------------------------------------------------------


def plan(number: int, what: str, price: str, status: str = "active", **more: Any) -> dict[str, Any]:
    items = {"data": [{"price": {"id": price}}]}
    about = {"id": "sub_p", "customer": "cus_p", "status": status, "items": items}
    return said(number, f"customer.subscription.{what}", account=None, **about) | more


def test_plans_follow_the_platform_s_own_subscriptions_by_their_time(client, app) -> None:
    merchant_id = connected("acct_1", stripe_customer_id="cus_p")
    settings = app.config["SETTINGS"]
    known = {"stripe_price_id_growth": "price_g", "stripe_price_id_pro": "price_p"}
    app.config["SETTINGS"] = settings.model_copy(update=known)

    def now(event: dict[str, Any]) -> tuple[str, str | None]:
        action = send(client, event).get_json()["result"]["action"]
        (found,) = rows("SELECT subscription_plan_id FROM merchants WHERE id = :m", m=merchant_id)
        return action, found[0]

    try:
        assert now(plan(5, "created", "price_g")) == ("processed", "growth")
        assert now(plan(3, "updated", "price_p")) == ("ignored", "growth")
        assert now(plan(6, "updated", "price_new")) == ("error", "growth")
        assert now(plan(7, "updated", "price_p", "trialing")) == ("processed", "pro")
        born = plan(8, "created", "price_p", "incomplete", created=START + 7)
        assert now(born) == ("ignored", "pro")  # of the same second, but made before
        own = plan(9, "updated", "price_p", "canceled") | {"account": "acct_1"}
        assert now(own) == ("ignored", "pro")  # a merchant's own subscription
        stranger = plan(10, "updated", "price_p")
        stranger["data"]["object"]["customer"] = "cus_other"
        assert now(stranger) == ("error", "pro")
        assert now(plan(11, "deleted", "price_p", "canceled")) == ("processed", "free")
    finally:
        app.config["SETTINGS"] = settings


# --- breaks and crowds --------------------------------------------------------------------


@contextmanager
def breaking_at(number: int) -> Iterator[list[str]]:
    """The connection fails at the nth statement of the intake, as a crash would end it."""
    seen: list[str] = []

    def look(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)
        if len(seen) == number:
            raise RuntimeError("crash")

    sql_event.listen(db.engine, "before_cursor_execute", look)
    try:
        yield seen
    finally:
        sql_event.remove(db.engine, "before_cursor_execute", look)


def test_a_crash_at_any_statement_loses_nothing_and_doubles_nothing(client, merchant) -> None:
    send(client, said(1, "invoice.payment_failed"))
    before = everything()
    paid = said(2, "invoice.paid", amount_paid=1500)
    number, crashed = 0, 0
    while True:
        number += 1
        with breaking_at(number) as seen:
            answer = send(client, paid)
        if len(seen) < number:
            break
        crashed += 1
        assert answer.status_code == 500, seen[-1]
        assert everything() == before, seen[-1]
    assert crashed > 12
    assert answer.get_json()["result"]["action"] == "processed"
    assert figures(merchant) == (1500, 1, 1, 0)
    assert rows("SELECT status, outcome FROM scheduled_tasks") == [("completed", "invoice_paid")]


def everything() -> dict[str, Any]:
    of_events = ["processed_events", "outbox_events", "usage_logs", "scheduled_tasks"]
    of_cases = ["recovery_cases", "recovery_entries", "recoveries"]
    days = ["daily_recoveries", "daily_metrics"]
    tables = [*of_events, *of_cases, *days]
    return {one: sorted(rows(f"SELECT to_jsonb(t)::text FROM {one} AS t")) for one in tables}


def test_twins_and_their_neighbours_at_the_same_moment(app, client, merchant) -> None:
    def told(number: int) -> list[dict[str, Any]]:
        bill = {"id": f"in_{number}"}
        return [
            said(10 * number, "invoice.payment_failed", **bill),
            said(10 * number + 1, "invoice.paid", amount_paid=1500, **bill),
            said(10 * number + 1, "invoice.paid", amount_paid=1500, **bill),
            said(10 * number + 2, "invoice.payment_succeeded", amount_paid=1500, **bill),
            said(10 * number + 3, "customer.subscription.deleted", id="sub_1"),
        ]

    def deliver(event: dict[str, Any]) -> Any:
        answer = send(client_of(app), event)
        return answer.status_code, answer.get_json()["result"]["action"]

    rounds = 6
    for number in range(1, rounds + 1):
        calls = [lambda one=one: deliver(one) for one in told(number)]
        answers = run_together(app, calls)
        assert {status for status, _ in answers} == {200}
        assert figures(merchant) == (1500 * number, number, number, 0), answers
    assert rows("SELECT count(*) FROM recoveries") == [(rounds,)]
    assert rows("SELECT sum(amount_minor), sum(count) FROM daily_recoveries") == [
        (1500 * rounds, rounds)
    ]
    assert rows("SELECT id FROM scheduled_tasks WHERE status = 'pending'") == []


@pytest.mark.parametrize("second", ["invoice.paid", "customer.subscription.deleted"])
def test_an_end_that_comes_while_the_failure_is_not_committed_yet(app, merchant, second) -> None:
    failed = Event.of(said(1, "invoice.payment_failed"))
    about = {"id": "sub_1"} if "subscription" in second else {"amount_paid": 1500}
    end = Event.of(said(2, second, **about))
    ended = ThreadPoolExecutor(1)
    began: list[Any] = []

    def look(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "INSERT INTO scheduled_tasks" in statement and not began:
            began.append(ended.submit(lambda: run_together(app, [lambda: take_in(end)])))
            until(lambda: began[0].done() or somebody_waits())

    sql_event.listen(db.engine, "after_cursor_execute", look)
    try:
        take_in(failed)
    finally:
        sql_event.remove(db.engine, "after_cursor_execute", look)
    began[0].result(timeout=10)
    ended.shutdown()
    assert rows("SELECT count(*) FROM recovery_cases WHERE status = 'open'") == [(0,)]
    assert rows("SELECT count(*) FROM scheduled_tasks WHERE status = 'pending'") == [(0,)]


def until(happened: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 4
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def somebody_waits() -> bool:
    query = text("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
    with db.engine.connect() as aside:
        return bool(aside.scalar(query))


def test_disconnecting_by_hand_and_at_stripe_is_one_effect(app, client, merchant) -> None:
    with transaction(merchant) as session:
        assert connect.disconnected(session, merchant, "asked") is not None
    gone = send(client, said(9, "account.application.deauthorized", id="ca_1")).get_json()
    assert gone["result"]["action"] == "error"
    assert rows("SELECT count(*) FROM usage_logs") == [(1,)]
