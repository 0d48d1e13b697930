"""Outside money that came in vain goes back: sent until the gateway has it, never booked twice."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import select, text

from jobs import payments as job
from mealquest.audit.models import AuditRow
from mealquest.core.db import platform_transaction, transaction
from mealquest.core.errors import Conflict, NotFound
from mealquest.payments import gateway as edge
from mealquest.payments import refunds
from mealquest.payments import service as payments
from mealquest.payments.forms import PaymentsForm
from tests.factories.outside import ask, balances, held, let_time_pass, pay, signed
from tests.factories.requests import CLERK, MANAGER, OWNER, customer
from tests.factories.threads import run_together
from tests.factories.wallet import make_fixture_customer
from tests.fakes.gateway import Behaviour, Gateway

SOMEHOW = [Behaviour.BROKEN, Behaviour.REFUSES, Behaviour.REDIRECTS, Behaviour.DROPS]


@pytest.fixture
def gateway(app, monkeypatch) -> Iterator[Gateway]:
    with Gateway() as fake:
        monkeypatch.setattr(app.config["SETTINGS"], "payment_gateway_url", fake.url)
        yield fake


@pytest.fixture
def row(app):
    return make_fixture_customer()


def owe_back(row) -> str:
    """A payment whose 238 from outside came when staff had given it up."""
    payment_id = ask(row, 500).payment_txn_id
    payments.cancel(row.merchant_id, payment_id, CLERK)
    assert pay(row, payment_id, 238).status == "EXTERNAL_REFUND_DUE"
    return payment_id


def refund_of(row, payment_id: str, by=OWNER):
    (refund,) = payments.payment(row.merchant_id, payment_id, by).gateway_refunds
    return refund


def make_due(attempts: int | None = None) -> None:
    with platform_transaction("the test moves time on") as session:
        session.execute(text("UPDATE gateway_refunds SET run_at = now()"))
        if attempts is not None:
            session.execute(text("UPDATE gateway_refunds SET attempts = :n"), {"n": attempts})


def audited(row, action: str) -> list[AuditRow]:
    with transaction(row.merchant_id) as session:
        return list(session.scalars(select(AuditRow).where(AuditRow.action == action)))


def test_the_job_sends_it_signed_and_books_it(row, gateway):
    payment_id = owe_back(row)
    assert payments.has_due()

    assert job.settle() == "expired 0, refunds 1"

    (asked,) = gateway.asked
    refund = refund_of(row, payment_id)
    assert asked.path == "/gateway/refunds"
    assert json.loads(asked.body) == {
        "merchantId": row.merchant_id,
        "refundId": refund.refund_id,
        "paymentTxnId": payment_id,
        "externalTxnId": "ext_1",
        "amount": 238,
        "currency": "CNY",
    }
    assert asked.headers["X-Payment-Signature"] == signed(asked.body)["X-Payment-Signature"]
    assert asked.headers["Idempotency-Key"] == refund.refund_id
    assert (refund.state, refund.attempts, refund.last_error) == ("DONE", 1, None)
    assert refund.done_at is not None
    assert not {"merchant:due_back", "outside:gateway"} & set(balances(row.merchant_id))
    assert audited(row, "GATEWAY_REFUND_DONE")[0].details == {
        "paymentTxnId": payment_id,
        "refundId": refund.refund_id,
        "amount": 238,
    }
    assert payments.payment(row.merchant_id, payment_id, OWNER).status == "EXTERNAL_REFUND_DUE"
    assert not payments.has_due()
    assert job.settle() == "expired 0, refunds 0"


@pytest.mark.parametrize("how", SOMEHOW)
def test_what_the_gateway_did_not_take_is_sent_again_under_the_same_id(row, gateway, how):
    payment_id = owe_back(row)
    gateway.behaviour = how
    payments.send_due()
    first = refund_of(row, payment_id)
    assert (first.state, first.attempts) == ("PENDING", 1)
    assert first.last_error
    assert gateway.url not in first.last_error
    assert refund_of(row, payment_id, customer(row.customer_id)).last_error is None
    assert balances(row.merchant_id)["merchant:due_back"] == 23_800

    gateway.behaviour = Behaviour.TAKES
    make_due()
    payments.send_due()

    assert refund_of(row, payment_id).state == "DONE"
    assert list(gateway.paid_back) == [first.refund_id]
    assert len(gateway.asked) == 2
    assert "merchant:due_back" not in balances(row.merchant_id)


def test_a_gateway_that_hangs_is_not_waited_for(row, gateway, monkeypatch):
    monkeypatch.setattr(edge, "TIMEOUT", httpx.Timeout(0.2))
    payment_id = owe_back(row)
    gateway.behaviour = Behaviour.HANGS
    began = time.monotonic()
    payments.send_due()
    assert time.monotonic() - began < 5
    assert refund_of(row, payment_id).last_error == "no answer: ReadTimeout"


def test_nobody_there_and_nothing_configured_are_put_off_too(row, app, monkeypatch):
    monkeypatch.setattr(app.config["SETTINGS"], "payment_gateway_url", "http://127.0.0.1:1")
    payment_id = owe_back(row)
    payments.send_due()
    assert refund_of(row, payment_id).last_error == "no answer: ConnectError"
    monkeypatch.setattr(app.config["SETTINGS"], "payment_gateway_url", "")
    monkeypatch.setattr(app.config["SETTINGS"], "profile", "prod")
    make_due()
    payments.send_due()
    assert "MQ_PAYMENT_GATEWAY_URL" in refund_of(row, payment_id).last_error


def test_it_waits_longer_each_time_and_staff_are_asked_in_the_end(row, gateway):
    payment_id = owe_back(row)
    gateway.behaviour = Behaviour.BROKEN
    payments.send_due()
    assert payments.send_due() == 0  # not due again yet: the lease, then the back-off
    make_due(attempts=refunds.MAX_ATTEMPTS - 1)
    payments.send_due()
    refund = refund_of(row, payment_id)
    assert (refund.state, refund.last_error, refund.next_try_at) == (
        "STUCK",
        "the gateway answered 503",
        None,
    )
    assert len(audited(row, "GATEWAY_REFUND_STUCK")) == 1
    make_due()
    assert payments.send_due() == 0
    assert not payments.has_due()


def test_a_manager_sends_a_stuck_one_again(row, gateway):
    payment_id = owe_back(row)
    gateway.behaviour = Behaviour.BROKEN
    make_due(attempts=refunds.MAX_ATTEMPTS - 1)
    payments.send_due()
    shown = payments.payment(row.merchant_id, payment_id, MANAGER)
    assert list(shown.next_actions) == ["RETRY_REFUND"]
    assert payments.payment(row.merchant_id, payment_id, CLERK).next_actions == ()
    stranger = make_fixture_customer()
    with pytest.raises(NotFound, match=r"^payment not found$"):
        payments.send_again(stranger.merchant_id, payment_id, OWNER)

    payments.send_again(row.merchant_id, payment_id, MANAGER)

    assert len(audited(row, "GATEWAY_REFUND_RETRY")) == 1
    gateway.behaviour = Behaviour.TAKES
    assert payments.send_due() == 1
    assert refund_of(row, payment_id).state == "DONE"
    with pytest.raises(Conflict, match=r"^no refund of this payment is stuck$"):
        payments.send_again(row.merchant_id, payment_id, MANAGER)


def test_many_workers_send_it_once_and_book_it_once(row, gateway, app):
    payment_id = owe_back(row)
    sizes = run_together(app, [payments.send_due] * 6)
    assert sorted(sizes) == [0, 0, 0, 0, 0, 1]
    assert len(gateway.asked) == 1
    assert refund_of(row, payment_id).state == "DONE"


def test_a_worker_that_died_after_sending_is_followed_by_another(row, gateway, monkeypatch):
    payment_id = owe_back(row)

    def die(*_):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(refunds, "_finish", die)
        payments.send_due()
    assert refund_of(row, payment_id).state == "PENDING"
    assert payments.send_due() == 0  # leased
    make_due()
    payments.send_due()
    assert refund_of(row, payment_id).state == "DONE"
    assert (len(gateway.asked), len(gateway.paid_back)) == (2, 1)
    assert "merchant:due_back" not in balances(row.merchant_id)


def test_one_refund_that_cannot_be_booked_does_not_stop_the_others(row, gateway, monkeypatch):
    other = make_fixture_customer()
    first, second = owe_back(row), owe_back(other)
    finish = refunds._finish

    def fail_for_the_first(refund):
        if refund.payment_id == first:
            raise RuntimeError("the database was away")
        finish(refund)

    monkeypatch.setattr(refunds, "_finish", fail_for_the_first)
    assert payments.send_due() == 2
    assert refund_of(row, first).state == "PENDING"
    assert refund_of(other, second).state == "DONE"


def test_the_job_ends_holds_before_it_sends(row, gateway):
    waiting = ask(row, 500).payment_txn_id
    let_time_pass(row, waiting)
    owed = make_fixture_customer()
    owe_back(owed)
    assert job.settle() == "expired 1, refunds 1"
    assert held(row) == (0, 0, 0)


def test_the_owner_is_told_of_money_that_is_not_back_yet_and_finds_it(row, gateway):
    payment_id = owe_back(row)
    ask(row, 500)
    form = PaymentsForm.model_validate({"goingBack": "yes"})

    def told() -> tuple[int, list[str]]:
        listed = payments.listed(row.merchant_id, form, OWNER).items
        attention = payments.desk(row.merchant_id).attention
        return attention.going_back, [payment.payment_txn_id for payment in listed]

    assert told() == (1, [payment_id])
    payments.send_due()
    assert told() == (0, [])
