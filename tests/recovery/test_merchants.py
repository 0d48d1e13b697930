"""Merchants by JSON: the order of refusals, what may change, and an erasure that is whole."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.recovery import erase as erasing
from mealquest.recovery import tasks, usage
from mealquest.recovery.domain import Metric, TaskType
from mealquest.recovery.merchant_forms import COUNTRIES
from mealquest.recovery.models import ScheduledTask
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.models import Merchant, MerchantSettings
from mealquest.tenancy.service import TenantPolicy
from tests.factories.http import Client, assert_problem, bearer, client_of, signed_in
from tests.fakes.stripe import StripeFake
from tests.web.shops import Shop, open_shop

KEY = "operator-key-of-the-tests"
OPERATOR = {"X-Api-Key": KEY}
ACCOUNT = "acct_alpha"
HEADER = "X-Merchant-Stripe-Id"
BRAND = "/console/recovery/brand"


@pytest.fixture
def client(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(app.config["SETTINGS"], "admin_api_key", KEY)
    return client_of(app)


@pytest.fixture
def shop(app: Flask) -> Shop:
    opened = open_shop("Alpha", 6)
    connect(opened.merchant_id, ACCOUNT)
    return opened


def connect(merchant_id: str, account: str) -> None:
    with transaction(merchant_id) as session:
        tenancy.connect_account(session, merchant_id, account, "sk_secret", "rt_secret")


def url(merchant_id: str) -> str:
    return f"/api/merchants/{merchant_id}"


def patch(client: Client, shop: Shop, body: Any, **headers: str) -> Any:
    known = bearer(shop.tokens[Role.OWNER]) | {HEADER: ACCOUNT} | headers
    sent = {name: value for name, value in known.items() if value}
    return client.patch(url(shop.merchant_id), json=body, headers=sent)


def test_a_change_is_refused_in_the_order_of_the_contract(client, shop) -> None:
    """Each one has everything wrong that comes later, a credential last of all."""
    good, bad = {"email": "a@example.org"}, {"email": "no address"}
    other = open_shop("Beta", 8)
    stranger, clerk = bearer(other.tokens[Role.OWNER]), bearer(shop.tokens[Role.CLERK])
    mine, account = url(shop.merchant_id), {HEADER: ACCOUNT}
    unconnected = {HEADER: "acct_x"}

    assert_problem(client.patch(url("m_nobody"), json=bad), 401)
    assert_problem(client.patch(url("m_nobody"), json=bad, headers=account), 404)
    assert_problem(client.patch(url("NO,id"), json=bad, headers=account), 404)
    assert_problem(client.patch(mine, json=bad, headers=unconnected), 403)
    assert_problem(client.patch(url(other.merchant_id), json=bad, headers=unconnected), 403)
    assert_problem(
        client.patch(mine, json={"tier": "PRO", "accessToken": "x"}, headers=account), 400
    )
    assert_problem(client.patch(mine, json=bad, headers=account), 400, "email format invalid")
    assert_problem(client.patch(mine, json=good, headers=account), 401)
    assert_problem(client.patch(mine, json=good, headers=account | stranger), 404)
    assert_problem(client.patch(mine, json=good, headers=account | clerk), 403)
    assert client.patch(mine, json=good, headers=account | OPERATOR).status_code == 200


def test_null_clears_absent_stays_and_unknown_is_ignored(client, shop) -> None:
    first = {
        "email": "owner@noodle.example",
        "billingCountry": "fr",
        "billingAddress": "1 Rue\n75001 Paris",
        "brandColor": "#AA00ff",
        "logoUrl": "https://noodle.example/logo.png",
        "fromName": "Noodle House",
        "supportEmail": "help@noodle.example",
    }
    made = patch(client, shop, first | {"tier": "PRO", "stripeConnectId": "acct_evil"}).get_json()
    cleared = patch(client, shop, {"email": None, "brandColor": None, "logoUrl": ""}).get_json()

    stored = first | {"billingCountry": "FR", "brandColor": "#aa00ff"}
    assert made | stored == made
    assert (made["tier"], made["stripeConnectId"]) == ("FREE", ACCOUNT)
    gone = {"email": None, "brandColor": "#000000", "logoUrl": None}
    assert cleared == made | gone


def test_a_digest_begins_with_the_address_wherever_it_is_set(client, shop) -> None:
    def digests(merchant_id: str) -> int:
        with transaction(merchant_id) as session:
            kind = ScheduledTask.task_type == TaskType.SEND_WEEKLY_DIGEST
            return len(session.scalars(select(ScheduledTask.id).where(kind)).all())

    other = open_shop("Beta", 8)
    before = digests(shop.merchant_id), digests(other.merchant_id)
    for _ in range(2):
        patch(client, shop, {"email": "a@example.org"})
        patch(client, shop, {"email": None})
    settings = {"email": "b@example.org"}
    client.patch("/api/merchant/settings", json=settings, headers=bearer(other.tokens[Role.OWNER]))

    assert before == (0, 0)
    assert (digests(shop.merchant_id), digests(other.merchant_id)) == (1, 1)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        (
            "email",
            ["x", "a@b", "a b@c.de", "a@c.de\r\nBcc: x@y.zz", 7, ["a@c.de"], "a" * 250 + "@c.de"],
        ),
        ("billingCountry", ["FRA", "XX", "EU", "F", 33]),
        ("billingAddress", ["x" * 501, {"street": "1"}]),
        ("brandColor", ["red", "#12345", "#1234567", "#12345g", "url(x)"]),
        ("logoUrl", ["http://x.example/l.png", "javascript:alert(1)", "https://", "https://a b"]),
        ("fromName", ["x" * 65, "Evil <x@y.zz>", "two\nlines", "a\x00b"]),
        ("supportEmail", ["nobody"]),
    ],
)
def test_what_is_wrong_is_named(client, shop, field, values) -> None:
    for value in values:
        problem = assert_problem(patch(client, shop, {field: value}), 400)
        assert problem["details"][0]["field"] == field, value


def test_there_are_as_many_countries_as_the_standard_has() -> None:
    assert len(COUNTRIES) == 249
    assert {"CN", "TW", "HK", "GB", "US", "DE"} <= COUNTRIES


def test_a_frozen_merchant_keeps_what_it_has(client, shop) -> None:
    with transaction(shop.merchant_id) as session:
        tenancy.set_policy(session, shop.merchant_id, TenantPolicy(write_enabled=False))
    problem = patch(client, shop, {"fromName": "Later"})
    assert_problem(problem, 403, code="TENANT_WRITE_DISABLED")


def test_who_reads_merchants(client, shop) -> None:
    other = open_shop("Beta", 8)
    owner, manager = (bearer(shop.tokens[role]) for role in (Role.OWNER, Role.MANAGER))
    mine = client.get(url(shop.merchant_id), headers=owner)

    assert "secret" not in mine.text
    assert mine.get_json()["stripeConnectId"] == ACCOUNT
    assert client.get(url(shop.merchant_id), headers=OPERATOR).get_json() == mine.get_json()
    assert_problem(client.get(url(shop.merchant_id), headers=manager), 403)
    theirs = client.get(url(shop.merchant_id), headers=bearer(other.tokens[Role.OWNER]))
    assert_problem(theirs, 404, "Merchant not found")
    assert_problem(client.get(url("m_nobody"), headers=OPERATOR), 404, "Merchant not found")
    assert_problem(client.get("/api/merchants", headers=owner), 403)
    assert_problem(client.get("/api/merchants"), 401)
    me = client.get("/api/merchants/me", headers=manager).get_json()
    assert me.keys() == {
        "id",
        "email",
        "tier",
        "stripeConnected",
        "subscriptionPlanId",
        "createdAt",
    }
    assert (me["id"], me["stripeConnected"]) == (shop.merchant_id, True)


def test_the_operator_makes_merchants_and_lists_them_newest_first(client, app) -> None:
    evil = {
        "stripeConnectId": "acct_evil",
        "accessToken": "t",
        "oauthState": "s",
        "tier": "ENTERPRISE",
        "id": "m_chosen",
    }
    made = [
        client.post("/api/merchants", json={"email": "a@example.org"} | evil, headers=OPERATOR),
        client.post("/api/merchants", json={}, headers=OPERATOR),
        client.post(
            "/api/merchants",
            json={"name": "Third", "billingCountry": "DE", "ownerPhone": "+8613911112222"},
            headers=OPERATOR,
        ),
    ]
    ids = [answer.get_json()["id"] for answer in made]
    first = client.get("/api/merchants?limit=2", headers=OPERATOR)
    rest = client.get(
        "/api/merchants",
        query_string={"cursor": first.headers["X-Next-Cursor"]},
        headers=OPERATOR,
    )

    assert [answer.status_code for answer in made] == [201] * 3
    assert made[0].get_json()["tier"] == "FREE"
    assert made[0].get_json()["stripeConnected"] is False
    assert "m_chosen" not in ids
    assert [row["id"] for row in first.get_json() + rest.get_json()] == ids[::-1]
    assert "X-Next-Cursor" not in rest.headers
    assert "Third" in signed_in(app, "+8613911112222", ids[2]).get("/console/").text
    wrong = client.post("/api/merchants", json={"email": 5}, headers=OPERATOR)
    assert assert_problem(wrong, 400)["details"][0]["field"] == "email"


def test_brand_is_set_on_its_page(app, client, shop) -> None:
    browser = signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)
    form = {"fromName": "Noodles", "brandColor": "#112233", "logoUrl": "", "billingCountry": "CN"}

    refused = browser.send_form(BRAND, form | {"logoUrl": "http://x.example/l.png"})
    saved = browser.send_form(BRAND, form)
    page = browser.get(BRAND).text

    assert refused.status_code == 400
    assert 'value="http://x.example/l.png"' in refused.text
    assert saved.status_code == 303
    assert 'value="#112233"' in page
    manager = signed_in(app, shop.phones[Role.MANAGER], shop.merchant_id)
    assert "Noodles" in manager.get(BRAND).text
    assert manager.send_form(BRAND, form).status_code == 403


# --- erasure ------------------------------------------------------------------------------


@pytest.fixture
def stripe(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeFake]:
    with StripeFake() as fake:
        pointed: dict[str, Any] = {}
        fake.configure(pointed)
        for name, value in pointed.items():
            monkeypatch.setitem(app.config, name, value)
        yield fake


def erase(client: Client, merchant_id: str, headers: dict[str, str]) -> Any:
    return client.delete(f"/api/admin/merchants/{merchant_id}", headers=headers)


def some_work(merchant_id: str) -> None:
    with transaction(merchant_id) as session:
        tasks.enqueue(session, merchant_id, TaskType.DUNNING_RETRY, {"invoiceId": "in_1"})
        usage.log(session, merchant_id, Metric.TASK_SCHEDULED)
        usage.log(session, merchant_id, Metric.DUNNING_EMAIL_SENT)


def rows_left(merchant_id: str) -> int:
    with transaction(merchant_id) as session:
        counts = (
            session.scalar(
                select(func.count()).select_from(t).where(t.c.merchant_id == merchant_id)
            )
            for t in erasing.tables()
        )
        return sum(count or 0 for count in counts)


def test_an_erasure_takes_every_row_and_leaves_the_books_of_a_shop(client, shop, stripe) -> None:
    account = stripe.connect()
    connect(shop.merchant_id, account)
    other = open_shop("Beta", 8)
    for one in (shop, other):
        some_work(one.merchant_id)
    before = rows_left(other.merchant_id)

    done = erase(client, shop.merchant_id, {"X-Admin-Key": KEY}).get_json()

    assert done["deleted"] == {"tasks": 1, "usageLogs": 2, "dailyMetrics": 1}
    assert done["shopClosed"] is False
    assert rows_left(shop.merchant_id) == 0
    assert rows_left(other.merchant_id) == before == 4
    with transaction(shop.merchant_id) as session:
        row = session.get_one(Merchant, shop.merchant_id)
        left = (row.email, row.stripe_connect_id, row.access_token, row.stripe_customer_id)
        assert left == (None, None, None, None)
        assert session.get(MerchantSettings, shop.merchant_id)
    assert len(stripe.asked_of("POST", "/oauth/deauthorize")) == 1
    assert len(erasing.tables()) == 17


def test_a_merchant_without_customers_is_gone_altogether(client, app) -> None:
    merchant_id = client.post("/api/merchants", json={}, headers=OPERATOR).get_json()["id"]
    some_work(merchant_id)

    assert erase(client, merchant_id, OPERATOR).get_json()["shopClosed"] is True
    assert_problem(erase(client, merchant_id, OPERATOR), 404)
    assert_problem(client.get(url(merchant_id), headers=OPERATOR), 404)


@pytest.mark.parametrize("fault", ["reset", "broken", "unauthorized", "forbidden", "rate_limit"])
def test_nothing_is_erased_while_stripe_lets_us_in(client, shop, stripe, fault) -> None:
    connect(shop.merchant_id, stripe.connect())
    some_work(shop.merchant_id)
    stripe.breaks(fault, "/oauth/deauthorize")
    stripe.breaks(fault, "/v1/accounts/*", times=None)

    assert_problem(erase(client, shop.merchant_id, OPERATOR), 502)
    assert rows_left(shop.merchant_id) == 4


def test_an_account_that_withdrew_by_itself_is_no_hindrance(client, shop, stripe) -> None:
    account = stripe.connect()
    connect(shop.merchant_id, account)
    stripe.withdraw(account)
    assert erase(client, shop.merchant_id, OPERATOR).status_code == 200


def test_only_the_operator_erases(client, app, shop, monkeypatch) -> None:
    for headers, status in (
        ({}, 401),
        ({"X-Api-Key": "wrong"}, 401),
        ({"X-Admin-Key": "wrong"}, 403),
        (bearer(shop.tokens[Role.OWNER]), 403),
    ):
        assert_problem(erase(client, shop.merchant_id, headers), status)
    monkeypatch.setattr(app.config["SETTINGS"], "admin_api_key", "")
    assert_problem(erase(client, shop.merchant_id, {"X-Admin-Key": ""}), 403)
