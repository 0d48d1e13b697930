"""Refunds over HTTP: who may, what is answered, and the two steps of the page."""

import pytest
from sqlalchemy import text

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.payments import service as payments
from mealquest.tenancy.domain import RefundPolicy
from tests.factories.customers import make_customer
from tests.factories.http import assert_problem, bearer, client_of
from tests.factories.merchants import make_merchant
from tests.factories.outside import ask, triple
from tests.factories.refunds import give_back
from tests.factories.requests import OWNER
from tests.factories.wallet import make_voucher, make_wallet, vouchers_of
from tests.web.shops import open_shop

REFUND = "/api/payment/refund"


@pytest.fixture
def shop(app):
    return open_shop("Alpha", 6)


@pytest.fixture
def client(app):
    return client_of(app)


def send(client, shop, role=Role.MANAGER, key="k1", **body):
    asked = {"merchantId": shop.merchant_id, "paymentTxnId": shop.payment, "refundAmount": 2}
    headers = bearer(shop.tokens[role]) | ({"Idempotency-Key": key} if key else {})
    return client.post(REFUND, json=asked | body, headers=headers)


def test_the_answer_and_its_replay(client, shop):
    first = send(client, shop)
    assert first.status_code == 200, first.text
    found = first.get_json()
    assert found["refundTxnId"].startswith("refund_")
    assert found["walletScope"]["walletShared"] is False
    assert (found["refundedAmount"], found["totalRefunded"]) == (2, 2)
    again = send(client, shop)
    assert again.data == first.data
    assert again.headers["Idempotent-Replayed"] == "true"
    assert_problem(send(client, shop, refundAmount=3), 409, code="IDEMPOTENCY_KEY_REUSED")
    view = client.get(f"/api/payments/{shop.payment}", headers=bearer(shop.tokens[Role.CUSTOMER]))
    refund = view.get_json()["refunds"][0]
    assert (refund["refundTxnId"], refund["refundedBy"]) == (found["refundTxnId"], None)


def test_refusals_in_the_words_of_the_contract(client, shop):
    for role in (Role.CLERK, Role.CUSTOMER):
        assert_problem(send(client, shop, role), 403, "permission denied")
    assert_problem(send(client, shop, key=None), 400, "Idempotency-Key is required")
    assert_problem(send(client, shop, paymentTxnId="txn_no"), 404, "payment not found")
    assert_problem(send(client, shop, userId="u_else"), 400, "payment user mismatch")
    too_much = "refundAmount exceeds available amount"
    assert_problem(send(client, shop, refundAmount=5.01), 400, too_much)
    for wrong in (0, -1, "abc", None, True):
        words = "refundAmount must be a positive number"
        assert_problem(send(client, shop, refundAmount=wrong), 400, words)
    assert send(client, shop).status_code == 200


def test_the_page_shows_what_goes_back_before_it_does(client, shop):
    manager = bearer(shop.tokens[Role.MANAGER])
    page = client.get(f"/console/payments/{shop.payment}", headers=manager)
    here = f"/console/payments/{shop.payment}/refund"
    assert f'href="{here}"' in page.text
    first = client.get(here, headers=manager)
    assert 'value="5.00"' in first.text
    query = {"refundAmount": "2", "idempotencyKey": "page-key"}
    second = client.get(here, query_string=query, headers=manager)
    assert "To the customer’s principal" in second.text
    wrong = client.get(here, query_string=query | {"refundAmount": "6"}, headers=manager)
    assert "That is more than is left of this payment." in wrong.text
    assert 'value="6"' in wrong.text
    refused = client.post(here, data=query | {"refundAmount": "9"}, headers=manager)
    assert refused.status_code == 400
    assert 'value="9"' in refused.text
    done = client.post(here, data=query, headers=manager)
    assert done.status_code == 303
    twice = client.post(here, data=query, headers=manager)
    assert twice.location.endswith("?repeated=refund")
    back = client.get(here, query_string=query, headers=manager)
    assert back.location == twice.location
    shown = client.get(twice.location, headers=manager)
    assert "Partly refunded" in shown.text
    assert "Nothing was given back twice." in shown.text
    assert payments.payment(shop.merchant_id, shop.payment, OWNER).refunded_amount == 2


def test_a_clerk_is_told_why_not(client, shop):
    page = client.get(f"/console/payments/{shop.payment}", headers=bearer(shop.tokens[Role.CLERK]))
    assert "Only a manager or the owner can give money back." in page.text
    assert f"{shop.payment}/refund" not in page.text


def test_the_desk_counts_refunds_as_their_own_figure(client, shop):
    owner = bearer(shop.tokens[Role.OWNER])
    send(client, shop)
    today = client.get("/api/desk", headers=owner).get_json()["desk"]["today"]
    assert (today["taken"], today["refunds"], today["refunded"], today["net"]) == (5, 1, 2, 3)
    days = {"fromDay": today["day"], "toDay": today["day"]}
    listed = client.get("/api/refunds", query_string=days, headers=owner).get_json()["items"]
    assert sum(row["refundedAmount"] for row in listed) == today["refunded"]
    before = {"toDay": "2020-01-01"}
    assert client.get("/api/refunds", query_string=before, headers=owner).get_json()["items"] == []


def test_a_customer_who_has_left_gets_the_money_back_too(app):
    merchant_id = make_merchant(refund_policy=RefundPolicy.RESTORE)
    row = make_wallet(merchant_id, make_customer(merchant_id), principal=1_000)
    voucher = make_voucher(merchant_id, row.customer_id, value=200)
    payment = ask(row, 7).payment_txn_id
    with transaction(merchant_id) as session:
        session.execute(text("UPDATE customers SET deleted_at = :now"), {"now": utc_now()})
    view = give_back(row, payment, 7)
    assert view.voucher is None
    assert triple(row) == (1_000, 0, 0)
    assert vouchers_of(merchant_id, row.customer_id) == {voucher: "USED"}
