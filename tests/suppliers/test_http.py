"""The contract's words and statuses, and who may come with which credential."""

import io

import pytest

from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.core.settings import Profile
from mealquest.identity import service as identity
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import TenantPolicy
from tests.factories.customers import make_customer
from tests.factories.http import assert_problem, bearer, client_of, minted, signed_in
from tests.factories.rows import ABOUT_REQUESTS, digest
from tests.suppliers.shops import add_partner, paid, seen, take
from tests.web.conftest import *  # noqa: F403 - client, shop, stranger, owner
from tests.web.shops import Shop

VERIFY, ORDERS = "/api/supplier/verify-order", "/api/supplier/orders"


@pytest.fixture
def key(shop: Shop) -> dict[str, str]:
    """The headers of the partner's machine."""
    return {"X-Partner-Key": add_partner(shop.merchant_id)}


@pytest.fixture
def clerk(shop: Shop) -> dict[str, str]:
    return bearer(shop.tokens[Role.CLERK])


def freeze(merchant_id: str) -> None:
    with transaction(merchant_id) as session:
        tenancy.set_policy(session, merchant_id, TenantPolicy(write_enabled=False))


def test_an_order_comes_in_by_key_and_is_verified_as_the_contract_says(client, shop, key, clerk):
    sent = client.post(ORDERS, json={"orders": [paid(amount=38)]}, headers=key)
    assert sent.status_code == 200, sent.text
    assert sent.get_json() == {"partnerId": "coffee", "created": 1, "updated": 0, "unchanged": 0}

    asked = {"merchantId": "m_other", "partnerId": "coffee", "orderId": "o-1", "minSpend": 38}
    first = client.post(VERIFY, json=asked, headers=clerk | {"Idempotency-Key": "k"})
    again = client.post(VERIFY, json=asked, headers=clerk)
    replay = client.post(VERIFY, json=asked, headers=clerk | {"Idempotency-Key": "k"})

    body = first.get_json()
    assert first.status_code == again.status_code == replay.status_code == 200
    assert {name: body[name] for name in ("partnerId", "orderId", "minSpend", "verified")} == {
        "partnerId": "coffee",
        "orderId": "o-1",
        "minSpend": 38,
        "verified": True,
    }
    assert body["order"].items() >= {"amount": 38, "status": "PAID", "orderId": "o-1"}.items()
    no = again.get_json()
    assert (no["verified"], no["reason"]) == (False, "ALREADY_VERIFIED")
    assert no["verifiedAt"] == body["verifiedAt"]
    assert replay.data == first.data
    assert replay.headers["Idempotent-Replayed"] == "true"


def test_words_of_refusals(client, shop, clerk):
    words = "merchantId, partnerId and orderId are required"
    for body in ({}, {"partnerId": "p"}, {"partnerId": "p", "orderId": " "}):
        assert_problem(client.post(VERIFY, json=body, headers=clerk), 400, words)
    unknown = client.post(VERIFY, json={"partnerId": "p", "orderId": "o"}, headers=clerk)
    assert unknown.status_code == 200
    assert unknown.get_json()["order"] is None
    assert unknown.get_json()["reason"] == "NOT_FOUND"
    guest = bearer(shop.tokens[Role.CUSTOMER])
    assert_problem(client.post(VERIFY, json={}, headers=guest), 403, "permission denied")
    assert_problem(client.post(VERIFY, json={}), 401)
    forged = bearer(minted("PARTNER", merchantId=shop.merchant_id, operatorId="coffee"))
    assert_problem(client.post(ORDERS, json={"orders": [paid()]}, headers=forged), 401)
    taken = client.post(ORDERS, json={"orders": [paid()]}, headers=clerk)
    assert_problem(taken, 403, "permission denied")


def test_a_key_opens_nothing_else_and_nothing_of_others(client, shop, stranger, key, owner):
    add_partner(stranger.merchant_id)
    take(stranger.merchant_id, paid())
    take(shop.merchant_id, paid())
    add_partner(shop.merchant_id, "tea")
    take(shop.merchant_id, paid("t-1"), partner_id="tea")
    before = digest(stranger.merchant_id)

    for path in (ORDERS, "/api/suppliers/partners", "/api/payments", f"{ORDERS}/coffee/o-1"):
        assert client.get(path, headers=key).status_code == 401
    assert client.post(VERIFY, json={}, headers=key).status_code == 401
    delivery = client.post(f"{ORDERS}/coffee/o-1/delivery", json={"amount": 1}, headers=key)
    assert delivery.status_code == 401
    own = client.post(f"{ORDERS}/coffee/o-1/invoice", json={"amount": 1}, headers=key)
    assert own.get_json()["invoicedAmount"] == 1
    others = client.post(f"{ORDERS}/tea/t-1/invoice", json={"amount": 1}, headers=key)
    assert_problem(others, 403, "partner scope denied", "PARTNER_SCOPE_DENIED")
    named = {"merchantId": stranger.merchant_id, "orders": [paid("o-7")]}
    assert client.post(ORDERS, json=named, headers=key).get_json()["created"] == 1
    tea = {"partnerId": "tea", "orders": [paid("t-1", 1)]}
    assert_problem(client.post(ORDERS, json=tea, headers=key), 403, "partner scope denied")

    assert digest(stranger.merchant_id) == before
    assert seen(shop.merchant_id, "t-1", "tea").amount == 38


