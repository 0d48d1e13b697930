"""A shop with a database of its own lives as any other: money, agents, Stripe, jobs, the doctor."""

import json

import pytest
from sqlalchemy import text

from jobs import audit, campaigns, housekeeping, messages, outbox, payments, recovery, wallet
from jobs.schedule import duties, tick
from mealquest.core.db import databases, platform_transaction, transaction
from mealquest.core.places import at
from mealquest.core.principal import Principal, Role
from mealquest.ops import doctor
from mealquest.tenancy import service as tenancy
from tests.factories.http import bearer, client_of
from tests.fakes.stripe import SECRET, sign
from tests.places.conftest import HOT
from tests.strategy.chats import propose, say

ACCOUNT = "acct_hot"
FAILED = {
    "id": "evt_1",
    "type": "invoice.payment_failed",
    "account": ACCOUNT,
    "livemode": False,
    "created": 1_780_000_001,
    "data": {
        "object": {
            "id": "in_1",
            "customer": {"id": "cus_1", "email": "somebody@example.com"},
            "customer_email": "somebody@example.com",
            "subscription": "sub_1",
            "billing_reason": "subscription_cycle",
            "currency": "eur",
            "amount_due": 2000,
            "amount_remaining": 2000,
            "attempt_count": 1,
        }
    },
}


def rows(place: str, query: str) -> list[tuple]:
    with at(databases().named(place)), platform_transaction("a test looks") as session:
        return [tuple(row) for row in session.execute(text(query))]


def every_job() -> None:
    for job in (outbox.relay, messages.deliver, payments.settle, wallet.expire, audit.seal):
        job()
    campaigns.look()
    campaigns.birthdays()
    recovery.work()
    recovery.tend()
    housekeeping.purge()


def test_money_and_what_follows_it(hot, calm, places) -> None:
    client, owner = client_of(places), bearer(hot.tokens[Role.OWNER])
    order = {"merchantId": HOT, "userId": hot.customer, "orderAmount": 20}
    paid = client.post("/api/payment/verify", json=order | {"idempotencyKey": "k1"}, headers=owner)
    payment = paid.get_json()["paymentTxnId"]
    back = {"merchantId": HOT, "paymentTxnId": payment, "userId": hot.customer, "refundAmount": 5}
    refund = client.post("/api/payment/refund", json=back | {"idempotencyKey": "k2"}, headers=owner)
    assert refund.status_code in {200, 201}, refund.text
    issued = client.post(
        "/api/invoice/issue",
        json={"merchantId": HOT, "userId": hot.customer, "paymentTxnId": payment, "title": "Hot"},
        headers=owner,
    )
    assert issued.status_code in {200, 201}, issued.text
    every_job()
    assert rows("home", "SELECT DISTINCT merchant_id FROM live_events") == [("m_calm",)]
    assert rows(HOT, "SELECT count(*) FROM live_events WHERE type = 'PAYMENT_VERIFIED'") == [(2,)]
    assert rows(HOT, "SELECT count(*) FROM outbox_events WHERE delivered_at IS NULL") == [(0,)]
    assert rows(HOT, "SELECT count(*) FROM audit_chains WHERE last_seq > 0") == [(1,)]
    wrong = [r.check.name for r in doctor.examine() if not r.is_sound]
    assert set(wrong) <= {"recovery_chains", "recovery_vacuum"}, wrong


def test_the_strategist_answers_and_the_owner_approves(hot, places) -> None:
    by = Principal(Role.OWNER, "staff_owner", HOT)
    assert say(places, HOT, by, "It is hot outside", propose()).status == "PENDING_REVIEW"
    assert rows("home", "SELECT count(*) FROM strategy_turns") == [(0,)]


def test_an_event_of_stripe_finds_its_merchant_and_counts_once(hot, places) -> None:
    places.config["STRIPE_WEBHOOK_SECRETS"] = (SECRET,)
    with tenancy.claimed(HOT, stripe_connect_id=ACCOUNT), transaction(HOT) as session:
        tenancy.connect_account(session, HOT, ACCOUNT, "sk_secret", "rt_secret")
    client = client_of(places)
    body = json.dumps(FAILED).encode()
    said = [
        client.post(
            "/api/stripe/webhook", data=body, headers={"Stripe-Signature": sign(body, SECRET)}
        ).get_json()["result"]
        for _ in range(2)
    ]
    assert [one["processed"] for one in said] == [True, False], said
    assert rows(HOT, "SELECT count(*) FROM processed_events") == [(1,)]
    assert rows("home", "SELECT count(*) FROM processed_events") == [(0,)]
    assert rows(HOT, "SELECT DISTINCT merchant_id FROM scheduled_tasks") == [(HOT,)]
    recovery.work()
    assert rows(
        HOT, "SELECT count(*) FROM scheduled_tasks WHERE status = 'pending' AND is_due"
    ) == [(0,)]


def test_two_merchants_never_have_one_account(hot, calm, places) -> None:
    from sqlalchemy.exc import IntegrityError

    with transaction(calm.merchant_id) as session:
        tenancy.connect_account(session, calm.merchant_id, ACCOUNT, "sk", "rt")
    with pytest.raises(IntegrityError), tenancy.claimed(HOT, stripe_connect_id=ACCOUNT):
        pass
    assert tenancy.merchant_of_account(ACCOUNT) == calm.merchant_id


def test_operators_see_every_database_as_one(hot, calm, places) -> None:
    from tests.factories.recovery import make_task

    for number, merchant_id in enumerate((HOT, calm.merchant_id) * 3):
        make_task(merchant_id, invoice_id=f"in_{number}")
    client, operator = client_of(places), bearer("operator-key-of-the-tests")
    url, found = "/api/tasks?limit=2", []
    while url:
        page = client.get(url, headers=operator)
        found += [(item["createdAt"], item["merchantId"]) for item in page.get_json()]
        following = page.headers.get("X-Next-Cursor")
        url = f"/api/tasks?limit=2&cursor={following}" if following else ""
    assert len(found) == 6
    assert found == sorted(found, key=lambda one: one[0], reverse=True)
    listed = client.get("/api/merchants", headers=operator).get_json()
    assert {item["id"] for item in listed} == {HOT, calm.merchant_id}


def test_a_socket_hears_of_its_shop(hot, calm, places) -> None:
    from mealquest.realtime import service as realtime

    outbox.relay()
    news = realtime.news({HOT: 0, calm.merchant_id: 0}, 100)
    assert {event.merchant_id for event in news} == {HOT, calm.merchant_id}


def test_the_tick_rings_for_every_database(hot, places) -> None:
    bells = places.extensions["bells"]
    bells.connection.flushdb()
    bells._rung.clear()
    tick([duty for duty in duties() if duty.bell == "outbox"], bells)
    assert bells.queue.count == 1
