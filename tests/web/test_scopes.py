"""Which merchant a request is about: the rules Q, B and P of the wire contract."""

import pytest

from mealquest.core.principal import Role
from mealquest.wallet import service as wallet
from tests.factories.http import assert_problem, bearer

# --- Q: the query's merchant, which must be the token's ------------------------------------


@pytest.mark.parametrize("query", ["", "?merchantId=", "?merchantId=m_alpha"])
def test_a_query_is_about_the_tokens_merchant(client, shop, owner, query) -> None:
    answer = client.get(f"/api/customers{query}", headers=owner)

    assert answer.status_code == 200
    assert answer.get_json()["merchantId"] == "m_alpha"


@pytest.mark.parametrize("named", ["m_beta", "m_nowhere", "M_ALPHA", "m_alpha ", "%00", "_"])
@pytest.mark.parametrize("path", ["/api/customers", "/api/payments", "/api/customers/u_same"])
def test_a_query_that_names_another_merchant_is_denied(
    client, shop, stranger, owner, path, named
) -> None:
    answer = client.get(f"{path}?merchantId={named}", headers=owner)

    assert_problem(answer, 403, "merchant scope denied", "MERCHANT_SCOPE_DENIED")


def test_the_same_holds_for_pages(client, shop, stranger, owner) -> None:
    answer = client.get("/console/customers?merchantId=m_beta", headers=owner)

    assert answer.status_code == 403
    assert answer.mimetype == "text/html"


# --- B and P: the token's merchant, whatever the body says ----------------------------------


def test_a_body_that_names_another_merchant_acts_on_the_tokens(
    client, shop, stranger, owner
) -> None:
    body = {"merchantId": "m_beta", "userId": "u_same", "amount": 7, "method": "CASH"}
    before = wallet.customer_detail("m_beta", "u_same").wallet

    answer = client.post("/api/wallet/top-ups", json=body, headers=owner | {"Idempotency-Key": "k"})

    assert answer.status_code == 200
    grown = wallet.customer_detail("m_alpha", "u_same").wallet.principal
    assert answer.get_json()["wallet"]["principal"] == float(grown)
    assert wallet.customer_detail("m_beta", "u_same").wallet == before


@pytest.mark.parametrize("named", [None, "u_same", "u_nobody", 7, ["u_same"]], ids=str)
def test_a_customer_needs_to_name_nobody(client, shop, named) -> None:
    own = bearer(shop.tokens[Role.CUSTOMER])
    body = {"orderAmount": 5, "userId": named} if named else {"orderAmount": 5}

    answer = client.post("/api/payment/quote", json=body, headers=own)

    assert answer.status_code == 200
    assert [v["voucher"]["id"] for v in answer.get_json()["voucherOptions"]] == [shop.voucher]


@pytest.mark.parametrize("named", ["m_beta", "", None, 7, ["m_beta"], {"a": 1}], ids=str)
def test_a_payment_ignores_the_bodys_merchant(client, shop, stranger, owner, named) -> None:
    body = {"merchantId": named, "userId": "u_same", "orderAmount": 5}

    answer = client.post("/api/payment/verify", json=body, headers=owner | {"Idempotency-Key": "k"})

    assert answer.status_code == 200
    assert answer.get_json()["walletScope"]["walletMerchantId"] == "m_alpha"


def test_a_quote_ignores_the_bodys_and_the_querys_merchant(client, shop, stranger, owner) -> None:
    body = {"merchantId": "m_beta", "userId": shop.customer, "orderAmount": 5}

    answer = client.post("/api/payment/quote?merchantId=m_beta", json=body, headers=owner)

    assert answer.status_code == 200


def test_a_customer_pays_for_nobody_else(client, shop) -> None:
    own = bearer(shop.tokens[Role.CUSTOMER]) | {"Idempotency-Key": "k"}
    before = wallet.customer_detail("m_alpha", "u_same").wallet

    answer = client.post(
        "/api/payment/verify", json={"userId": "u_same", "orderAmount": 5}, headers=own
    )

    assert answer.status_code == 200
    assert wallet.customer_detail("m_alpha", "u_same").wallet == before


# --- names in the path ---------------------------------------------------------------------


def test_the_path_wins_over_the_query_and_the_body(client, shop, owner) -> None:
    for query in ("userId=u_same", "user_id=u_same"):
        shown = client.get(f"/api/customers/{shop.customer}?{query}", headers=owner)
        assert shown.get_json()["uid"] == shop.customer

    fields = {"userId": "u_same", "user_id": "u_same", "amount": "3", "method": "CASH"}
    before = wallet.customer_detail("m_alpha", "u_same").wallet
    done = client.post(
        f"/console/customers/{shop.customer}/top-ups",
        data=fields,
        headers=owner | {"Idempotency-Key": "k"},
    )
    assert done.status_code == 303
    assert wallet.customer_detail("m_alpha", "u_same").wallet == before
