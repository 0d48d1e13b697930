"""What a merchant sets: by API, on its page, and where it shows."""

import pytest
from sqlalchemy import select

from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.identity import service as identity
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.models import Merchant
from mealquest.tenancy.service import TenantPolicy
from tests.factories.customers import make_customer
from tests.factories.http import (
    applicant_token,
    assert_problem,
    bearer,
    client_of,
    csrf_in,
    customer_token,
    signed_in,
    staff_token,
)
from tests.factories.merchants import make_merchant
from tests.factories.wallet import make_voucher, make_wallet

URL = "/api/merchant/settings"
PAGE = "/console/settings"
MERCHANT, OTHER = "m_set", "m_other"
PHONE = "+8613900000031"
ROLES = {"owner": Role.OWNER, "manager": Role.MANAGER, "clerk": Role.CLERK}


@pytest.fixture
def client(app):
    for merchant_id in (MERCHANT, OTHER):
        make_merchant(merchant_id, name="Noodle House", email="old@noodle.example")
        with transaction(merchant_id) as session:
            for name, role in ROLES.items():
                identity.add_staff(
                    session,
                    merchant_id,
                    staff_id=f"staff_{name}",
                    role=role,
                    name=name.title(),
                    phone=PHONE if (merchant_id, role) == (MERCHANT, Role.OWNER) else None,
                )
    return client_of(app)


def by(name: str, merchant_id: str = MERCHANT) -> dict[str, str]:
    return bearer(staff_token(merchant_id, f"staff_{name}"))


def patch(client, body, headers=None):
    return client.patch(URL, json=body, headers=headers or by("owner"))


def merchants_row(merchant_id: str = MERCHANT) -> tuple[str, str | None]:
    with transaction(merchant_id) as session:
        row = session.execute(
            select(Merchant.name, Merchant.email).where(Merchant.id == merchant_id)
        ).one()
    return row.name, row.email


def audited(client) -> list[dict]:
    found = client.get("/api/audit/logs?action=merchant_settings_set", headers=by("owner"))
    return found.get_json()["items"]


def test_all_staff_read_the_settings(client):
    expected = {
        "merchantId": MERCHANT,
        "name": "Noodle House",
        "email": "old@noodle.example",
        "timeZone": "Asia/Shanghai",
        "currency": "CNY",
        "locale": "en",
        "refundPolicy": "CLAWBACK",
        "campaignHoldoutPercent": 10,
        "currencyFixed": False,
    }
    for name in ROLES:
        assert client.get(f"{URL}?merchantId={MERCHANT}", headers=by(name)).get_json() == expected
    assert_problem(
        client.get(f"{URL}?merchantId={OTHER}", headers=by("owner")), 403, "merchant scope denied"
    )
    guest = bearer(customer_token(MERCHANT, make_customer(MERCHANT)))
    assert_problem(client.get(URL, headers=guest), 403, "permission denied")
    assert_problem(client.get(URL), 401)


def test_the_owner_changes_any_of_them_and_the_audit_keeps_the_difference(client):
    sent = {
        "name": "Noodle Palace",
        "email": "new@noodle.example",
        "timeZone": "Europe/Berlin",
        "currency": "EUR",
        "locale": "zh-Hans",
        "refundPolicy": "RESTORE",
        "campaignHoldoutPercent": 25,
    }
    answer = patch(client, sent | {"merchantId": OTHER})  # the token's merchant counts
    whole = sent | {"merchantId": MERCHANT, "currencyFixed": False}
    assert (answer.status_code, answer.get_json()) == (200, whole)
    assert client.get(URL, headers=by("clerk")).get_json() == whole
    assert merchants_row() == ("Noodle Palace", "new@noodle.example")
    assert merchants_row(OTHER) == ("Noodle House", "old@noodle.example")
    [entry] = audited(client)
    assert (entry["status"], entry["operatorId"]) == ("SUCCESS", "staff_owner")
    changed = entry["details"]["changed"]
    assert changed["timeZone"] == {"from": "Asia/Shanghai", "to": "Europe/Berlin"}
    assert changed.keys() == sent.keys()


def test_what_is_left_out_or_the_same_stays_and_is_not_audited(client):
    assert patch(client, {}).status_code == 200
    assert patch(client, {"name": "Noodle House", "currency": "CNY"}).status_code == 200
    assert audited(client) == []
    assert patch(client, {"email": None}).get_json()["email"] is None
    assert merchants_row() == ("Noodle House", None)
    assert audited(client)[0]["details"] == {
        "changed": {"email": {"from": "old@noodle.example", "to": None}}
    }


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"colour": "red"}, "colour is not known here"),
        ({"name": "A", "budgetCap": 5}, "budgetCap is not known here"),
        ({"name": ""}, "merchant name is required"),
        ({"name": "n" * 65}, "merchant name too long"),
        ({"name": None}, "name must be text"),
        ({"email": "nobody"}, "email format invalid"),
        ({"email": "a@b"}, "email format invalid"),
        ({"email": "a b@c.de"}, "email format invalid"),
        ({"timeZone": "Mars/Olympus"}, "timeZone must be an IANA time zone"),
        ({"timeZone": "asia/shanghai"}, "timeZone must be an IANA time zone"),
        ({"timeZone": "../../etc/passwd"}, "timeZone must be an IANA time zone"),
        ({"timeZone": "localtime"}, "timeZone must be an IANA time zone"),
        ({"currency": "XXX"}, "currency is not one of the allowed values"),
        ({"currency": None}, "currency is not one of the allowed values"),
        ({"locale": "de"}, "locale is not one of the allowed values"),
        ({"refundPolicy": "KEEP"}, "refundPolicy is not one of the allowed values"),
    ],
)
def test_a_wrong_or_unknown_field_changes_nothing(client, sent, error):
    before = client.get(URL, headers=by("owner")).get_json()
    assert_problem(patch(client, {"refundPolicy": "RESTORE"} | sent), 400, error)
    assert client.get(URL, headers=by("owner")).get_json() == before


