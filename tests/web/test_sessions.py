"""The console's cookie: how it is got, what it needs besides, and when it ends."""

import pytest

from mealquest.core import messages
from mealquest.core.principal import Role
from mealquest.core.settings import Profile
from tests.factories.http import assert_problem, bearer, client_of, csrf_in, signed_in
from tests.web.conftest import SECRETS

TAKE = {"amount": "5", "method": "CASH"}


@pytest.fixture
def browser(app, shop):
    return signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)


def top_up_url(shop) -> str:
    return f"/console/customers/{shop.customer}/top-ups"


def test_the_cookie_opens_pages_and_json(browser, shop) -> None:
    assert browser.get("/console/").status_code == 200
    assert browser.get("/api/customers").get_json()["merchantId"] == shop.merchant_id


def test_the_cookie_is_kept_from_scripts_and_other_sites(browser) -> None:
    cookies = browser.get("/console/sign-in?next=/console/").headers.getlist("Set-Cookie")

    (session,) = [cookie for cookie in cookies if cookie.startswith("mq_session=")]
    assert "HttpOnly" in session
    assert "SameSite=Lax" in session
    assert "Secure" not in session  # development speaks plain HTTP


@pytest.mark.parametrize("profile", [Profile.STAGING, Profile.PROD])
def test_outside_development_cookies_travel_encrypted_only(another, profile) -> None:
    """Also when the application does not see that the way to it is encrypted."""
    live = client_of(another(profile=profile, **SECRETS))
    page = live.get("/console/sign-in")
    (session,) = page.headers.getlist("Set-Cookie")
    sent_back = {"Cookie": session.partition(";")[0]}

    chosen = live.post(
        "/preferences", data={"csrf_token": csrf_in(page), "theme": "dark"}, headers=sent_back
    )
    (preference,) = chosen.headers.getlist("Set-Cookie")

    for cookie in (session, preference):
        assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; ")), cookie


def test_a_page_without_session_leads_to_the_sign_in_and_back(app, client, shop) -> None:
    answer = client.get("/console/customers?query=Alpha")

    assert answer.status_code == 303
    assert answer.headers["Location"] == "/console/sign-in?next=/console/customers?query%3DAlpha"
    client.get(answer.headers["Location"])
    phone = shop.phones[Role.CLERK]
    client.send_form("/console/sign-in/code", {"phone": phone})
    code = messages.newest(limit=1)[0].message.data["code"]
    done = client.send_form("/console/sign-in", {"phone": phone, "code": code})
    assert done.headers["Location"] == "/console/customers?query=Alpha"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/console/",
        "//evil.example/console/",
        "/\\evil.example",
        "\\\\evil.example",
        "/%09/evil.example",
        "/console/%0d%0aX-Evil:%201",
        "/console/%09",
        "javascript:alert(1)",
        "http://[",
        "/",
    ],
)
def test_signing_in_leads_nowhere_else(client, shop, elsewhere) -> None:
    client.get(f"/console/sign-in?next={elsewhere}")
    phone = shop.phones[Role.OWNER]
    client.send_form("/console/sign-in/code", {"phone": phone})
    code = messages.newest(limit=1)[0].message.data["code"]
    done = client.send_form("/console/sign-in", {"phone": phone, "code": code})

    assert done.status_code == 303
    assert done.headers["Location"] == "/console/"


def test_an_act_by_htmx_is_sent_to_the_sign_in_as_a_whole(client) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://localhost/console/customers"}
    answer = client.post("/console/staff", headers=headers)

    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"] == "/console/sign-in?next=/console/customers"


# --- CSRF ---------------------------------------------------------------------------------


def test_a_form_without_the_token_is_refused_and_shown_again(browser, shop) -> None:
    answer = browser.post(top_up_url(shop), data=TAKE | {"idempotencyKey": "k"})

    assert answer.status_code == 403
    assert 'value="5"' in answer.text  # what was typed
    assert 'name="csrf_token"' in answer.text


def test_another_browsers_token_is_refused(app, browser, shop) -> None:
    theirs = client_of(app).csrf()

    answer = browser.post(
        top_up_url(shop), data=TAKE | {"idempotencyKey": "k", "csrf_token": theirs}
    )

    assert answer.status_code == 403


def test_the_api_takes_the_cookie_only_with_a_token(browser, shop) -> None:
    order = {"userId": shop.customer, "orderAmount": 5}

    refused = browser.post("/api/payment/quote", json=order)
    assert_problem(refused, 403, code="CSRF_FAILED")
    assert not refused.headers.get("WWW-Authenticate")

    token = browser.csrf("/console/")
    taken = browser.post("/api/payment/quote", json=order, headers={"X-CSRFToken": token})
    assert taken.status_code == 200


def test_a_bearer_request_needs_no_token_on_either_face(app, shop) -> None:
    headers = bearer(shop.tokens[Role.OWNER]) | {"Idempotency-Key": "k"}

    by_api = client_of(app).post(
        "/api/wallet/top-ups", json={"userId": shop.customer, **TAKE}, headers=headers
    )
    by_page = client_of(app).post(top_up_url(shop), data=TAKE, headers=headers)

    assert by_api.status_code == 200
    assert by_page.status_code == 303


@pytest.mark.parametrize("url", ["/console/sign-in", "/console/sign-in/code", "/preferences"])
def test_forms_of_people_not_signed_in_need_the_token_too(client, shop, url) -> None:
    fields = {"phone": shop.phones[Role.OWNER], "code": "123456", "theme": "dark"}

    assert client.post(url, data=fields).status_code == 403
    assert not [c for c in client.get("/").headers.getlist("Set-Cookie") if "mq_theme" in c]


# --- the end ------------------------------------------------------------------------------


def test_a_cookie_of_somebody_who_signed_out_is_dead(app, shop, browser) -> None:
    cookie = browser.get_cookie("mq_session").value
    done = browser.send_form("/console/sign-out", {})
    assert done.headers["Location"] == "/"

    thief = client_of(app)
    thief.set_cookie("mq_session", cookie)

    assert thief.get("/console/").headers["Location"].startswith("/console/sign-in")
    assert_problem(thief.get("/api/customers"), 401, "invalid token")
    assert thief.get("/console/sign-in").status_code == 200  # not locked out of signing in


def test_a_dead_cookie_does_not_stand_in_the_way_of_an_app(app, shop, browser) -> None:
    """The route is open to everybody, so what the cookie was worth does not matter."""
    cookie = browser.get_cookie("mq_session").value
    browser.send_form("/console/sign-out", {})
    app_in_browser = client_of(app)
    app_in_browser.set_cookie("mq_session", cookie)

    answer = app_in_browser.post(
        "/api/auth/merchant/request-code", json={"phone": shop.phones[Role.OWNER]}
    )

    assert answer.status_code == 200


@pytest.mark.parametrize("value", ["", "x", "eyJhIjoxfQ.x.y", "." * 3000, "é"])
def test_a_made_up_cookie_is_nobodys(client, value) -> None:
    client.set_cookie("mq_session", value)

    assert client.get("/console/").status_code == 303
    assert client.get("/").status_code == 200