def test_a_wrong_key_is_401_and_after_many_tries_429(another, shop, key):
    app = another(profile=Profile.TEST, rate_limits=True)
    with app.app_context():
        client = client_of(app)
        right = key["X-Partner-Key"]
        wrong = right.rpartition(".")[0] + "." + "A" * 43
        foreign = right.replace(f".{shop.merchant_id}.", ".m_nowhere.")
        answers = [
            client.post(ORDERS, json={"orders": [paid()]}, headers={"X-Partner-Key": text})
            for text in [wrong, foreign] * 16
        ]
        assert {a.status_code for a in answers[:30]} == {401}
        assert_problem(answers[0], 401, "invalid partner key", "PARTNER_KEY_INVALID")
        assert_problem(answers[-1], 429)
        assert client.post(ORDERS, json={"orders": [paid()]}, headers=key).status_code == 200


def test_a_frozen_shop_takes_nothing_but_shows_all(client, shop, key, owner, clerk):
    take(shop.merchant_id, paid())
    freeze(shop.merchant_id)
    before = digest(but=ABOUT_REQUESTS)

    asked = {"partnerId": "coffee", "orderId": "o-1"}
    for path, body, headers in (
        (VERIFY, asked, clerk),
        (ORDERS, {"orders": [paid("o-2")]}, key),
        (f"{ORDERS}/coffee/o-1/invoice", {"amount": 1}, key),
        ("/api/suppliers/partners", {"partnerId": "tea", "name": "Tea"}, owner),
        ("/api/supplier/imports", {"file": "orderId,amount\nx,1", "partnerId": "coffee"}, owner),
        ("/api/merchant/contract/apply", {"companyName": "x"}, owner),
    ):
        answer = client.post(path, json=body, headers=headers)
        assert_problem(answer, 403, code="TENANT_WRITE_DISABLED")
    assert digest(but=ABOUT_REQUESTS) == before
    assert client.get(ORDERS, headers=clerk).get_json()["items"][0]["orderId"] == "o-1"


def test_a_new_key_is_shown_once_on_its_page(app, shop):
    browser = signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)
    page = browser.send_form("/console/suppliers/partners", {"partnerId": "tea", "name": "Tea"})
    assert page.status_code == 201
    assert "mqp.m_alpha." in page.text
    assert page.headers["Cache-Control"] == "no-store"
    listed = browser.get("/console/suppliers/partners").text
    assert "mqp.m_alpha." not in listed
    assert "Tea" in listed
    manager = signed_in(app, shop.phones[Role.MANAGER], shop.merchant_id)
    assert "Add the partner" not in manager.get("/console/suppliers/partners").text
    refused = manager.send_form("/console/suppliers/partners/tea/revoke", {})
    assert refused.status_code == 403


def upload(browser, data: bytes, **fields):
    file = {"file": (io.BytesIO(data), "orders.csv")}
    return browser.send_form("/console/suppliers/imports", file | fields)


def test_a_file_is_shown_before_it_counts_and_counts_once(app, shop):
    add_partner(shop.merchant_id)
    take(shop.merchant_id, paid())
    browser = signed_in(app, shop.phones[Role.MANAGER], shop.merchant_id)
    sheet = "订单号;金额;状态;送货金额\no-1;38;PAID;37\nB-2;12.5;created;\n".encode("gb18030")

    sent = upload(browser, sheet, partnerId="coffee")

    assert sent.status_code == 303, sent.text
    page = browser.get(sent.location).text
    assert "New orders" in page
    assert "B-2" in page
    assert seen(shop.merchant_id).delivered_amount is None
    for _ in range(2):
        assert browser.send_form(sent.location, {}).status_code == 303
    assert seen(shop.merchant_id).delivered_amount == 37
    assert seen(shop.merchant_id, "B-2").status == "CREATED"
    assert len(seen(shop.merchant_id).history) == 2
    clerk = signed_in(app, shop.phones[Role.CLERK], shop.merchant_id)
    assert upload(clerk, sheet).status_code == 403


