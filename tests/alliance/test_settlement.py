"""What stores owe each other is never lost, never made, and settled by the one that is owed."""

import os
from datetime import timedelta
from decimal import Decimal

import pytest

from mealquest.alliance import service as alliance
from mealquest.alliance.debt_forms import DaysForm, LimitForm
from mealquest.core.db import transaction
from mealquest.core.errors import Conflict, Invalid
from mealquest.wallet import service as wallets
from mealquest.wallet.service import SettlementKind, settlement, settlement_days
from tests.alliance.settlement_days import (
    Town,
    all_postings,
    dated_books,
    leave,
    pay,
    refund,
    settle,
    share,
    top_up,
)
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.requests import OWNER
from tests.factories.threads import run_together

DAYS = int(os.environ.get("MQ_SETTLEMENT_DAYS", "120"))


@pytest.fixture
def two(app):
    """The holder of the wallet and a store that uses it, and a customer with 100 in it."""
    holder, store = make_merchant("m_holder"), make_merchant("m_member")
    customer_id = make_customer(holder)
    make_customer(store, customer_id=customer_id)
    share(holder, store)
    top_up(holder, customer_id, Decimal(100))
    return holder, store, customer_id


def position(merchant_id: str, partner_id: str) -> int:
    with transaction(merchant_id) as session:
        found = settlement.position(session, merchant_id, partner_id)
    return found.position_minor if found else 0


def of_partner(merchant_id: str, partner_id: str):
    return alliance.with_partner(merchant_id, partner_id).position


def test_positions_sum_to_zero_on_every_simulated_day(app) -> None:
    with dated_books(app) as books:
        town = Town(books, seed=7)
        for number in range(DAYS):
            town.live_a_day()
            assert sum(town.positions()) == 0, f"day {number}: {town.done}"
            if number % 10 == 9:
                town.close()
        town.day += 1
        town.close()
        assert sum(minor for _, minor in all_postings(town)) == 0
        assert {"sell", "refund", "top_up", "settle", "default", "exit"} <= town.done.keys()
        for store in town.stores:
            closings = {day.partner_id: day.closing for day in reversed(_closed(store))}
            stand = {one.partner_id: one.owes - one.owed for one in _positions(store)}
            assert closings == {name: stand[name] for name in closings}
    findings = [
        finding
        for check in wallets.CHECKS
        if check.name.startswith("settlement")
        for store in town.stores
        for finding in check.find(store)
    ]
    assert findings == []


def _closed(store: str):
    return [day for batch in alliance.every_day(store, DaysForm()) for day in batch]


def _positions(store: str):
    return alliance.debts(store, DaysForm()).positions


def test_what_a_customer_spends_elsewhere_is_owed_until_it_is_settled(two) -> None:
    holder, store, customer_id = two
    done = pay(store, customer_id, Decimal(30))
    refund(store, done.payment_txn_id, Decimal(10))
    assert (of_partner(store, holder).owed, of_partner(holder, store).owes) == (20, 20)
    with pytest.raises(Conflict):
        settle(holder, store)  # who owes cannot say that it paid
    with pytest.raises(Invalid):
        settle(store, holder, Decimal("20.01"))
    part = settle(store, holder, Decimal(15))
    assert (part.amount, part.still_owed) == (15, 5)
    given_up = settle(store, holder, kind=SettlementKind.WRITTEN_OFF)
    assert (given_up.amount, given_up.still_owed) == (5, 0)
    with pytest.raises(Conflict):
        settle(store, holder)
    assert [one.is_creditor for one in alliance.with_partner(holder, store).settlements] == [
        False,
        False,
    ]
    with transaction(store) as session:
        assert wallets.balance_of(session, store, "merchant:written_off") == -500


def test_settling_twice_under_one_key_settles_once(two) -> None:
    holder, store, customer_id = two
    pay(store, customer_id, Decimal(30))
    first = settle(store, holder, Decimal(10), key="the same")
    again = settle(store, holder, Decimal(10), key="the same")
    assert again.as_json() == first.as_json()
    assert again.replayed
    assert position(store, holder) == -2000


def test_settled_by_many_at_once_no_more_is_settled_than_is_owed(app, two) -> None:
    holder, store, customer_id = two
    pay(store, customer_id, Decimal(30))
    calls = [lambda: settle(store, holder, Decimal(8))] * 3
    calls += [lambda: pay(store, customer_id, Decimal(1))] * 2
    results = run_together(app, [*calls, *[lambda: settle(store, holder, Decimal(8))] * 2])
    settled = [one for one in results if getattr(one, "settlement_id", None)]
    owed = 3000 + 200 - 800 * len(settled)
    assert len(settled) in {3, 4}
    assert position(store, holder) == -owed
    assert position(holder, store) == owed


def test_a_limit_stops_the_payment_that_would_pass_it(two) -> None:
    holder, store, customer_id = two
    alliance.set_limit(store, LimitForm(store_id=holder, limit=Decimal(25)), OWNER)
    pay(store, customer_id, Decimal(20))
    with pytest.raises(Conflict) as refused:
        pay(store, customer_id, Decimal("5.01"))
    assert refused.value.reason == "ALLIANCE_EXPOSURE_EXCEEDED"
    assert position(store, holder) == -2000
    pay(store, customer_id, Decimal(5))
    assert of_partner(store, holder).room == 0
    settle(store, holder, Decimal(10))
    pay(store, customer_id, Decimal(10))
    alliance.set_limit(store, LimitForm(store_id=holder, limit=None), OWNER)
    pay(store, customer_id, Decimal(30))


def test_after_leaving_what_is_owed_stays_and_can_be_settled(two) -> None:
    holder, store, customer_id = two
    done = pay(store, customer_id, Decimal(30))
    leave(store)
    assert not of_partner(store, holder).shares
    refund(store, done.payment_txn_id, Decimal(30))  # to the wallet that paid
    assert of_partner(store, holder).owed == 0
    pay(holder, customer_id, Decimal(100))


def test_a_day_is_closed_once_it_is_over_and_holds_every_movement_once(app) -> None:
    with dated_books(app) as books:
        town = Town(books, seed=1, stores=2)
        for _ in range(3):
            town.live_a_day()
        assert not any(day.is_closed for day in _closed(town.holder))
        before = [day.model_copy(update={"is_closed": True}) for day in _closed(town.holder)]
        town.day += 1
        town.close()
        town.close()
        assert _closed(town.holder) == before
        with transaction(town.holder) as session:
            assert settlement_days.close_days(session, town.holder, town.now) == 0
            assert settlement_days.running(session, town.holder, town.now) == []
        later = town.now + timedelta(days=400)
        with transaction(town.holder) as session:
            assert settlement_days.close_days(session, town.holder, later) == 0
