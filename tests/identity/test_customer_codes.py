"""The code on a customer's phone: made, typed, scanned, resolved, refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mealquest.core.clock import utc_now
from mealquest.core.paging import Order
from mealquest.core.principal import Role
from mealquest.identity import customer_codes as codes
from mealquest.identity import service as identity
from mealquest.identity.customer_codes import CustomerCode, Signer
from mealquest.identity.errors import CustomerCodeRefused, UserNotFound
from tests.factories.customers import make_customer
from tests.factories.http import assert_problem, bearer, client_of, customer_token
from tests.factories.merchants import make_merchant
from tests.factories.throttles import count_here
from tests.web.shops import Shop, open_shop

KEY = b"k" * 32
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ids = st.text(min_size=1, max_size=40)
references = st.integers(0, 2**30 - 1)
minutes = st.integers(20_000_000, 40_000_000)


def running() -> int:
    return int(codes.utc_now().timestamp()) // 60


def code_of(merchant_id: str, user_id: str, minutes_ago: int = 0) -> str:
    """What the customer's phone showed then. Made from the one it shows now."""
    now, signer = running(), codes._signer(merchant_id)
    shown = codes.parse_code(identity.own_code(merchant_id, user_id).code)
    assert shown
    reference = signer.blurred(shown.reference, codes.minute_in(shown, now))
    return str(signer.code(user_id, reference, now - minutes_ago))


# --- the code itself ----------------------------------------------------------------------


@given(st.integers(0, 31), references, st.integers(0, 2**45 - 1))
def test_what_is_written_is_what_is_read(minute, reference, tag):
    code = CustomerCode(minute, reference, tag)
    assert re.fullmatch(rf"MQ1\.[{LETTERS}]{{16}}", str(code))
    assert codes.parse_code(str(code)) == code


@given(references, minutes)
def test_it_is_read_however_people_type_it(reference, minute):
    code = Signer(KEY, "m_a").code("u_1", reference, minute)
    text = str(code)
    gaps = text[:4] + "-".join(text[4:][i : i + 4] for i in range(0, 16, 4))
    for typed in (
        text.lower(),
        f"  {text} ",
        gaps,
        gaps.replace("-", " "),
        text.replace(".", ""),
        text[:4] + text[4:].replace("0", "O"),
        text[:4] + text[4:].replace("1", "l"),
        text[:4] + text[4:].replace("1", "I"),
    ):
        assert codes.parse_code(typed) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MQ1.",
        "MQ1.0123",
        "+8613900000001",
        "MQ2.0123456789ABCDEF",
        "MQ1.0123456789ABCDEFG",
        "MQ1.0123456789ABCDEU",
        "MQ1.0123456789ABCDE!",
        "MQ1.０１２３４５６７８９ＡＢＣＤＥＦ",
    ],
)
def test_anything_else_is_no_code(text):
    assert codes.parse_code(text) is None


@given(ids, references, minutes, st.integers(0, 15), st.integers(1, 31))
def test_no_character_of_it_can_be_another(user_id, reference, minute, place, shift):
    signer = Signer(KEY, "m_a")
    text = str(signer.code(user_id, reference, minute))
    was = text[4 + place]
    other = LETTERS[(LETTERS.index(was) + shift) % 32]
    forged = codes.parse_code(text[: 4 + place] + other + text[5 + place :])
    assert forged

    then = codes.minute_in(forged, minute)
    is_found = signer.blurred(forged.reference, then) == reference
    assert not (is_found and signer.names(forged, user_id, then))


@given(ids, ids, references, minutes, st.integers(-40, 40))
def test_it_names_one_customer_of_one_shop_in_one_minute(user_id, other, reference, minute, shift):
    signer = Signer(KEY, "m_a")
    code = signer.code(user_id, reference, minute)

    assert signer.names(code, user_id, minute)
    assert signer.names(code, other, minute) == (other == user_id)
    assert signer.names(code, user_id, minute + shift) == (shift == 0)
    assert not Signer(KEY, "m_b").names(code, user_id, minute)
    assert not Signer(b"o" * 32, "m_a").names(code, user_id, minute)


@given(minutes, st.integers(0, 31))
def test_the_minute_is_told_for_half_an_hour(minute, later):
    code = Signer(KEY, "m_a").code("u_1", 7, minute)
    assert codes.minute_in(code, minute + later) == minute


def test_two_codes_of_one_customer_have_nothing_in_common():
    signer = Signer(KEY, "m_a")
    shown = [signer.code("u_1", 7, minute) for minute in range(1000)]
    assert len({code.reference for code in shown}) == len({code.tag for code in shown}) == 1000


# --- at a shop ----------------------------------------------------------------------------


def test_a_customer_is_resolved_by_the_code_shown(app):
    merchant_id = make_merchant()
    user_id = make_customer(merchant_id, display_name="Li Lei", phone_last4="4321")
    make_customer(merchant_id)

    view = identity.resolve_code(merchant_id, code_of(merchant_id, user_id))

    assert (view.uid, view.display_name, view.phone_masked) == (user_id, "Li Lei", "****4321")


