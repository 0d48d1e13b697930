"""One effect per key, as apps and forms see it. Many at once: test_live.py."""

import psycopg
import pytest
from sqlalchemy import func, select

from mealquest.core import entering
from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.payments.models import Payment
from mealquest.wallet import service as wallet
from tests.factories.http import assert_problem, bearer, customer_token

VERIFY, TOP_UP = "/api/payment/verify", "/api/wallet/top-ups"


@pytest.fixture
def order(shop) -> dict:
    return {"userId": shop.customer, "orderAmount": 20}


@pytest.fixture
def payments(shop):
    """How many payments the shop has taken since the test began."""

    def count() -> int:
        with transaction(shop.merchant_id) as session:
            mine = Payment.merchant_id == shop.merchant_id
            return session.scalar(select(func.count()).select_from(Payment).where(mine)) or 0

    before = count()
    return lambda: count() - before


@pytest.mark.parametrize("key", [None, "", "   ", "x" * 256, "a\x01b", "\xa0"])
def test_a_request_without_a_usable_key_is_refused(
    client, shop, owner, order, payments, key
) -> None:
    headers = owner | ({} if key is None else {"Idempotency-Key": key})

    problem = assert_problem(client.post(VERIFY, json=order, headers=headers), 400)

    assert "Idempotency-Key" in problem["error"]
    if not (key or "").strip():
        assert problem["error"] == "Idempotency-Key is required"
        assert problem["code"] == "IDEMPOTENCY_KEY_REQUIRED"
    assert payments() == 0


@pytest.mark.parametrize("key", [7, None, ["k"], {"k": 1}, True, "", "a\x00b"])
def test_a_key_in_the_body_must_be_text(client, shop, owner, order, payments, key) -> None:
    answer = client.post(VERIFY, json=order | {"idempotencyKey": key}, headers=owner)

    assert "Idempotency-Key" in assert_problem(answer, 400)["error"]
    assert payments() == 0


def test_a_repeat_is_answered_byte_for_byte(client, shop, owner, order, payments) -> None:
    keyed = owner | {"Idempotency-Key": "order-1"}

    first = client.post(VERIFY, json=order, headers=keyed)
    second = client.post(VERIFY, json=order, headers=keyed)

    assert first.status_code == second.status_code == 200
    assert first.data == second.data
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert payments() == 1


def test_header_and_body_name_the_same_key_and_the_header_wins(
    client, shop, owner, order, payments
) -> None:
    first = client.post(VERIFY, json=order | {"idempotencyKey": "order-1"}, headers=owner)
    by_header = client.post(VERIFY, json=order, headers=owner | {"Idempotency-Key": "order-1"})
    both = client.post(
        VERIFY,
        json=order | {"idempotencyKey": "order-2"},
        headers=owner | {"Idempotency-Key": " order-1 "},
    )

    assert first.data == by_header.data == both.data
    assert payments() == 1


def test_the_same_amount_written_otherwise_is_the_same_request(
    client, shop, owner, order, payments
) -> None:
    keyed = owner | {"Idempotency-Key": "order-1"}
    bodies = [order, order | {"orderAmount": "20.00"}, order | {"orderAmount": 20.0, "x": 1}]

    answers = {client.post(VERIFY, json=body, headers=keyed).data for body in bodies}

    assert len(answers) == 1
    assert payments() == 1


@pytest.mark.parametrize(
    "change", [{"orderAmount": 21}, {"userId": "u_same"}, {"voucherId": "NONE"}]
)
def test_another_body_under_the_same_key_is_refused(
    client, shop, owner, order, payments, change
) -> None:
    keyed = owner | {"Idempotency-Key": "order-1"}
    client.post(VERIFY, json=order, headers=keyed)

    answer = client.post(VERIFY, json=order | change, headers=keyed)

    assert_problem(answer, 409, code="IDEMPOTENCY_KEY_REUSED")
    assert payments() == 1


