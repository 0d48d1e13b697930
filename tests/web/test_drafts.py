"""A form that is sent after the sign-in has ended: it is there again, for whoever typed it."""

import secrets
from urllib.parse import parse_qs, urlsplit

import pytest

from mealquest.core import messages
from mealquest.core.principal import Role
from mealquest.web import drafts
from tests.factories.http import Client, bearer, signed_in

WORDS = "What you had typed is here again."
INVITED = {"phone": "+8613955556666", "name": "Chen Yu", "role": "MANAGER"}
HTMX = {"HX-Request": "true", "HX-Target": "preview"}


@pytest.fixture
def browser(app, shop) -> Client:
    return signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)


@pytest.fixture
def late(browser, client, shop):
    """Send a form that this browser was given, once its owner is signed out from elsewhere."""

    def send(url, fields, **options):
        csrf = browser.csrf()
        client.post("/api/auth/sign-out", headers=bearer(shop.tokens[Role.OWNER]))
        return browser.post(url, data={"csrf_token": csrf} | fields, **options)

    return send


def onward(answer) -> str:
    """The page that a sign-in leads back to."""
    target = urlsplit(answer.headers["Location"])
    assert target.path == "/console/sign-in"
    return parse_qs(target.query).get("next", [""])[0]


def sign_in_again(browser: Client, shop, role: Role = Role.OWNER) -> None:
    phone = shop.phones[role]
    browser.send_form("/console/sign-in/code", {"phone": phone})
    code = messages.newest(limit=1)[0].message.data["code"]
    browser.send_form(
        "/console/sign-in", {"phone": phone, "code": code, "merchantId": shop.merchant_id}
    )


def test_the_form_is_there_again_once_and_nothing_was_done(browser, late, shop):
    answer = late("/console/staff", INVITED | {"apiSecret": "s3cret"})
    assert answer.status_code == 303
    assert onward(answer) == "/console/staff"
    (cookie,) = [c for c in answer.headers.getlist("Set-Cookie") if c.startswith(drafts.COOKIE)]
    assert {"HttpOnly", "SameSite=Lax", "Path=/console/"} <= set(cookie.split("; "))
    assert "Chen" not in cookie

    sign_in_again(browser, shop)
    page = browser.get("/console/staff")
    assert WORDS in page.text
    assert "<title>Error: " in page.text
    assert 'value="Chen Yu"' in page.text
    assert 'value="+8613955556666"' in page.text
    assert "s3cret" not in page.text
    assert "1395555" not in browser.get("/console/staff").text


def test_somebody_else_does_not_get_to_see_it(browser, late, shop):
    late("/console/staff", INVITED)
    sign_in_again(browser, shop, Role.MANAGER)
    assert "Chen Yu" not in browser.get("/console/staff").text
    sign_in_again(browser, shop)
    assert "Chen Yu" not in browser.get("/console/staff").text


def test_a_form_from_elsewhere_is_not_kept(browser, late, shop):
    answer = late("/console/staff", INVITED | {"csrf_token": "forged"})
    assert answer.status_code == 303
    assert drafts.COOKIE not in str(answer.headers)


def test_what_is_too_old_or_tampered_with_is_nothing(browser, late, shop, monkeypatch):
    late("/console/staff", INVITED)
    sign_in_again(browser, shop)
    with monkeypatch.context() as patch:
        patch.setattr(drafts, "KEPT_S", -1)
        assert WORDS not in browser.get("/console/staff").text
    browser.set_cookie(drafts.COOKIE, "k1:nonsense", path="/console/")
    assert browser.get("/console/staff").status_code == 200


def test_of_a_form_too_long_for_a_cookie_the_longest_text_is_left_out(browser, late, shop):
    noise = "".join(chr(0x4E00 + (n * 7919) % 20_000) for n in range(4_000))
    answer = late(f"/console/customers/{shop.customer}/top-ups", {"amount": "5", "note": noise})
    sign_in_again(browser, shop)
    page = browser.get(onward(answer))
    assert WORDS in page.text
    assert 'name="amount" value="5"' in page.text
    assert noise[:20] not in page.text


def test_by_htmx_it_leads_to_the_same_place(browser, late, shop):
    order = {"userId": shop.customer, "amount": "5", "voucherId": "NONE", "idempotencyKey": "k-1"}
    answer = late("/console/payments", order, headers=HTMX)
    back = parse_qs(urlsplit(answer.headers["HX-Redirect"]).query)["next"][0]
    assert back.startswith("/console/counter?")
    sign_in_again(browser, shop)
    page = browser.get(back)
    assert WORDS in page.text
    assert 'name="idempotencyKey" value="k-1"' in page.text


def test_a_part_of_a_page_says_so_and_leaves_the_page_alone(client):
    here = "http://localhost/console/customers/u_1?amount=5"
    answer = client.get("/console/counter", headers=HTMX | {"HX-Current-URL": here})
    assert answer.status_code == 401
    assert answer.headers["HX-Retarget"] == "#problems"
    assert "You are signed out." in answer.text
    assert "<html" not in answer.text
    address = parse_qs(urlsplit(answer.headers["MQ-Sign-In"]).query)
    assert address["next"] == ["/console/customers/u_1?amount=5"]
    elsewhere = HTMX | {"HX-Current-URL": "https://evil.example/console/"}
    answer = client.get("/console/counter", headers=elsewhere)
    assert answer.headers["MQ-Sign-In"] == "/console/sign-in"


def test_forms_of_the_same_person_still_count_after_they_signed_in_again(browser, shop):
    csrf = browser.csrf()
    sign_in_again(browser, shop)
    url = f"/console/customers/{shop.customer}/top-ups"
    sent = {"amount": "5", "method": "CASH", "idempotencyKey": "k", "csrf_token": csrf}
    assert browser.post(url, data=sent).status_code == 303
    sign_in_again(browser, shop, Role.CLERK)
    assert browser.post(url, data=sent | {"idempotencyKey": "k2"}).status_code == 403


def test_a_page_with_a_very_long_address_keeps_nothing_and_leads_to_the_sign_in(late):
    answer = late(f"/console/payments/{secrets.token_hex(3_000)}/refund", {"refundAmount": "1"})
    assert answer.status_code == 303
    assert onward(answer).startswith("/console/payments/")
    assert not [c for c in answer.headers.getlist("Set-Cookie") if c.startswith(drafts.COOKIE)]