def test_a_bad_row_is_named_and_nothing_is_kept(app, shop):
    add_partner(shop.merchant_id)
    browser = signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)
    before = digest(but=ABOUT_REQUESTS)

    page = upload(browser, b"orderId,amount\no-1,5\no-2,five\n", partnerId="coffee")

    assert page.status_code == 400
    assert "Row 3, Amount:" in page.text
    too_long = upload(browser, b"orderId,amount\n" + b"x" * 1024 * 1024)
    assert too_long.status_code == 413
    nothing = browser.send_form("/console/suppliers/imports", {})
    assert nothing.status_code == 400
    assert "Choose a file." in nothing.text
    assert digest(but=ABOUT_REQUESTS) == before


def test_the_clerk_gets_yes_then_no_on_the_page(app, shop):
    add_partner(shop.merchant_id)
    take(shop.merchant_id, paid())
    browser = signed_in(app, shop.phones[Role.CLERK], shop.merchant_id)
    assert 'name="idempotencyKey"' in browser.get("/console/suppliers").text
    asked = {"partnerId": "coffee", "orderId": "o-1", "minSpend": ""}

    yes = browser.send_form("/console/suppliers/verify", asked | {"idempotencyKey": "one"})
    same = browser.send_form("/console/suppliers/verify", asked | {"idempotencyKey": "one"})
    no = browser.send_form("/console/suppliers/verify", asked | {"idempotencyKey": "two"})
    typo = browser.send_form("/console/suppliers/verify", asked | {"minSpend": "-1"})

    assert "Yes, it counts" in yes.text
    assert "This form was sent before" in same.text
    assert "No, it was used already" in no.text
    assert typo.status_code == 400
    assert "Enter zero or more." in typo.text


def test_the_file_of_all_orders_can_be_taken_over_again(client, shop, owner):
    add_partner(shop.merchant_id)
    take(shop.merchant_id, *(paid(f"o-{n}", n + 1) for n in range(5)))
    answer = client.get("/api/supplier/orders.csv", headers=owner, buffered=True)
    assert answer.status_code == 200

    sent = client.post("/api/supplier/imports", json={"file": answer.data.decode()}, headers=owner)

    assert sent.status_code == 201, sent.text
    assert (sent.get_json()["rows"], sent.get_json()["unchanged"]) == (5, 5)
    clerk = bearer(shop.tokens[Role.CLERK])
    assert client.get("/api/supplier/orders.csv", headers=clerk).status_code == 403


def test_a_file_where_a_text_belongs_is_refused(app, shop):
    add_partner(shop.merchant_id)
    browser = signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)
    for name in ("partnerId", "name"):
        fields = {"partnerId": "tea", "name": "Tea"} | {name: (io.BytesIO(b"a\x00b"), "a.bin")}
        page = browser.send_form("/console/suppliers/partners", fields)
        assert page.status_code == 400, page.text
        assert "Enter a text." in page.text


def test_a_refused_amount_stands_in_its_own_form(app, shop):
    add_partner(shop.merchant_id)
    take(shop.merchant_id, paid())
    browser = signed_in(app, shop.phones[Role.MANAGER], shop.merchant_id)

    page = browser.send_form("/console/suppliers/orders/coffee/o-1/invoice", {"amount": "-3"})

    assert page.status_code == 400
    assert page.text.count('id="field-amount"') == 1
    assert 'value="-3"' in page.text
    assert "#field-amount" in page.text


def test_whoever_shows_an_order_is_found_as_at_the_counter_and_named_with_it(app, shop):
    page = signed_in(app, shop.phones[Role.CLERK], shop.merchant_id)
    add_partner(shop.merchant_id)
    make_customer(shop.merchant_id, display_name="Alpha Second")
    many = page.get("/console/suppliers?query=Alpha").text
    assert many.count("userId=") >= 2
    by_phone = page.get(f"/console/suppliers?orderId=o-7&query={shop.customer_phone[-4:]}")
    assert by_phone.status_code == 303
    assert f"userId={shop.customer}" in by_phone.location
    code = identity.own_code(shop.merchant_id, shop.customer).code
    assert f"userId={shop.customer}" in page.get(f"/console/suppliers?query={code}").location
    chosen = page.get(by_phone.location).text
    assert f'name="userId" value="{shop.customer}"' in chosen
    assert 'value="o-7"' in chosen
    nobody = page.get("/console/suppliers?userId=u_of_nobody&query=").text
    assert 'name="userId"' not in nobody