def test_a_key_belongs_to_who_used_it_where(client, shop, stranger, owner, payments) -> None:
    """Another person, another route, another shop: each has keys of their own."""
    order = {"userId": "u_same", "orderAmount": 20}
    paid_in = {"userId": "u_same", "amount": 20, "method": "CASH"}
    key = {"Idempotency-Key": "1"}
    clerk = bearer(shop.tokens[Role.CLERK])
    elsewhere = bearer(stranger.tokens[Role.OWNER])

    answers = [
        client.post(VERIFY, json=order, headers=owner | key),
        client.post(VERIFY, json=order, headers=clerk | key),
        client.post(VERIFY, json=order, headers=elsewhere | key),
        client.post(TOP_UP, json=paid_in, headers=owner | key),
    ]

    assert [answer.status_code for answer in answers] == [200] * 4
    assert not [answer for answer in answers if "Idempotent-Replayed" in answer.headers]
    assert payments() == 2


def test_another_customers_key_does_not_show_their_payment(client, shop, payments) -> None:
    key, body = {"Idempotency-Key": "1"}, {"orderAmount": 20}
    theirs = client.post(VERIFY, json=body, headers=bearer(shop.tokens[Role.CUSTOMER]) | key)
    mine = client.post(
        VERIFY, json=body, headers=bearer(customer_token(shop.merchant_id, "u_same")) | key
    )

    assert theirs.status_code == mine.status_code == 200, theirs.text
    assert theirs.get_json()["paymentTxnId"] != mine.get_json()["paymentTxnId"]
    assert payments() == 2


def test_a_refused_request_may_be_sent_again_with_its_key(
    client, shop, owner, order, payments
) -> None:
    keyed = owner | {"Idempotency-Key": "order-1"}
    too_much = order | {"userId": "u_nobody"}

    assert_problem(client.post(VERIFY, json=too_much, headers=keyed), 404, "user not found")
    assert_problem(client.post(VERIFY, json=too_much, headers=keyed), 404, "user not found")
    assert client.post(VERIFY, json=order, headers=keyed).status_code == 200
    assert payments() == 1


def test_page_and_api_share_their_keys(client, shop, owner, payments) -> None:
    """The clerk's form was sent, the answer was lost, and the app asks what became of it."""
    fields = {"userId": shop.customer, "amount": "20", "idempotencyKey": "order-1"}

    page = client.post("/console/payments", data=fields, headers=owner)
    api = client.post(
        VERIFY,
        json={"userId": shop.customer, "orderAmount": 20},
        headers=owner | {"Idempotency-Key": "order-1"},
    )

    assert page.status_code == 303
    assert page.headers["Location"].endswith(api.get_json()["paymentTxnId"])
    assert api.headers["Idempotent-Replayed"] == "true"
    assert payments() == 1


def test_a_request_that_is_still_running_is_told_apart(
    app, client, shop, owner, monkeypatch
) -> None:
    """Its row is held by a transaction that does not end in time."""
    monkeypatch.setattr(entering, "LOCK_TIMEOUT", "50ms")
    before = wallet.customer_detail(shop.merchant_id, shop.customer).wallet
    paid_in = {"userId": shop.customer, "amount": 20, "method": "CASH"}
    keyed = owner | {"Idempotency-Key": "stuck"}

    with psycopg.connect(app.config["MIGRATION_URL"]) as first:
        first.execute("SET ROLE mealquest_app")
        first.execute("SELECT set_config('app.merchant_ids', %s, true)", [shop.merchant_id])
        first.execute(
            "INSERT INTO idempotency_keys (merchant_id, actor, route, key, request_hash)"
            " VALUES (%s, 'staff:staff_owner', 'wallet.top_up', 'stuck', 'x')",
            [shop.merchant_id],
        )
        answer = client.post(TOP_UP, json=paid_in, headers=keyed)
        first.rollback()

    assert_problem(answer, 409, code="IDEMPOTENCY_IN_PROGRESS")
    assert wallet.customer_detail(shop.merchant_id, shop.customer).wallet == before
    assert client.post(TOP_UP, json=paid_in, headers=keyed).status_code == 200
