"""Callbacks, expiry, giving up and new orders at the same moment, on one wallet."""

from collections import Counter
from decimal import Decimal

import pytest
from sqlalchemy import select, text

from mealquest.core.db import transaction
from mealquest.core.errors import Conflict
from mealquest.payments import service as payments
from mealquest.payments.models import GatewayRefund, Payment
from mealquest.wallet import service as wallets
from mealquest.wallet.forms import TopUpForm
from tests.factories.outside import (
    ask,
    balances,
    fail,
    held,
    let_time_pass,
    pay,
    told,
    triple,
)
from tests.factories.requests import CLERK, keyed
from tests.factories.threads import run_together
from tests.factories.wallet import (
    lots_of,
    make_fixture_customer,
    make_lot,
    make_voucher,
    make_wallet,
)


def must_conserve(row, opened: tuple[int, int, int], paid_in: int = 0) -> Counter:
    """Every cent is in the wallet or in a payment that is paid; returns the payments' states."""
    with transaction(row.merchant_id) as session:
        stored = list(session.scalars(select(Payment)))
        refunds = list(session.scalars(select(GatewayRefund)))
        vouchers = session.execute(
            text("SELECT status, used_by FROM vouchers WHERE customer_id = :id"),
            {"id": row.customer_id},
        ).all()

    def spent(part: str, *states: str) -> int:
        return sum(getattr(p, f"{part}_minor") for p in stored if p.status in states)

    principal, bonus, silver = opened
    assert triple(row) == (
        principal + paid_in - spent("principal", "PAID"),
        bonus - spent("bonus", "PAID"),
        silver - spent("silver", "PAID"),
    )
    parts = ("principal", "bonus", "silver")
    assert held(row) == tuple(spent(part, "PENDING_EXTERNAL") for part in parts)
    assert sum(lots_of(row.merchant_id, row.customer_id).values()) == triple(row)[1]
    late = [p for p in stored if p.status == "EXTERNAL_REFUND_DUE"]
    assert sorted(r.payment_id for r in refunds) == sorted(p.id for p in late)
    books = balances(row.merchant_id)
    assert books.get("merchant:sales", 0) == spent("order", "PAID")
    assert books.get("merchant:vouchers", 0) == -spent("voucher", "PAID")
    assert books.get("merchant:due_back", 0) == sum(p.external_minor for p in late)
    assert books.get("outside:gateway", 0) == -spent("external", "PAID", "EXTERNAL_REFUND_DUE")
    backing = {v.used_by for v in vouchers if v.status in {"USED", "HELD"}}
    assert backing == {
        p.id for p in stored if p.voucher_id and p.status in {"PAID", "PENDING_EXTERNAL"}
    }
    return Counter(p.status for p in stored)


@pytest.mark.parametrize("repeat", range(4))
def test_one_order_that_everybody_settles_at_once_is_settled_once(app, repeat):
    row = make_fixture_customer()
    order = ask(row, 500).payment_txn_id
    let_time_pass(row, order)
    form = told(row, order, 238)
    calls = [
        lambda: payments.callback(form),
        lambda: payments.callback(form),
        lambda: pay(row, order, 238),
        lambda: fail(row, order),
        lambda: payments.cancel(row.merchant_id, order, CLERK),
        payments.expire_due,
        payments.expire_due,
        lambda: ask(row, 262, "k"),
    ]

    outcomes = run_together(app, calls[repeat:] + calls[:repeat])

    assert not [o for o in outcomes if isinstance(o, Exception) and not isinstance(o, Conflict)]
    states = must_conserve(row, (12_000, 3_600, 8_800))
    settled = payments.payment(row.merchant_id, order, CLERK).status
    assert settled in {"PAID", "EXTERNAL_REFUND_DUE"}  # money came, whoever was first
    assert sum(states.values()) == 2


def test_many_orders_over_one_wallet_lose_nothing(app):
    row = make_wallet(principal=3_000, silver=500)
    for minor in (200, 150, 50):
        make_lot(row.merchant_id, row.customer_id, minor)
    for value in (100, 90):
        make_voucher(row.merchant_id, row.customer_id, value=value)
    noise = make_fixture_customer()

    def life(n: int):
        """An order that waits or is paid, and then one of its ends, against everybody else's."""
        done = []
        for part in range(3):
            view = ask(row, Decimal("7.77") + n, f"{n}-{part}")
            id_, rest = view.payment_txn_id, view.quote.payable
            if view.status == "PAID":
                continue
            if (n + part) % 4 == 0:
                done.append(payments.cancel(row.merchant_id, id_, CLERK).status)
                done.append(pay(row, id_, rest).status)
            elif (n + part) % 4 == 1:
                let_time_pass(row, id_)
                payments.expire_due()
                done.append(pay(row, id_, rest).status)
            elif (n + part) % 4 == 2:
                done.append(fail(row, id_).status)
                done.append(pay(row, id_, rest).status)
            else:
                done.append(pay(row, id_, rest).status)
        return done

    def top_up(n: int):
        form = TopUpForm(user_id=row.customer_id, amount=Decimal(1), method="CASH")
        return wallets.top_up(row.merchant_id, form, CLERK, keyed(form, f"t{n}")).txn_id

    calls = [lambda n=n: life(n) for n in range(12)] + [lambda n=n: top_up(n) for n in range(4)]
    outcomes = run_together(app, calls)

    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)], outcomes
    states = must_conserve(row, (3_000, 400, 500), paid_in=400)
    assert sum(states.values()) == 36
    assert set(states) <= {"PAID", "EXTERNAL_REFUND_DUE"}
    assert held(row) == (0, 0, 0)
    assert triple(noise) == (12_000, 3_600, 8_800)


def test_a_voucher_is_kept_for_one_of_many_orders(app):
    row = make_wallet()
    make_voucher(row.merchant_id, row.customer_id, "only", value=500)
    views = run_together(app, [lambda n=n: ask(row, 20, str(n)) for n in range(12)])
    assert sum(view.quote.selected_voucher is not None for view in views) == 1
    assert must_conserve(row, (0, 0, 0)) == {"PENDING_EXTERNAL": 12}
    ended = [view.payment_txn_id for view in views]
    run_together(app, [lambda i=i: payments.cancel(row.merchant_id, i, CLERK) for i in ended])
    assert must_conserve(row, (0, 0, 0)) == {"CANCELLED": 12}


def test_callbacks_of_different_customers_do_not_wait_for_each_other(app):
    """While one wallet is locked, a neighbour's payment is settled."""
    row, neighbour = make_fixture_customer(), make_wallet()
    other = make_wallet(row.merchant_id, principal=100)
    mine, theirs = ask(row, 500), ask(other, 5)
    with transaction(row.merchant_id) as session:
        wallets.lock_wallet(session, row.merchant_id, row.customer_id)
        (outcome,) = run_together(
            app, [lambda: pay(other, theirs.payment_txn_id, theirs.quote.payable).status]
        )
    assert outcome == "PAID"
    assert mine.status == "PENDING_EXTERNAL"
    assert triple(neighbour) == (0, 0, 0)
