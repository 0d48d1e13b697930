"""The callback as it travels: its signature, its order of refusals, and what holds it back."""

import json

import pytest

from mealquest.core.db import transaction
from mealquest.identity import service as identity
from mealquest.payments import service as payments
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.domain import TenantPolicy
from tests.factories.http import (
    assert_problem,
    bearer,
    client_of,
    csrf_in,
    customer_token,
    signed_in,
    staff_token,
)
from tests.factories.outside import ask, held, post_callback, signed, triple
from tests.factories.requests import CLERK
from tests.factories.wallet import make_fixture_customer

URL = "/api/payment/callback"
ROLES = {"OWNER": "staff_owner", "MANAGER": "staff_manager", "CLERK": "staff_clerk"}
PHONE = "+8613900000123"


@pytest.fixture
def row(app):
    return make_fixture_customer()


@pytest.fixture
def client(app):
    return client_of(app)


@pytest.fixture
def order(row) -> str:
    return ask(row, 500).payment_txn_id


def said(row, payment_id: str, **more):
    return {
        "merchantId": row.merchant_id,
        "paymentTxnId": payment_id,
        "externalTxnId": "ext_1",
        "status": "SUCCESS",
        "paidAmount": 238,
        "callbackId": "cb_1",
    } | more


def state(row, payment_id: str) -> str:
    return payments.payment(row.merchant_id, payment_id, CLERK).status


def add_staff(row) -> None:
    with transaction(row.merchant_id) as session:
        for role, staff_id in ROLES.items():
            identity.add_staff(
                session,
                row.merchant_id,
                staff_id=staff_id,
                role=role,
                name=role.title(),
                phone=PHONE if role == "CLERK" else None,
            )


def test_a_signed_callback_settles_the_payment(row, order, client):
    answer = post_callback(client, said(row, order))
    assert answer.status_code == 200, answer.text
    body = answer.get_json()
    assert body["paymentTxnId"] == order
    assert body["status"] == "PAID"
    assert body["externalPayment"]["status"] == "CONFIRMED"
    assert body["externalPayment"]["externalTxnId"] == "ext_1"
    assert body["externalPayment"]["confirmedAt"].endswith("Z")
    assert body["wallet"] == {
        "principal": 0,
        "bonus": 0,
        "silver": 0,
        "held": {"principal": 0, "bonus": 0, "silver": 0},
    }
    assert body["walletScope"] == {"walletShared": False, "walletMerchantId": row.merchant_id}
    assert triple(row) == (0, 0, 0)


def test_a_repeat_gets_the_same_bytes(row, order, client):
    first, again = (post_callback(client, said(row, order)) for _ in range(2))
    assert (again.data, again.headers["Idempotent-Replayed"]) == (first.data, "true")
    other = post_callback(client, said(row, order, status="FAILED"))
    assert_problem(other, 409, code="IDEMPOTENCY_KEY_REUSED")


def test_the_signature_is_over_the_bytes_whatever_they_look_like(row, order, client):
    body = json.dumps(
        said(row, order, note="花园店 – caf\u00e9"), indent=3, ensure_ascii=False, sort_keys=True
    ).encode()
    assert client.post(URL, data=body, headers=signed(body)).status_code == 200


def changed(body: bytes) -> dict[str, str]:
    return signed(body.replace(b"238", b"239"))


def upper(body: bytes) -> dict[str, str]:
    headers = signed(body)
    return headers | {"X-Payment-Signature": headers["X-Payment-Signature"].upper()}


@pytest.mark.parametrize(
    "headers",
    [
        lambda body: {"Content-Type": "application/json"},
        lambda body: signed(body) | {"X-Payment-Signature": ""},
        lambda body: signed(body) | {"X-Payment-Signature": "sha256=abc"},
        lambda body: signed(body, "another secret"),
        lambda body: (
            signed(body) | {"X-Payment-Signature": signed(body)["X-Payment-Signature"][:-1]}
        ),
        lambda body: signed(body) | {"X-Payment-Signature": "\u00e9" * 64},
        lambda body: signed(b""),
        lambda body: signed(json.dumps(json.loads(body)).encode()),
        changed,
        upper,
    ],
)
def test_without_the_right_signature_nothing_happens(row, order, client, headers):
    body = json.dumps(said(row, order), separators=(",", ":")).encode()
    answer = client.post(URL, data=body, headers=headers(body))
    assert_problem(answer, 401, "invalid callback signature", "INVALID_SIGNATURE")
    assert state(row, order) == "PENDING_EXTERNAL"


