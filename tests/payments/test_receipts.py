"""Receipts: for the counter's printer, for apps, and behind a link that needs no sign-in."""

import re
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import text

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.payments import receipts
from mealquest.payments import service as payments
from mealquest.payments.errors import NoReceipt, PaymentNotFound, ReceiptNotFound
from mealquest.payments.forms import VerifyForm
from tests.factories.customers import make_customer
from tests.factories.http import Client, assert_problem, bearer, client_of, signed_in
from tests.factories.merchants import make_merchant
from tests.factories.requests import CLERK, customer, keyed
from tests.factories.wallet import make_fixture_customer, make_wallet
from tests.web.shops import Shop, open_shop


def pay(row, amount, key="k") -> str:
    form = VerifyForm(user_id=row.customer_id, order_amount=Decimal(amount))
    return payments.verify(row.merchant_id, form, CLERK, keyed(form, key)).payment_txn_id


def change(merchant_id: str, payment_id: str, columns: str, **values) -> None:
    named = {"merchant": merchant_id, "id": payment_id, **values}
    with transaction(merchant_id) as session:
        session.execute(
            text(f"UPDATE payments SET {columns} WHERE merchant_id = :merchant AND id = :id"), named
        )


# --- what it says -------------------------------------------------------------------------


def test_a_receipt_says_who_what_when_and_what_is_left(app):
    merchant_id = make_merchant(name="Noodle House", time_zone="Asia/Tokyo")
    guest = make_customer(merchant_id, display_name="Li Lei", phone_last4="4321")
    payment_id = pay(make_fixture_customer(merchant_id, guest), 60)

    view = payments.receipt(merchant_id, payment_id, CLERK)

    assert (view.shop, view.time_zone, view.customer) == ("Noodle House", "Asia/Tokyo", "****4321")
    assert (view.payment_txn_id, view.order_amount, view.currency) == (payment_id, 60, "CNY")
    assert list(view.deduction.model_dump().values()) == [18, 36, 6, 0, 0]
    assert view.voucher_name == "Soup of the day"
    assert view.wallet_left
    assert list(view.wallet_left.model_dump().values()) == [114, 0, 88]
    assert (view.refunded_amount, view.kept_amount) == (0, 60)
    assert abs(utc_now() - view.paid_at) < timedelta(minutes=1)


def test_without_a_phone_the_name_is_masked(app):
    merchant_id = make_merchant()
    row = make_wallet(merchant_id, make_customer(merchant_id, display_name="韩梅梅"), principal=500)
    assert payments.receipt(merchant_id, pay(row, 5), CLERK).customer == "韩***"


def test_what_was_refunded_is_taken_off(app):
    row = make_wallet(principal=5_000)
    payment_id = pay(row, 50)
    change(row.merchant_id, payment_id, "refunded_minor = 1234")

    view = payments.receipt(row.merchant_id, payment_id, CLERK)

    assert (view.order_amount, view.refunded_amount) == (50, Decimal("12.34"))
    assert view.kept_amount == Decimal("37.66")


def test_the_time_is_when_the_rest_came(app):
    row = make_wallet(principal=5_000)
    payment_id = pay(row, 50)
    came = utc_now() + timedelta(minutes=7)
    change(row.merchant_id, payment_id, "confirmed_at = :came", came=came)

    assert payments.receipt(row.merchant_id, payment_id, CLERK).paid_at == came


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("PENDING_EXTERNAL", "payment has no receipt yet: it waits for money from outside"),
        ("EXTERNAL_FAILED", "payment has no receipt: nothing was taken"),
        ("EXTERNAL_EXPIRED", "payment has no receipt: nothing was taken"),
        ("CANCELLED", "payment has no receipt: nothing was taken"),
        ("EXTERNAL_REFUND_DUE", "payment has no receipt: its money goes back"),
    ],
)
def test_what_is_not_paid_has_no_receipt(app, status, why):
    row = make_wallet(principal=5_000)
    payment_id = pay(row, 50)
    change(row.merchant_id, payment_id, "status = :status", status=status)

    with pytest.raises(NoReceipt, match=re.escape(why)):
        payments.receipt(row.merchant_id, payment_id, CLERK)
    with pytest.raises(ReceiptNotFound):
        payments.receipt_behind_link(payments.receipt_token(row.merchant_id, payment_id))


