"""The development page on which a merchant lets a payment fail and be paid."""

from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.core.settings import Profile, Settings
from mealquest.tenancy import service as tenancy
from tests.factories.http import Client, csrf_in, signed_in
from tests.fakes.stripe import StripeFake
from tests.web.shops import Shop, open_shop

PAGE = "/console/recovery/sandbox"
FAILURE = {"reason": "expired_card", "amount": "1250", "currency": "jpy", "email": "a@example.com"}


@pytest.fixture
def stripe(app: Flask, monkeypatch) -> Iterator[StripeFake]:
    wanted: dict[str, object] = {}
    with StripeFake() as fake:
        fake.configure(wanted)
        for name, value in wanted.items():
            monkeypatch.setitem(app.config, name, value)
        yield fake


@pytest.fixture
def shop(app: Flask) -> Shop:
    return open_shop("Alpha", 6)


@pytest.fixture
def account(stripe: StripeFake, shop: Shop) -> str:
    found = stripe.connect("Alpha")
    with transaction(shop.merchant_id) as session:
        tenancy.set_account(session, shop.merchant_id, stripe_connect_id=found)
    return found


@pytest.fixture
def owner(app: Flask, shop: Shop) -> Client:
    return signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)


def send(browser: Client, url: str, fields: dict[str, str]) -> TestResponse:
    return browser.post(url, data=fields | {"csrf_token": csrf_in(browser.get(PAGE))})


def test_a_payment_fails_is_tried_again_and_is_paid(stripe, account, owner) -> None:
    done = send(owner, PAGE, FAILURE)
    assert (done.status_code, done.headers["Location"]) == (303, PAGE)
    (bill,) = stripe.world.store.find(
        account, "invoice", {"$.billing_reason": "subscription_cycle"}
    )
    assert (bill["amount_due"], bill["currency"]) == (1250, "jpy")
    assert bill["customer_email"] == "a@example.com"
    page = owner.get(PAGE).text
    assert "The card has expired" in page
    assert "JPY 1,250" in page
    assert bill["hosted_invoice_url"] in page

    one = f"{PAGE}/{bill['id']}"
    assert send(owner, one, {"step": "retry"}).status_code == 303
    assert stripe.invoice(account, bill["id"])["attempt_count"] == 2
    assert send(owner, one, {"step": "pay"}).status_code == 303
    assert stripe.invoice(account, bill["id"])["status"] == "paid"
    send(owner, PAGE, FAILURE)
    assert send(owner, one, {"step": "pay"}).status_code == 503


def test_what_cannot_be_is_said_on_the_page(stripe, account, owner) -> None:
    parts = send(owner, PAGE, FAILURE | {"amount": "12.50"})
    assert parts.status_code == 400
    assert 'value="12.50"' in parts.text
    assert send(owner, PAGE, FAILURE | {"email": "nobody"}).status_code == 400
    assert stripe.events(account) == []


def test_without_an_account_there_is_nothing_to_fail(stripe, owner) -> None:
    assert "Not connected yet" in owner.get(PAGE).text
    page = owner.get("/console/")
    refused = owner.post(PAGE, data=FAILURE | {"csrf_token": csrf_in(page)})
    assert refused.status_code == 409


def test_one_shop_does_not_reach_anothers_invoices(app, stripe, account, owner) -> None:
    bill = stripe.fails(account)
    other = open_shop("Beta", 8)
    stranger = signed_in(app, other.phones[Role.OWNER], other.merchant_id)
    with transaction(other.merchant_id) as session:
        found = stripe.connect("Beta")
        tenancy.set_account(session, other.merchant_id, stripe_connect_id=found)

    assert bill["id"] not in stranger.get(PAGE).text
    assert send(stranger, f"{PAGE}/{bill['id']}", {"step": "pay"}).status_code == 503
    assert stripe.invoice(account, bill["id"])["status"] == "open"


def test_there_is_no_such_page_beside_a_real_stripe_or_in_production(
    app, stripe, account, owner, monkeypatch
) -> None:
    token = csrf_in(owner.get(PAGE))
    monkeypatch.setattr(app.config["SETTINGS"], "profile", "prod")
    assert owner.post(PAGE, data=FAILURE | {"csrf_token": token}).status_code == 404
    monkeypatch.setattr(app.config["SETTINGS"], "profile", "test")
    monkeypatch.setitem(app.config, "STRIPE_SANDBOX_URL", None)
    assert "A real Stripe is configured" in owner.get(PAGE).text
    token = csrf_in(owner.get("/console/"))
    assert owner.post(PAGE, data=FAILURE | {"csrf_token": token}).status_code == 404
    assert stripe.events(account) == []


@pytest.mark.parametrize(
    ("given", "uses"),
    [
        ({}, True),
        ({"profile": "dev"}, True),
        ({"stripe_secret_key": "sk_test_1"}, False),
        ({"stripe_api_base": "http://127.0.0.1:1"}, False),
    ],
)
def test_the_sandbox_stands_in_where_no_stripe_is_named(given, uses) -> None:
    settings = Settings(_env_file=None, **{"profile": "test"} | given)
    assert settings.uses_sandbox_stripe is uses
    for profile in (Profile.STAGING, Profile.PROD):
        assert not settings.model_copy(update={"profile": profile}).uses_sandbox_stripe
