from datetime import timedelta
from threading import Event

import pytest
from sqlalchemy import func, text, update

from mealquest.core import entering, idempotency
from mealquest.core.db import platform_transaction, transaction
from mealquest.core.idempotency import (
    IdempotencyKey,
    KeyedRequest,
    KeyReused,
    StillRunning,
    claim,
    request_hash,
    store,
)
from mealquest.core.wire import Input, View
from tests.identity.parallel import at_once

pytestmark = pytest.mark.usefixtures("app")


class Order(Input):
    amount: int


class Answer(View):
    number: int


def request_of(amount: int = 52, *, actor="staff:clerk", route="payments.verify", key="k-1"):
    return KeyedRequest(actor, route, key, request_hash(Order(amount=amount)))


def take(merchant_id: str, request: KeyedRequest, number: int) -> Answer:
    """The shape of every use case with a key; `number` stands for its effect."""
    with transaction(merchant_id) as session:
        if stored := claim(session, merchant_id, request, Answer):
            return stored
        answer = Answer(number=number)
        store(session, merchant_id, request, answer)
        return answer


def test_a_repeat_gets_the_first_answer_to_the_byte():
    first = take("m_a", request_of(), number=1)
    second = take("m_a", request_of(), number=2)

    assert second.as_json() == first.as_json()
    assert (first.replayed, second.replayed) == (False, True)


def test_the_same_key_for_another_request_is_refused():
    take("m_a", request_of(52), number=1)
    with pytest.raises(KeyReused) as refusal:
        take("m_a", request_of(999), number=2)
    assert refusal.value.reason == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize(
    ("merchant_id", "request_"),
    [
        ("m_b", request_of()),
        ("m_a", request_of(actor="customer:u_1")),
        ("m_a", request_of(route="wallet.top_up")),
        ("m_a", request_of(key="k-2")),
    ],
    ids=["merchant", "actor", "route", "key"],
)
def test_a_key_belongs_to_one_caller_of_one_route_at_one_merchant(merchant_id, request_):
    take("m_a", request_of(), number=1)
    assert take(merchant_id, request_, number=2).number == 2


def claim_and_fail() -> None:
    with transaction("m_a") as session:
        claim(session, "m_a", request_of(), Answer)
        raise ZeroDivisionError


def test_what_was_rolled_back_may_be_sent_again():
    with pytest.raises(ZeroDivisionError):
        claim_and_fail()

    assert take("m_a", request_of(), number=2).number == 2


def test_of_many_at_once_one_has_the_effect(app):
    calls = [lambda number=number: take("m_a", request_of(), number) for number in range(12)]
    answers = at_once(app, *calls)

    assert len({answer.number for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1


def test_while_the_first_runs_longer_than_the_lock_timeout_the_second_is_told(app, monkeypatch):
    monkeypatch.setattr(entering, "LOCK_TIMEOUT", "100ms")
    claimed, told = Event(), Event()

    def first() -> Answer:
        with transaction("m_a") as session:
            claim(session, "m_a", request_of(), Answer)
            claimed.set()
            assert told.wait(10)
            answer = Answer(number=1)
            store(session, "m_a", request_of(), answer)
            return answer

    def second() -> Answer:
        assert claimed.wait(10)
        try:
            return take("m_a", request_of(), number=2)
        finally:
            told.set()

    answer, refusal = at_once(app, first, second)

    assert answer.number == 1
    assert isinstance(refusal, StillRunning)
    assert refusal.reason == "IDEMPOTENCY_IN_PROGRESS"


def test_keys_are_kept_ninety_days():
    for key, days in (("young", 89), ("old", 91)):
        take("m_a", request_of(key=key), number=days)
        with platform_transaction("a test makes keys older") as session:
            session.execute(
                update(IdempotencyKey)
                .where(IdempotencyKey.key == key)
                .values(created_at=func.now() - timedelta(days=days))
            )

    assert idempotency.purge_old() == 1
    assert idempotency.purge_old() == 0
    assert take("m_a", request_of(key="young"), number=0).number == 89
    assert take("m_a", request_of(key="old"), number=0).number == 0


def test_an_answer_is_stored_without_a_look_at_the_merchants_other_keys():
    """Also while the table's statistics are old, as when the shop takes its first payments."""
    for number in range(300):
        take("m_a", request_of(key=f"k-{number}"), number=number)
    with transaction("m_a") as session:
        session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        values = {
            "merchant": "m_a",
            "actor": "a",
            "route": "r",
            "key": "k",
            "answer": "{}",
            "customer": None,
        }
        plan = session.scalars(text(f"EXPLAIN {idempotency._STORE.text}"), values).all()
    assert any("pk_idempotency_keys" in line for line in plan), plan