def test_no_credential_stands_in_for_a_signature_or_in_its_way(row, order, client):
    add_staff(row)
    token = bearer(staff_token(row.merchant_id))
    body = json.dumps(said(row, order)).encode()
    refused = client.post(URL, data=body, headers=token | {"Content-Type": "application/json"})
    assert_problem(refused, 401, "invalid callback signature")
    for odd in ({"Authorization": "Bearer rubbish"}, {"X-Api-Key": "rubbish"}):
        other = ask(row, 500).payment_txn_id
        answer = post_callback(
            client, said(row, other, callbackId=other, status="FAILED"), headers=odd
        )
        assert answer.status_code == 200, answer.text


def test_refusals_come_in_the_contracts_order(row, order, client):
    def sent(good: bool = True, **more):
        body = json.dumps(said(row, order) | more).encode()
        headers = signed(body) if good else signed(body, "wrong")
        return client.post(URL, data=body, headers=headers)

    assert_problem(sent(good=False, merchantId=None), 400, "merchantId is required")
    assert_problem(sent(good=False, merchantId="", status=None), 400, "merchantId is required")
    assert_problem(sent(good=False, status=None), 401, "invalid callback signature")
    assert_problem(sent(good=False, merchantId="m_nobody"), 401, "invalid callback signature")
    assert_problem(sent(status=None), 400)
    assert_problem(sent(status=""), 400)
    assert_problem(sent(paymentTxnId=None), 400)
    assert_problem(sent(paidAmount="238.001"), 400)
    assert_problem(sent(merchantId="m_nobody"), 404, "merchant not found", "MERCHANT_NOT_FOUND")
    assert_problem(sent(paymentTxnId="txn_x"), 404, "payment not found", "PAYMENT_NOT_FOUND")
    assert_problem(sent(paidAmount=1), 400, "paidAmount mismatch", "PAID_AMOUNT_MISMATCH")
    assert sent().status_code == 200


def test_a_payment_that_never_waited_is_refused(row, client):
    paid = ask(row, 52).payment_txn_id
    answer = post_callback(client, said(row, paid))
    assert_problem(
        answer, 400, "payment is not waiting for external callback", "PAYMENT_NOT_EXTERNAL"
    )


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"null"])
def test_a_body_that_is_no_object_is_refused(row, client, body):
    assert client.post(URL, data=body, headers=signed(body)).status_code == 400


def test_a_signed_body_may_be_two_mebibytes_long_and_no_longer(row, order, client):
    def padded(length: int):
        about = said(row, order, note="")
        about["note"] = "x" * (length - len(json.dumps(about, separators=(",", ":"))))
        return post_callback(client, about)

    assert_problem(padded(2 * 1024 * 1024 + 1), 413, "Request body too large")
    assert padded(2 * 1024 * 1024).status_code == 200


def test_a_freeze_lets_it_pass(row, order, client):
    with transaction(row.merchant_id) as session:
        tenancy.set_policy(session, row.merchant_id, TenantPolicy(write_enabled=False))
    assert post_callback(client, said(row, order)).status_code == 200


def test_it_is_never_throttled(row, order, client, app, monkeypatch):
    throttles = app.extensions["throttles"]
    monkeypatch.setattr(throttles, "enabled", True)

    def no_more(*_):
        raise AssertionError("it was counted")

    monkeypatch.setattr(throttles, "hit", no_more)
    assert post_callback(client, said(row, order)).status_code == 200


