"""The sandbox gateway: a customer's page whose buttons send real signed callbacks."""

import json
import re
import socket
import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.serving import make_server

from mealquest.payments import service as payments
from tests.factories.http import assert_problem, client_of, csrf_in
from tests.factories.outside import ask, expire, signed, triple
from tests.factories.requests import CLERK
from tests.factories.wallet import make_fixture_customer

REFUND = {"refundId": "rf_1", "paymentTxnId": "txn_1", "amount": 238, "merchantId": "m_1"}


@pytest.fixture
def row(app):
    return make_fixture_customer()


@pytest.fixture
def order(row) -> str:
    return ask(row, 500).payment_txn_id


@pytest.fixture
def client(app):
    return client_of(app)


@pytest.fixture
def served(app: Flask, monkeypatch) -> Iterator[Flask]:
    """The product on a port of its own, for callbacks that come by HTTP."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(app.config["SETTINGS"], "port", server.port)
    monkeypatch.setattr(app.config["SETTINGS"], "host", "127.0.0.1")
    yield app
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def production(app: Flask, monkeypatch) -> None:
    monkeypatch.setattr(app.config["SETTINGS"], "profile", "prod")


def page_of(row, order: str) -> str:
    return f"/dev/gateway/pay/{row.merchant_id}/{order}"


def press(client, url: str, decision: str):
    token = csrf_in(client.get(url))
    return client.post(url, data={"csrf_token": token, "decision": decision})


def state(row, order: str) -> str:
    return payments.payment(row.merchant_id, order, CLERK).status


def test_the_page_needs_no_sign_in_and_says_who_asks_for_what(row, order, client):
    page = client.get(page_of(row, order))
    assert page.status_code == 200
    words = re.sub(r"<[^>]+>|\s+", " ", page.text)
    for shown in ("Pay Fixture Merchant", "238.00", "Decline"):
        assert shown in words
    assert 'name="decision" value="pay"' in page.text


def test_paying_settles_the_payment_by_http(row, order, client, served):
    done = press(client, page_of(row, order), "pay")
    assert (done.status_code, done.headers["Location"]) == (303, page_of(row, order) + "?sent=yes")
    seen = payments.payment(row.merchant_id, order, CLERK)
    assert (seen.status, seen.external_payment.external_txn_id) == ("PAID", f"sandbox_{order}")
    assert triple(row) == (0, 0, 0)
    assert "Its payment now reads: Paid." in client.get(done.headers["Location"]).text
    assert press(client, page_of(row, order), "pay").status_code == 303  # says it once more
    assert payments.payment(row.merchant_id, order, CLERK) == seen


def test_declining_releases_the_hold_and_paying_late_takes_it_again(row, order, client, served):
    press(client, page_of(row, order), "decline")
    assert state(row, order) == "EXTERNAL_FAILED"
    assert "The shop does not wait for this any more." in client.get(page_of(row, order)).text
    press(client, page_of(row, order), "pay")
    assert state(row, order) == "PAID"


def test_money_that_cannot_be_used_goes_all_the_way_back(row, order, client, served):
    expire(row, order)
    assert ask(row, 52, "other").status == "PAID"
    press(client, page_of(row, order), "pay")
    assert state(row, order) == "EXTERNAL_REFUND_DUE"
    assert payments.send_due() == 1
    (refund,) = payments.payment(row.merchant_id, order, CLERK).gateway_refunds
    assert (refund.state, refund.amount) == ("DONE", 238)


def test_a_product_that_cannot_be_reached_is_told_to_the_person(
    row, order, client, app, monkeypatch
):
    with socket.socket() as nobody:  # bound, but nobody listens
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setattr(app.config["SETTINGS"], "port", nobody.getsockname()[1])
        answer = press(client, page_of(row, order), "pay")
    assert answer.status_code == 503
    assert state(row, order) == "PENDING_EXTERNAL"


def test_what_nobody_asked_for_is_not_there(row, order, client):
    stranger = make_fixture_customer()
    covered = ask(stranger, 52)
    for url in (
        page_of(row, "txn_none"),
        page_of(stranger, order),
        f"/dev/gateway/pay/m_nobody/{order}",
        page_of(stranger, covered.payment_txn_id),
    ):
        assert client.get(url).status_code == 404, url


@pytest.mark.parametrize("decision", ["", "steal"])
def test_other_decisions_are_refused(row, order, client, decision):
    assert press(client, page_of(row, order), decision).status_code == 400
    assert state(row, order) == "PENDING_EXTERNAL"


def test_a_form_of_another_site_decides_nothing(row, order, client):
    answer = client.post(page_of(row, order), data={"decision": "decline"})
    assert answer.status_code == 403
    assert state(row, order) == "PENDING_EXTERNAL"


def test_refunds_are_taken_once_an_id_and_only_signed(client):
    body = json.dumps(REFUND).encode()
    url = "/api/dev/gateway/refunds"
    first, again = (client.post(url, data=body, headers=signed(body)) for _ in range(2))
    assert first.get_json() == {"refundId": "rf_1", "status": "ACCEPTED"}
    assert again.data == first.data
    unsigned = client.post(url, data=body, headers={"Content-Type": "application/json"})
    assert_problem(unsigned, 401, "invalid callback signature")


def test_none_of_it_exists_in_production(row, order, client, production):
    body = json.dumps(REFUND).encode()
    assert client.get(page_of(row, order)).status_code == 404
    for headers in (signed(body), {"Content-Type": "application/json"}):
        answer = client.post("/api/dev/gateway/refunds", data=body, headers=headers)
        assert_problem(answer, 404, "Not Found")
    assert state(row, order) == "PENDING_EXTERNAL"


def test_a_real_gateways_page_is_linked_when_there_is_one(row, order, app, monkeypatch):
    address = "https://pay.example/{merchantId}/{paymentIntentId}?sum={amount}&in={currency}"
    monkeypatch.setattr(app.config["SETTINGS"], "payment_page_url", address)
    seen = payments.payment(row.merchant_id, order, CLERK)
    intent = seen.external_payment.payment_intent_id
    assert seen.pay_url == f"https://pay.example/{row.merchant_id}/{intent}?sum=238.00&in=CNY"


def test_in_production_without_one_there_is_no_link(row, order, production):
    seen = payments.payment(row.merchant_id, order, CLERK)
    assert (seen.pay_url, list(seen.next_actions)) == (None, ["CANCEL"])
