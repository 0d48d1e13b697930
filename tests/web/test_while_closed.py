"""A merchant that is closed for a moment: what waits for it, and what is to be sent again."""

import time
from collections.abc import Callable

import pytest
from sqlalchemy import select, text

from jobs import waiting as job
from mealquest.audit.models import AuditRow
from mealquest.core import entering, waiting, waiting_figures
from mealquest.core.db import transaction
from mealquest.core.errors import Conflict, Invalid, MerchantUnavailable
from mealquest.core.principal import Principal, Role
from mealquest.core.waiting import Act, WaitingAct, WaitingState
from mealquest.ops import service as ops
from mealquest.payments import service as payments
from mealquest.tenancy import service as tenancy
from tests.conftest import _owner
from tests.factories.http import assert_problem, bearer, minted, signed_in
from tests.factories.outside import post_callback
from tests.web.samples import _callback

KILL_SWITCH = "/api/merchant/kill-switch"


@pytest.fixture
def close(app, shop, monkeypatch):
    """Shut the merchant's gate, and open it again; nobody waits for long."""
    monkeypatch.setattr(entering, "PAUSE_S", 0.05)
    owner = _owner(app)

    def shut(*, on: bool = True) -> None:
        owner.execute("DELETE FROM tenant_gates WHERE merchant_id = %s", [shop.merchant_id])
        if on:
            owner.execute("INSERT INTO tenant_gates VALUES (%s, 'arriving')", [shop.merchant_id])

    yield shut
    shut(on=False)


@pytest.fixture
def open_again(close) -> Callable[[], str]:
    """Open the gate, and let what waits go on at once."""

    def reopen() -> str:
        close(on=False)
        with transaction() as session:
            session.execute(text("UPDATE waiting_callbacks SET run_at = now()"))
        return job.do()

    return reopen


def acts() -> list[WaitingAct]:
    with transaction() as session:
        return list(session.scalars(select(WaitingAct).order_by(WaitingAct.id)))


def audited(merchant_id: str, action: str) -> list[tuple[str, str]]:
    with transaction(merchant_id) as session:
        rows = session.execute(
            select(AuditRow.status, AuditRow.operator_id)
            .where(AuditRow.merchant_id == merchant_id, AuditRow.action == action)
            .order_by(AuditRow.id)
        )
        return [(row.status.value, row.operator_id) for row in rows]


def status_of(shop, payment_id: str) -> str:
    owner = Principal(Role.OWNER, "staff_owner", shop.merchant_id)
    return payments.payment(shop.merchant_id, payment_id, owner).status.value


# --- the gateway ----------------------------------------------------------------------------


def test_the_gateways_word_is_kept_and_settles_the_payment_once(
    client, shop, close, open_again, monkeypatch
):
    said = _callback(shop)
    close()
    for _ in range(3):
        answer = post_callback(client, said)
        assert answer.status_code == 200, answer.text
        assert answer.get_json() == {
            "accepted": True,
            "merchantId": shop.merchant_id,
            "paymentTxnId": said["paymentTxnId"],
        }
    (act,) = acts()
    assert said["paymentTxnId"] not in (act.content or "")  # sealed
    assert job.do() == "done 0"
    assert acts()[0].attempts == 1
    monkeypatch.setattr(waiting_figures, "_next_look", 0.0)
    assert b"mealquest_waiting_callbacks 1.0" in ops.metrics()

    assert open_again() == "done 1"
    assert status_of(shop, said["paymentTxnId"]) == "PAID"
    (act,) = acts()
    assert (act.state, act.content, act.last_error) == (WaitingState.DONE, None, None)
    again = post_callback(client, said)  # as if the gateway had not heard us
    assert (again.status_code, again.get_json()["status"]) == (200, "PAID")
    assert audited(shop.merchant_id, "PAYMENT_CALLBACK") == [("SUCCESS", "payment_gateway")]


def test_a_word_that_is_wrong_is_refused_later_and_holds_up_none_behind_it(
    client, shop, close, open_again
):
    first, second = _callback(shop), _callback(shop) | {"callbackId": "cb_2"}
    close()
    assert post_callback(client, first | {"paidAmount": 1}).status_code == 200
    assert post_callback(client, second).status_code == 200

    assert open_again() == "done 2"
    assert [act.state for act in acts()] == [WaitingState.REFUSED, WaitingState.DONE]
    assert acts()[0].last_error == "paidAmount mismatch"
    assert status_of(shop, first["paymentTxnId"]) == "PENDING_EXTERNAL"
    assert status_of(shop, second["paymentTxnId"]) == "PAID"
    statuses = [status for status, _ in audited(shop.merchant_id, "PAYMENT_CALLBACK")]
    assert statuses == ["FAILED", "SUCCESS"]


def test_a_forged_word_is_not_kept_and_too_many_are_not_taken(client, shop, close, monkeypatch):
    said = _callback(shop)
    close()
    assert_problem(post_callback(client, said, headers={"X-Payment-Signature": "00"}), 401)
    assert acts() == []
    monkeypatch.setattr(waiting, "MOST_WAITING", 0)
    refused = post_callback(client, said)
    assert_problem(refused, 503, code="MERCHANT_UNAVAILABLE")
    assert refused.headers["Retry-After"] == "2"


# --- the kill switch ------------------------------------------------------------------------


def is_on(shop) -> bool:
    return tenancy.settings(shop.merchant_id).kill_switch_enabled