def test_customers_have_their_own_receipts_only(app):
    mine = make_wallet(principal=5_000)
    other = make_wallet(mine.merchant_id, principal=5_000)
    payment_id = pay(mine, 50)

    own = payments.receipt(mine.merchant_id, payment_id, customer(mine.customer_id))
    assert own.payment_txn_id == payment_id
    with pytest.raises(PaymentNotFound):
        payments.receipt(mine.merchant_id, payment_id, customer(other.customer_id))
    with pytest.raises(PaymentNotFound):
        payments.receipt(make_merchant(), payment_id, CLERK)


# --- the link -----------------------------------------------------------------------------


def test_a_link_opens_its_receipt_without_what_is_in_the_wallet(app):
    row = make_fixture_customer()
    payment_id = pay(row, 60)
    token = payments.receipt_token(row.merchant_id, payment_id)

    view = payments.receipt_behind_link(token)

    assert (view.payment_txn_id, view.order_amount) == (payment_id, 60)
    assert (view.wallet_left, view.url) == (None, None)
    assert payments.receipt_token(row.merchant_id, payment_id) == token, "it is always the same"


def test_no_character_of_a_link_can_be_another(app):
    row = make_wallet(principal=5_000)
    first, second = pay(row, 5, "a"), pay(row, 6, "b")
    token = payments.receipt_token(row.merchant_id, first)

    for place, was in enumerate(token):
        for other in "0Zaf._-":
            if other != was:
                with pytest.raises(ReceiptNotFound):
                    payments.receipt_behind_link(token[:place] + other + token[place + 1 :])
    for wrong in ("", ".", "..", token[:-1], token + "0", token.upper(), f"x.{token}", "é.ü.ß"):
        with pytest.raises(ReceiptNotFound):
            payments.receipt_behind_link(wrong)
    with pytest.raises(ReceiptNotFound):
        payments.receipt_behind_link(token.replace(first, second))


def test_a_link_of_one_shop_opens_nothing_at_another(app):
    row, other = make_wallet(principal=5_000), make_wallet(principal=5_000)
    token = payments.receipt_token(row.merchant_id, pay(row, 5))
    with pytest.raises(ReceiptNotFound):
        payments.receipt_behind_link(token.replace(row.merchant_id, other.merchant_id))
    with pytest.raises(ReceiptNotFound):
        payments.receipt_behind_link(payments.receipt_token(row.merchant_id, "txn_unknown"))


def test_a_link_ends_after_ninety_days(app):
    row = make_wallet(principal=5_000)
    payment_id = pay(row, 5)
    token = payments.receipt_token(row.merchant_id, payment_id)
    taken_at = payments.receipt_behind_link(token).taken_at
    assert payments.receipt_link_ends(taken_at) == taken_at + timedelta(days=90)

    for age, opens in ((timedelta(days=89, hours=23), True), (timedelta(days=90), False)):
        change(row.merchant_id, payment_id, "created_at = :then", then=utc_now() - age)
        if opens:
            assert payments.receipt_behind_link(token).payment_txn_id == payment_id
        else:
            with pytest.raises(ReceiptNotFound):
                payments.receipt_behind_link(token)


def test_another_installation_signs_other_links(app, monkeypatch):
    settings = app.config["SETTINGS"]
    token = payments.receipt_token("m_a", "txn_1")
    monkeypatch.setitem(
        app.config, "SETTINGS", settings.model_copy(update={"jwt_secret": "another secret"})
    )
    assert receipts.link_token("m_a", "txn_1") != token


# --- on the wire --------------------------------------------------------------------------


@pytest.fixture
def shop(app: Flask) -> Shop:
    return open_shop("Alpha", 6)


@pytest.fixture
def client(app: Flask) -> Client:
    return client_of(app)


def clerk_of(app: Flask, shop: Shop) -> Client:
    return signed_in(app, shop.phones[Role.CLERK], shop.merchant_id)


def test_an_app_gets_the_receipt_and_its_link(client, shop):
    mine = bearer(shop.tokens[Role.CUSTOMER])
    answer = client.get(f"/api/payments/{shop.payment}/receipt", headers=mine)

    body = answer.get_json()
    assert answer.status_code == 200
    assert (body["paymentTxnId"], body["orderAmount"], body["customer"]) == (
        shop.payment,
        5,
        f"****{shop.customer_phone[-4:]}",
    )
    assert body["url"].endswith(payments.receipt_token(shop.merchant_id, shop.payment))
    assert body["walletLeft"].keys() == {"principal", "bonus", "silver"}
    assert "takenAt" not in body
    assert client.get(body["url"].partition("localhost")[2]).status_code == 200