def test_it_counts_for_its_minute_and_the_one_before(app, monkeypatch):
    noon = utc_now().replace(hour=12, minute=0, second=59)
    monkeypatch.setattr(codes, "utc_now", lambda: noon)
    merchant_id = make_merchant()
    user_id = make_customer(merchant_id, "u_any id; even 这")

    assert identity.resolve_code(merchant_id, code_of(merchant_id, user_id, 1)).uid == user_id
    with pytest.raises(CustomerCodeRefused, match="expired") as refused:
        identity.resolve_code(merchant_id, code_of(merchant_id, user_id, 3))
    assert refused.value.reason == "CUSTOMER_CODE_EXPIRED"
    with pytest.raises(CustomerCodeRefused, match="not of this shop"):
        identity.resolve_code(merchant_id, code_of(merchant_id, user_id, 32))


def test_a_code_is_good_at_the_shop_that_made_it_only(app):
    mine, other = make_merchant(), make_merchant()
    user_id = make_customer(mine, "u_same")
    make_customer(other, "u_same")

    with pytest.raises(CustomerCodeRefused, match="not of this shop"):
        identity.resolve_code(other, code_of(mine, user_id))


def test_customers_who_share_a_reference_are_told_apart(app, monkeypatch):
    """The signature decides, not the reference that finds the rows."""
    merchant_id = make_merchant()
    first, second = make_customer(merchant_id), make_customer(merchant_id)
    code = code_of(merchant_id, second)
    everybody = codes.queries.customers_page

    def share(session, merchant_id, _reference):
        options = {"text": None, "phone_hash": None, "after": None, "limit": 9}
        return everybody(session, merchant_id, order=Order.OLDEST, **options)

    monkeypatch.setattr(codes.queries, "customers_of_reference", share)
    assert first != identity.resolve_code(merchant_id, code).uid == second


def test_somebody_who_has_left_has_no_code(app):
    merchant_id = make_merchant()
    gone = make_customer(merchant_id, deleted_at=utc_now())
    with pytest.raises(UserNotFound):
        identity.own_code(merchant_id, gone)


# --- on the wire --------------------------------------------------------------------------


@pytest.fixture
def shop(app) -> Shop:
    return open_shop("Alpha", 6)


@pytest.fixture
def client(app):
    return client_of(app)


def test_an_app_shows_the_code_and_staff_resolve_it(client, shop):
    mine = bearer(shop.tokens[Role.CUSTOMER])
    answer = client.get("/api/customer/code", headers=mine)
    body = answer.get_json()
    assert answer.status_code == 200
    assert 1 <= body["expiresInSec"] <= 60
    assert body["qrSvg"].startswith("<svg xmlns=")

    for role in (Role.CLERK, Role.MANAGER, Role.OWNER):
        found = client.post(
            "/api/customers/resolve",
            json={"code": body["code"]},
            headers=bearer(shop.tokens[role]),
        )
        assert found.status_code == 200
        assert found.get_json()["uid"] == shop.customer


def test_staff_have_no_code_and_customers_resolve_none(client, shop):
    clerk, guest = bearer(shop.tokens[Role.CLERK]), bearer(shop.tokens[Role.CUSTOMER])
    assert_problem(client.get("/api/customer/code", headers=clerk), 403, "permission denied")
    assert_problem(client.get("/api/customer/code"), 401)
    asked = client.post("/api/customers/resolve", json={"code": "MQ1.0"}, headers=guest)
    assert_problem(asked, 403, "permission denied")


def test_a_token_of_another_shop_gets_a_code_of_its_own_shop_only(client, shop):
    beta = open_shop("Beta", 8)
    code = client.get("/api/customer/code", headers=bearer(beta.tokens[Role.CUSTOMER]))
    asked = client.post(
        "/api/customers/resolve",
        json={"code": code.get_json()["code"], "merchantId": beta.merchant_id},
        headers=bearer(shop.tokens[Role.OWNER]),
    )
    assert_problem(asked, 400, "customer code is not of this shop", "CUSTOMER_CODE_REFUSED")
    token = bearer(customer_token(shop.merchant_id, shop.customer))
    elsewhere = client.get(f"/api/customer/code?merchantId={beta.merchant_id}", headers=token)
    assert_problem(elsewhere, 403, code="MERCHANT_SCOPE_DENIED")


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"code": "MQ1.12"}, "customer code format invalid"),
        ({"code": "MQ1.0000000000000000"}, "customer code is not of this shop"),
        ({}, "customer code format invalid"),
        ({"code": 7}, "code must be text"),
    ],
)
def test_what_is_no_code_is_refused_in_words(client, shop, sent, error):
    owner = bearer(shop.tokens[Role.OWNER])
    assert_problem(client.post("/api/customers/resolve", json=sent, headers=owner), 400, error)


def test_guessing_is_counted_for_each_credential(app, client, shop, monkeypatch):
    count_here(app, monkeypatch)
    clerk, owner = (bearer(shop.tokens[role]) for role in (Role.CLERK, Role.OWNER))

    def guess(headers):
        sent = {"code": "MQ1.0000000000000000"}
        return client.post("/api/customers/resolve", json=sent, headers=headers)

    for _ in range(60):
        assert guess(clerk).status_code == 400
    refused = guess(clerk)
    assert_problem(refused, 429)
    assert int(refused.headers["Retry-After"]) <= 60
    assert guess(owner).status_code == 400