def test_the_kill_switch_is_kept_and_turned_as_soon_as_can_be(
    client, shop, owner, close, open_again
):
    close()
    answer = client.post(KILL_SWITCH, json={"enabled": True}, headers=owner)
    assert answer.status_code == 202, answer.text
    expected = {"merchantId": shop.merchant_id, "killSwitchEnabled": True, "accepted": True}
    assert answer.get_json() == expected

    assert open_again() == "done 1"
    assert is_on(shop)
    assert audited(shop.merchant_id, "KILL_SWITCH_SET") == [("SUCCESS", "staff_owner")]


def test_by_the_page_too_and_never_for_another_site(app, shop, close, open_again):
    browser = signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)
    token = browser.csrf("/console/kill-switch")
    close()
    assert browser.post("/console/kill-switch", data={"enabled": "true"}).status_code == 403
    fields = {"enabled": "true", "csrf_token": token}
    assert browser.post("/console/kill-switch", data=fields).status_code == 303
    shown = browser.get("/console/kill-switch")
    assert shown.status_code == 503
    assert "done as soon as the shop is open again" in shown.text
    assert open_again() == "done 1"
    assert is_on(shop)


def test_only_somebody_whose_token_may_is_heard_and_only_who_still_may_turns_it(
    client, shop, close, open_again
):
    manager, stranger = bearer(shop.tokens[Role.MANAGER]), bearer("no token")
    gone = bearer(minted(merchantId=shop.merchant_id, operatorId="staff_gone"))
    close()

    def turn(headers: dict[str, str]) -> int:
        return client.post(KILL_SWITCH, json={"enabled": True}, headers=headers).status_code

    assert (turn(manager), turn(stranger), turn({}), turn(gone)) == (403, 401, 401, 202)
    assert open_again() == "done 1"
    assert not is_on(shop)
    assert acts()[0].last_error == "permission denied"
    assert audited(shop.merchant_id, "KILL_SWITCH_SET") == [("DENIED", "staff_gone")]


def test_who_turned_it_later_counts(client, shop, owner, close, open_again, monkeypatch):
    close()
    assert client.post(KILL_SWITCH, json={"enabled": True}, headers=owner).status_code == 202
    close(on=False)
    done = client.post(KILL_SWITCH, json={"enabled": False}, headers=owner)
    assert done.status_code == 200

    assert open_again() == "done 1"
    assert not is_on(shop)


@pytest.mark.parametrize("words", [(True, False), (False, True), (True, False, True)])
def test_of_several_that_were_kept_the_last_word_holds(
    client, shop, owner, close, open_again, words
):
    close()
    for enabled in words:
        assert client.post(KILL_SWITCH, json={"enabled": enabled}, headers=owner).status_code == 202
        time.sleep(0.002)  # ids are in order to the millisecond

    assert open_again() == f"done {len(words)}"
    assert is_on(shop) is words[-1]


# --- everything else ------------------------------------------------------------------------


def test_the_rest_is_to_be_sent_again_and_another_merchant_hears_nothing_of_it(
    client, shop, stranger, owner, close
):
    close()
    began = time.monotonic()
    for answer in (
        client.get("/api/customers", headers=owner),
        client.post("/api/customers", json={"phone": "+8613912345678"}, headers=owner),
    ):
        assert_problem(answer, 503, code="MERCHANT_UNAVAILABLE")
        assert answer.headers["Retry-After"] == "2"
    assert time.monotonic() - began < 2
    theirs = bearer(stranger.tokens[Role.OWNER])
    assert client.get("/api/customers", headers=theirs).status_code == 200
    assert acts() == []


# --- the queue itself -----------------------------------------------------------------------


@pytest.mark.usefixtures("app")
def test_each_merchants_acts_are_done_in_order_and_nobody_waits_for_another():
    done: list[tuple[str, int]] = []
    away = {"m_one"}

    def do(act: Act) -> None:
        if act.merchant_id in away:
            raise MerchantUnavailable
        if act.content["n"] == 7:
            raise Invalid("no")
        done.append((act.merchant_id, act.content["n"]))

    for merchant_id, n in [("m_one", 1), ("m_one", 2), ("m_two", 7), ("m_two", 8), ("m_one", 3)]:
        waiting.keep(merchant_id, "test", {"n": n})
        time.sleep(0.002)  # ids are in order to the millisecond
    while waiting.do_due({"test": do}):
        pass
    assert done == [("m_two", 8)]
    assert [(a.merchant_id, a.attempts) for a in acts() if a.state is WaitingState.WAITING] == [
        ("m_one", 1),
        ("m_one", 0),
        ("m_one", 0),
    ]
    assert waiting.count_of("m_one") == 3
    away.clear()
    with transaction() as session:
        session.execute(text("UPDATE waiting_callbacks SET run_at = now()"))
    while waiting.do_due({"test": do}):
        pass
    assert done == [("m_two", 8), ("m_one", 1), ("m_one", 2), ("m_one", 3)]
    assert not waiting.has_due()


@pytest.mark.usefixtures("app")
def test_what_fails_for_ever_is_given_up_and_forgotten_in_the_end(monkeypatch):
    monkeypatch.setattr(waiting, "MOST_TRIES", 2)

    def fail(_act: Act) -> None:
        raise Conflict("busy")

    waiting.keep("m_one", "test", {"n": 1})
    for settled in (0, 1):
        with transaction() as session:
            session.execute(text("UPDATE waiting_callbacks SET run_at = now()"))
        assert waiting.do_due({"test": fail}) == settled
    (act,) = acts()
    assert (act.state, act.last_error) == (WaitingState.REFUSED, "Conflict('busy')")
    assert waiting.purge_settled() == 0
    with transaction() as session:
        session.execute(text("UPDATE waiting_callbacks SET settled_at = now() - interval '31 d'"))
    assert waiting.purge_settled() == 1
