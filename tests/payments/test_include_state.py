"""Verify with `includeState`: the answer has the state, once and for all, and is kept sealed."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from mealquest.core.db import transaction
from mealquest.core.idempotency import IdempotencyKey
from mealquest.core.outbox import OutboxEvent
from mealquest.core.principal import Role
from mealquest.identity import service as identity
from mealquest.identity.personal import destroy_key
from tests.factories.customers import make_customer
from tests.factories.http import (
    Client,
    assert_problem,
    bearer,
    client_of,
    customer_token,
    staff_token,
)
from tests.factories.merchants import make_merchant
from tests.factories.wallet import make_fixture_customer

SHOP, GUEST, NAME = "m_store_001", "u_fixture_001", "Zhang Meiling"
VERIFY = "/api/payment/verify"


@pytest.fixture
def client(app) -> Client:
    return client_of(app)


@pytest.fixture
def guest(app) -> dict[str, str]:
    make_merchant(SHOP)
    make_fixture_customer(SHOP, make_customer(SHOP, GUEST))
    with transaction(SHOP) as session:
        identity.add_staff(session, SHOP, staff_id="staff_owner", role=Role.OWNER, name="Chen")
        identity.rename_customer(session, SHOP, GUEST, NAME)
    return bearer(customer_token(SHOP, GUEST))


def pay(client: Client, headers: dict[str, str], key: str, query: str = "", **more: Any) -> Any:
    body = {"merchantId": SHOP, "orderAmount": 52, "idempotencyKey": key, "userId": GUEST}
    return client.post(VERIFY + query, json=body | more, headers=headers)


def test_the_state_is_the_one_after_the_payment(client, guest) -> None:
    answer = pay(client, guest, "k", includeState=True).get_json()

    now = client.get(
        "/api/state", query_string={"merchantId": SHOP, "userId": GUEST}, headers=guest
    )
    assert answer["state"] == now.get_json()
    assert answer["state"]["user"]["wallet"] == answer["wallet"]
    assert answer["state"]["user"]["displayName"] == NAME


def test_staff_get_the_state_of_staff(client, guest) -> None:
    owner = bearer(staff_token(SHOP))
    state = pay(client, owner, "k", includeState="1").get_json()["state"]
    assert state["merchant"]["budgetUsed"] == 18


@pytest.mark.parametrize("flag", [True, 1, "1", "true", "YES", "on"])
def test_the_flag_may_be_said_in_many_ways(client, guest, flag) -> None:
    assert "state" in pay(client, guest, "a", includeState=flag).get_json()
    assert "state" in pay(client, guest, "b", query=f"?includeState={flag}").get_json()


@pytest.mark.parametrize("flag", [False, 0, "0", "no", "off", "", "false"])
def test_without_the_flag_there_is_no_state(client, guest, flag) -> None:
    assert "state" not in pay(client, guest, "a", includeState=flag).get_json()
    assert "state" not in pay(client, guest, "b", query=f"?includeState={flag}").get_json()
    assert "state" not in pay(client, guest, "c").get_json()


@pytest.mark.parametrize("flag", [2, "maybe", [], {}, None, 1.0])
def test_what_is_no_flag_is_refused(client, guest, flag) -> None:
    answer = pay(client, guest, "k", includeState=flag)
    assert_problem(answer, 400, "includeState must be true or false")


def test_a_repeat_is_the_first_answer_to_the_byte(client, guest) -> None:
    first = pay(client, guest, "k", includeState=True)
    pay(client, guest, "another")  # the state is another one by now

    again = pay(client, guest, "k", includeState=True)
    without = pay(client, guest, "k")  # how to answer is no part of what was asked

    assert again.data == without.data == first.data
    assert again.headers["Idempotent-Replayed"] == "true"


def test_what_waits_for_outside_money_has_a_state_too(client, guest) -> None:
    answer = pay(client, guest, "k", orderAmount=500, includeState=True).get_json()
    assert answer["status"] == "PENDING_EXTERNAL"
    assert answer["state"]["user"]["wallet"]["held"] == {
        "principal": 120,
        "bonus": 36,
        "silver": 88,
    }


def test_what_is_kept_and_what_is_told_on_names_nobody(client, guest) -> None:
    pay(client, guest, "k", includeState=True)

    with transaction(SHOP) as session:
        kept = session.scalars(select(IdempotencyKey.answer)).one()
        events = session.scalars(select(OutboxEvent.payload)).all()
    assert json.loads(kept)["sealedFor"] == GUEST
    assert NAME not in f"{kept}{events}"
    assert "vouchers" not in f"{kept}{events}"


def test_it_ends_with_the_customers_key(client, guest) -> None:
    pay(client, guest, "k", includeState=True)
    owner = bearer(staff_token(SHOP))
    pay(client, owner, "k", includeState=True)
    with transaction(SHOP) as session:
        destroy_key(session, SHOP, GUEST)

    again = pay(client, owner, "k", includeState=True)

    assert_problem(again, 404, "user not found")