def test_it_is_described(client):
    described = client.get("/api/openapi.json").get_json()["paths"][URL]["post"]
    assert {"name": "X-Payment-Signature", "in": "header"}.items() <= described["parameters"][
        0
    ].items()
    assert described["security"] == []


# --- giving up, by API and page -------------------------------------------------------------


@pytest.mark.parametrize("role", sorted(ROLES))
def test_staff_give_it_up(row, order, client, role):
    add_staff(row)
    token = bearer(staff_token(row.merchant_id, ROLES[role]))
    answer = client.post(f"/api/payments/{order}/cancel", json={}, headers=token)
    assert answer.status_code == 200, answer.text
    assert answer.get_json()["status"] == "CANCELLED"
    assert held(row) == (0, 0, 0)


def test_customers_and_strangers_do_not(row, order, client):
    stranger = make_fixture_customer()
    add_staff(stranger)
    url = f"/api/payments/{order}/cancel"
    own = bearer(customer_token(row.merchant_id, row.customer_id))
    assert_problem(client.post(url, json={}, headers=own), 403, "permission denied")
    assert_problem(client.post(url, json={}), 401)
    foreign = bearer(staff_token(stranger.merchant_id))
    named = {"merchantId": row.merchant_id}
    assert_problem(client.post(url, json=named, headers=foreign), 404, "payment not found")
    assert_problem(client.get(f"/api/payments/{order}", headers=foreign), 404, "payment not found")
    assert state(row, order) == "PENDING_EXTERNAL"


def test_a_freeze_holds_it_back(row, order, client):
    add_staff(row)
    with transaction(row.merchant_id) as session:
        tenancy.set_policy(session, row.merchant_id, TenantPolicy(write_enabled=False))
    answer = client.post(
        f"/api/payments/{order}/cancel", json={}, headers=bearer(staff_token(row.merchant_id))
    )
    assert_problem(answer, 403, code="TENANT_WRITE_DISABLED")
    assert state(row, order) == "PENDING_EXTERNAL"


def test_the_page_shows_code_link_and_the_way_out_and_then_what_became_of_it(app, row, order):
    add_staff(row)
    clerk = signed_in(app, PHONE, row.merchant_id)
    url = f"/console/payments/{order}"
    page = clerk.get(url)
    for shown in (
        "Waits for the rest",
        "238.00",
        'class="mq-qr"',
        f"/dev/gateway/pay/{row.merchant_id}/{order}",
        f'action="{url}/cancel"',
        "Check again",
    ):
        assert shown in page.text, shown
    assert " style=" not in page.text
    part = clerk.get(url, headers={"HX-Request": "true", "HX-Target": "payment"})
    assert "<html" not in part.text
    assert 'hx-trigger="live consume"' in part.text

    done = clerk.post(f"{url}/cancel", data={"csrf_token": csrf_in(page)})
    assert (done.status_code, done.headers["Location"]) == (303, url)
    after = clerk.get(url)
    assert "Given up. What was held is free again." in after.text
    assert "hx-trigger" not in after.text.split('id="payment"')[1]
    again = clerk.post(f"{url}/cancel", data={"csrf_token": csrf_in(after)})
    assert again.status_code == 303


def test_the_page_says_when_it_is_too_late_to_give_up(app, row, order, client):
    add_staff(row)
    clerk = signed_in(app, PHONE, row.merchant_id)
    token = csrf_in(clerk.get(f"/console/payments/{order}"))
    post_callback(client, said(row, order))
    late = clerk.post(f"/console/payments/{order}/cancel", data={"csrf_token": token})
    assert late.status_code == 409
    assert "This payment does not wait any more" in late.text
    assert "Paid" in late.text


def test_only_managers_send_a_refund_again(row, order, client):
    add_staff(row)
    url = f"/api/payments/{order}/retry-refund"
    clerk = bearer(staff_token(row.merchant_id, "staff_clerk"))
    manager = bearer(staff_token(row.merchant_id, "staff_manager"))
    assert_problem(client.post(url, json={}, headers=clerk), 403, "permission denied")
    assert_problem(
        client.post(url, json={}, headers=manager), 409, "no refund of this payment is stuck"
    )
