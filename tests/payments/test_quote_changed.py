"""A wallet that changes between the quote and the payment: the outside part is no surprise."""

import re

import pytest
from flask import Flask

from mealquest.core.principal import Role
from tests.factories.http import Client, assert_problem, bearer, client_of, signed_in
from tests.factories.outside import held, triple
from tests.factories.wallet import make_wallet
from tests.web.shops import Shop, open_shop

FIELD = re.compile(
    r'name="(userId|idempotencyKey|amount|voucherId|expectedExternal)" value="(.*?)"'
)


@pytest.fixture
def shop(app: Flask) -> Shop:
    return open_shop("Alpha", 6)


@pytest.fixture
def row(shop: Shop):
    """The wallet of somebody who has 100."""
    return make_wallet(shop.merchant_id, principal=10_000)


@pytest.fixture
def take(app: Flask, shop: Shop, row):
    """Send an order over the API."""
    clerk, headers = client_of(app), bearer(shop.tokens[Role.CLERK])

    def send(amount, key, **more):
        order = {"userId": row.customer_id, "orderAmount": amount, **more}
        return clerk.post(
            "/api/payment/verify", json=order, headers=headers | {"Idempotency-Key": key}
        )

    return send


def test_what_nobody_expects_is_refused_and_the_key_stays_free(take, row):
    assert take(60, "before", expectedExternal=0).get_json()["status"] == "PAID"
    late = take(60, "late", expectedExternal=0)

    problem = assert_problem(late, 409, "the part to be paid outside has changed", "QUOTE_CHANGED")
    assert (problem["expectedExternal"], problem["payable"]) == (0, 20)
    assert (triple(row), held(row)) == ((4_000, 0, 0), (0, 0, 0))

    asked = take(60, "late", expectedExternal="20.00")
    assert asked.get_json()["status"] == "PENDING_EXTERNAL"
    assert take(60, "late", expectedExternal=0).data == asked.data, "a repeat, not another order"


def test_more_than_expected_in_the_wallet_is_refused_too(take, row):
    assert_problem(take(60, "k", expectedExternal=5), 409, code="QUOTE_CHANGED")
    assert triple(row) == (10_000, 0, 0)


def test_without_an_expectation_an_order_is_taken_however_it_is_covered(take, row):
    assert take(130, "k").get_json()["status"] == "PENDING_EXTERNAL"
    assert take(130, "k2", expectedExternal=None).get_json()["quote"]["payable"] == 130


@pytest.mark.parametrize("wrong", [-1, 0.001, "much", True])
def test_an_expectation_that_is_no_amount_is_refused(take, wrong):
    problem = assert_problem(take(60, "k", expectedExternal=wrong), 400)
    assert [error["field"] for error in problem["errors"]] == ["expectedExternal"]


def test_the_clerks_page_shows_the_new_quote_and_takes_that(app, shop, row, take):
    clerk = signed_in(app, shop.phones[Role.CLERK], shop.merchant_id)
    shown = fields_of(
        clerk, f"/console/counter?userId={row.customer_id}&amount=60&idempotencyKey=k"
    )
    assert shown["expectedExternal"] == "0.00"
    take(60, "before")

    refused = clerk.send_form("/console/payments", shown)
    assert refused.status_code == 409
    assert "<title>Error: " in refused.text
    assert "The wallet has changed since you looked." in refused.text
    assert "Take CNY 40.00 and ask for CNY 20.00" in refused.text
    assert held(row) == (0, 0, 0)

    again = dict(FIELD.findall(refused.text))
    assert again == shown | {"amount": "60.00", "expectedExternal": "20.00"}
    assert clerk.send_form("/console/payments", again).status_code == 303
    assert held(row) == (4_000, 0, 0)


def fields_of(clerk: Client, page: str) -> dict[str, str]:
    return dict(FIELD.findall(clerk.get(page).text))