def test_only_the_owner_may(client):
    for name in ("manager", "clerk"):
        assert_problem(patch(client, {"name": "X"}, by(name)), 403, "permission denied")
    assert merchants_row()[0] == "Noodle House"
    denied = audited(client)
    assert [entry["status"] for entry in denied] == ["DENIED", "DENIED"]


def test_a_frozen_merchant_keeps_its_settings(client):
    with transaction(MERCHANT) as session:
        tenancy.set_policy(session, MERCHANT, TenantPolicy(write_enabled=False))
    assert_problem(patch(client, {"name": "X"}), 403, code="TENANT_WRITE_DISABLED")
    assert client.get(URL, headers=by("owner")).status_code == 200
    assert audited(client)[0]["status"] == "BLOCKED"


def test_the_currency_stays_once_money_has_moved(client):
    make_wallet(OTHER, principal=500)  # somebody else's money fixes nothing here
    make_wallet(MERCHANT)  # a wallet without anything in it neither
    assert patch(client, {"currency": "JPY"}).status_code == 200
    make_wallet(MERCHANT, principal=500)
    refused = patch(client, {"currency": "CNY", "name": "X"})
    assert_problem(
        refused, 409, "currency cannot change once money has moved", code="CURRENCY_FIXED"
    )
    assert merchants_row()[0] == "Noodle House"
    assert patch(client, {"currency": "JPY", "name": "Y"}).get_json()["currencyFixed"] is True


def test_a_voucher_is_worth_an_amount_too(client):
    make_voucher(MERCHANT, make_customer(MERCHANT), value=1_000)
    assert_problem(patch(client, {"currency": "JPY"}), 409, code="CURRENCY_FIXED")


def test_the_budgets_cap_stays_the_same_number_in_another_currency(client):
    def cap() -> int:
        return tenancy.settings(MERCHANT).budget_cap_minor

    assert cap() == 30_000
    patch(client, {"currency": "JPY"})
    assert cap() == 300  # yen have no decimals
    patch(client, {"currency": "USD"})
    assert cap() == 30_000


# --- the page -----------------------------------------------------------------------------


def test_the_owner_saves_the_page_and_others_only_read_it(client, app):
    browser = signed_in(app, PHONE, MERCHANT)
    fields = {
        "csrf_token": csrf_in(browser.get(PAGE)),
        "name": "Noodle Palace",
        "email": "",
        "timeZone": "Asia/Tokyo",
        "currency": "JPY",
        "locale": "en",
        "refundPolicy": "RESTORE",
    }
    saved = browser.post(PAGE, data=fields)
    assert (saved.status_code, saved.headers["Location"]) == (303, PAGE)
    assert tenancy.settings(MERCHANT).time_zone == "Asia/Tokyo"
    assert merchants_row() == ("Noodle Palace", None)
    shown = browser.get(PAGE).text
    assert "The settings are saved." in shown
    assert 'value="Asia/Tokyo" selected>Tokyo (UTC+09:00)' in shown
    read_only = client.get(PAGE, headers=by("clerk")).text
    assert "Only the owner can change the settings." in read_only
    assert 'name="timeZone"' not in read_only


def test_a_refused_page_keeps_what_was_typed(client, app):
    browser = signed_in(app, PHONE, MERCHANT)
    fields = {"csrf_token": csrf_in(browser.get(PAGE)), "name": "Typed", "email": "nobody"}
    refused = browser.post(PAGE, data=fields)
    assert refused.status_code == 400
    assert "<title>Error:" in refused.text
    assert 'value="Typed"' in refused.text
    assert 'value="nobody"' in refused.text
    assert merchants_row()[0] == "Noodle House"


def test_the_console_speaks_the_shops_language_until_somebody_chooses(client):
    def language(**headers: str) -> str:
        page = client.get(PAGE, headers=by("clerk") | headers).text
        return page.split('<html lang="', 1)[1].split('"', 1)[0]

    assert language(**{"Accept-Language": "zh-CN"}) == "en"
    patch(client, {"locale": "zh-Hans"})
    assert language(**{"Accept-Language": "en"}) == "zh-Hans"
    client.set_cookie("mq_locale", "en")
    assert language() == "en"


def test_times_are_shown_in_the_shops_zone(client):
    patch(client, {"timeZone": "Pacific/Marquesas"})
    page = client.get(PAGE, headers=by("clerk")).text
    assert "(UTC-09:30)" in page


def test_amounts_have_the_decimals_of_their_currency(client):
    patch(client, {"currency": "JPY"})
    make_wallet(MERCHANT, make_customer(MERCHANT, "u_yen"), principal=1_250)
    page = client.get("/console/customers/u_yen", headers=by("clerk")).text.replace("\u00a0", " ")
    assert "JPY 1,250<" in page
    assert "JPY 1,250.00" not in page


def test_a_shop_speaks_the_language_it_was_opened_in(client):
    headers = bearer(applicant_token("+8613900000077")) | {"Accept-Language": "zh-CN"}
    opened = client.post(
        "/console/onboard", data={"name": "Mian", "merchantId": "m_mian"}, headers=headers
    )
    assert opened.status_code == 303, opened.text
    assert tenancy.settings("m_mian").locale == "zh-Hans"