def test_strangers_get_no_receipt_without_its_link(client, shop):
    other = open_shop("Beta", 8)
    url = f"/api/payments/{shop.payment}/receipt"
    assert_problem(client.get(url), 401)
    for role in (Role.OWNER, Role.CUSTOMER):
        there = client.get(url, headers=bearer(other.tokens[role]))
        assert_problem(there, 404, "payment not found")
    asked = client.get(
        url, query_string={"merchantId": shop.merchant_id}, headers=bearer(other.tokens[Role.OWNER])
    )
    assert_problem(asked, 403)


def test_an_app_is_told_why_there_is_none(client, shop):
    change(shop.merchant_id, shop.payment, "status = 'EXTERNAL_EXPIRED'")
    owner = bearer(shop.tokens[Role.OWNER])
    asked = client.get(f"/api/payments/{shop.payment}/receipt", headers=owner)
    assert_problem(asked, 409, "payment has no receipt: nothing was taken", "NO_RECEIPT")


@pytest.mark.parametrize("paper", ["80mm", "a4"])
def test_the_page_is_made_for_its_paper(app, shop, paper):
    page = clerk_of(app, shop).get(f"/console/payments/{shop.payment}/receipt?format={paper}")

    assert page.status_code == 200
    assert f"css/receipt-{paper}.css" in page.text
    assert f'class="mq-receipt is-{paper}"' in page.text
    assert "Left in the wallet" in page.text
    assert "data-print" in page.text


def test_an_unknown_paper_is_refused(app, shop):
    page = clerk_of(app, shop).get(f"/console/payments/{shop.payment}/receipt?format=a5")
    assert page.status_code == 400


def test_the_page_says_why_there_is_none(app, shop):
    browser = clerk_of(app, shop)
    change(shop.merchant_id, shop.payment, "status = 'PENDING_EXTERNAL'")
    page = browser.get(f"/console/payments/{shop.payment}/receipt")
    assert page.status_code == 409
    assert "still waits for the rest" in page.text


def test_the_payment_offers_receipt_link_and_picture(app, shop):
    page = clerk_of(app, shop).get(f"/console/payments/{shop.payment}").text
    url = f"http://localhost/r/{payments.receipt_token(shop.merchant_id, shop.payment)}"
    assert f'data-copy="{url}"' in page
    assert f'href="{url}"' in page
    assert "<title>Link to this receipt</title>" in page


def test_an_old_payment_offers_paper_only(app, shop):
    change(shop.merchant_id, shop.payment, "created_at = now() - interval '91 days'")
    browser = clerk_of(app, shop)
    page = browser.get(f"/console/payments/{shop.payment}").text
    assert "/r/" not in page
    assert "You can still print it" in page
    paper = browser.get(f"/console/payments/{shop.payment}/receipt")
    assert paper.status_code == 200
    assert "/r/" not in paper.text


def test_the_link_opens_for_everybody_and_for_no_search_engine(client, shop):
    page = client.get(f"/r/{payments.receipt_token(shop.merchant_id, shop.payment)}")

    assert page.status_code == 200
    assert "Alpha Kitchen" in page.text
    assert "CNY 5.00" in page.text
    assert '<meta name="robots" content="noindex, nofollow">' in page.text
    assert page.headers["Cache-Control"] == "no-store"
    for private in ("Alpha Guest", shop.customer_phone, shop.customer, "Left in the wallet"):
        assert private not in page.text


@pytest.mark.parametrize(("locale", "words"), [("en", "Print or save"), ("zh_Hans", "¥5.00")])
def test_the_link_speaks_the_customers_language(client, shop, locale, words):
    client.set_cookie("mq_locale", locale)
    page = client.get(f"/r/{payments.receipt_token(shop.merchant_id, shop.payment)}")
    assert words in page.text


def test_the_link_tells_the_time_of_the_shop(client, shop):
    change(shop.merchant_id, shop.payment, "created_at = now() - interval '2 days'")
    taken_at = payments.receipt(shop.merchant_id, shop.payment, CLERK).paid_at
    there = taken_at.astimezone(ZoneInfo("Asia/Shanghai"))
    page = client.get(f"/r/{payments.receipt_token(shop.merchant_id, shop.payment)}")
    assert f"{there.day} {there:%b %Y, %H:%M}" in page.text


@pytest.mark.parametrize("token", ["x", "m_alpha.txn_1.00", "%C3%A9", "a.b.c.d", "é" * 300])
def test_a_link_that_is_not_ours_is_not_found(client, shop, token):
    page = client.get(f"/r/{token}")
    assert page.status_code == 404
    assert "older than 90 days" in page.text
