"""The counter, fast: customers at hand, codes that are scanned or typed, large buttons."""

from decimal import Decimal

import pytest
from flask import Flask

from mealquest.core.clock import utc_now
from mealquest.core.principal import Role
from mealquest.identity import service as identity
from mealquest.payments import counter
from mealquest.payments import service as payments
from mealquest.payments.forms import VerifyForm
from tests.factories.customers import make_customer
from tests.factories.http import Client, signed_in
from tests.factories.merchants import make_merchant
from tests.factories.requests import CLERK, keyed
from tests.factories.throttles import count_here
from tests.factories.wallet import make_wallet
from tests.web.shops import Shop, open_shop

HTMX = {"HX-Request": "true", "HX-Target": "found"}


@pytest.fixture
def shop(app: Flask) -> Shop:
    return open_shop("Alpha", 6)


@pytest.fixture
def clerk(app: Flask, shop: Shop) -> Client:
    return signed_in(app, shop.phones[Role.CLERK], shop.merchant_id)


def served(merchant_id: str) -> list[str]:
    return [customer.uid for customer in counter.find(merchant_id, "").last_served]


def pay(merchant_id: str, customer_id: str, key: str) -> None:
    form = VerifyForm(user_id=customer_id, order_amount=Decimal(1))
    payments.verify(merchant_id, form, CLERK, keyed(form, key))


# --- customers at hand --------------------------------------------------------------------


def test_the_last_six_who_paid_are_at_hand_the_last_one_first(app):
    merchant_id = make_merchant()
    guests = [make_wallet(merchant_id, principal=10_000).customer_id for _ in range(8)]
    for number, guest in enumerate([*guests, guests[4], guests[4]]):
        pay(merchant_id, guest, f"k{number}")

    expected = [guests[4], guests[7], guests[6], guests[5], guests[3], guests[2]]
    assert served(merchant_id) == expected
    newest = [customer.uid for customer in counter.find(merchant_id, "").customers]
    assert sorted(newest) == sorted([guests[0], guests[1]]), "nobody is shown twice"


def test_only_the_newest_payments_are_looked_through(app):
    merchant_id = make_merchant()
    early, regular = (make_wallet(merchant_id, principal=90_000).customer_id for _ in range(2))
    pay(merchant_id, early, "early")
    for number in range(counter.LOOKED_THROUGH - 1):
        pay(merchant_id, regular, f"k{number}")
    assert served(merchant_id) == [regular, early]

    pay(merchant_id, regular, "one more")
    assert served(merchant_id) == [regular]


def test_nobody_of_another_shop_and_nobody_who_left_is_at_hand(app):
    mine, other = make_merchant(), make_merchant()
    gone = make_customer(mine, deleted_at=utc_now())
    assert served(mine) == []
    there = make_wallet(other, principal=500).customer_id
    pay(other, there, "k")
    assert (served(mine), served(other)) == ([], [there])
    assert gone not in served(mine)


def test_a_search_shows_what_it_finds_alone(app, clerk, shop):
    assert "Served last" in clerk.get("/console/counter").text
    assert "Served last" not in clerk.get("/console/counter?query=nobody").text


# --- codes --------------------------------------------------------------------------------


def test_a_scanned_code_leads_to_the_customer(clerk, shop):
    code = identity.own_code(shop.merchant_id, shop.customer).code
    for typed in (code, code.lower(), code.replace(".", " ")):
        answer = clerk.get("/console/counter", query_string={"query": typed})
        assert answer.status_code == 303
        assert f"userId={shop.customer}" in answer.headers["Location"]


def test_it_does_so_while_it_is_typed_too(clerk, shop):
    code = identity.own_code(shop.merchant_id, shop.customer).code
    answer = clerk.get("/console/counter", query_string={"query": code}, headers=HTMX)
    assert answer.status_code == 204
    assert f"userId={shop.customer}" in answer.headers["HX-Redirect"]


def test_half_a_code_waits_for_the_rest(clerk):
    answer = clerk.get("/console/counter", query_string={"query": "MQ1.8K"}, headers=HTMX)
    assert answer.status_code == 200
    assert "MQ1, then 16" in answer.text
    assert "Add the customer" not in answer.text


def test_a_code_that_nobody_shows_is_told_in_words(clerk):
    answer = clerk.get("/console/counter?query=MQ1.0000000000000000")
    assert answer.status_code == 200
    assert "belongs to no customer of this shop" in answer.text
    assert "Add the customer" not in answer.text


def test_guessing_at_the_counter_is_counted_searching_is_not(app, clerk, monkeypatch):
    count_here(app, monkeypatch)
    for number in range(70):
        assert clerk.get(f"/console/counter?query=name{number}", headers=HTMX).status_code == 200
    guess = "/console/counter?query=MQ1.0000000000000000"
    assert [clerk.get(guess).status_code for _ in range(61)] == [200] * 60 + [429]
    assert clerk.get("/console/counter?query=name").status_code == 200


def test_from_the_code_to_paid(clerk, shop):
    code = identity.own_code(shop.merchant_id, shop.customer).code
    till = clerk.get("/console/counter", query_string={"query": code}).headers["Location"]
    key = till.partition("idempotencyKey=")[2]
    sent = {"userId": shop.customer, "amount": "7", "voucherId": "NONE", "idempotencyKey": key}
    paid = clerk.send_form("/console/payments", sent)
    page = clerk.get(paid.headers["Location"])
    assert "CNY" in page.text
    assert "7.00" in page.text
    assert 'id="receipt"' in page.text


# --- large buttons ------------------------------------------------------------------------


def test_large_buttons_are_remembered_until_they_are_given_back(clerk, shop):
    till = f"/console/counter?userId={shop.customer}&idempotencyKey=k"
    assert "data-key" not in clerk.get(till).text

    chosen = clerk.get("/console/counter?mode=tablet")
    assert "is-tablet" in chosen.text
    cookie = next(c for c in chosen.headers.getlist("Set-Cookie") if c.startswith("mq_counter="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    page = clerk.get(till).text
    assert [f'data-key="{key}"' in page for key in "0123456789."] == [True] * 11

    clerk.get("/console/counter?mode=usual")
    assert "data-key" not in clerk.get(till).text


def test_the_choice_survives_the_way_to_the_customer(clerk, shop):
    onward = clerk.get(f"/console/counter?userId={shop.customer}&mode=tablet")
    assert onward.status_code == 303
    assert "is-tablet" in clerk.get(onward.headers["Location"]).text


def test_another_mode_is_no_mode(clerk):
    answer = clerk.get("/console/counter?mode=%22onclick")
    assert answer.status_code == 200
    assert not [c for c in answer.headers.getlist("Set-Cookie") if c.startswith("mq_counter=")]
