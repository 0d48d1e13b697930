"""Refunds at the same moment as orders, callbacks and other refunds, on one wallet."""

from collections import Counter

import pytest
from sqlalchemy import func, select

from mealquest.core.db import transaction
from mealquest.core.errors import AppError
from mealquest.payments import service as payments
from mealquest.payments.errors import RefundTooLarge
from mealquest.payments.models import Refund
from mealquest.tenancy.domain import RefundPolicy
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.outside import ask, told, triple
from tests.factories.refunds import give_back
from tests.factories.threads import run_together
from tests.factories.wallet import make_lot, make_voucher, make_wallet
from tests.payments.test_refund_books import must_balance


def rich(policy: RefundPolicy):
    merchant_id = make_merchant(refund_policy=policy)
    row = make_wallet(
        merchant_id, make_customer(merchant_id), principal=3_000, bonus=1_000, silver=500
    )
    make_lot(merchant_id, row.customer_id, 700)
    for _ in range(3):
        make_voucher(merchant_id, row.customer_id, value=100)
    return row


def refunds_of(row) -> int:
    with transaction(row.merchant_id) as session:
        return session.scalar(select(func.count()).select_from(Refund)) or 0


def test_twenty_times_the_same_key_give_back_once(app):
    row = rich(RefundPolicy.CLAWBACK)
    payment = ask(row, 20).payment_txn_id
    found = run_together(app, [lambda: give_back(row, payment, 5, key="once")] * 20)
    assert len({view.as_json() for view in found}) == 1
    assert sum(not view.replayed for view in found) == 1
    assert refunds_of(row) == 1
    must_balance(row)


@pytest.mark.parametrize("policy", list(RefundPolicy))
def test_no_more_goes_back_than_was_paid(app, policy):
    row = rich(policy)
    payment = ask(row, 20).payment_txn_id
    found = run_together(app, [lambda: give_back(row, payment, 6)] * 8)
    done = [view for view in found if not isinstance(view, Exception)]
    refused = [error for error in found if isinstance(error, Exception)]
    assert len(done) == 3
    assert all(isinstance(error, RefundTooLarge) for error in refused), refused
    assert sorted(view.total_refunded for view in done) == [6, 12, 18]
    must_balance(row)


@pytest.mark.parametrize("policy", list(RefundPolicy))
def test_refunds_orders_and_callbacks_lose_no_cent(app, policy):
    row = rich(policy)
    opened = sum(triple(row))
    paid = [ask(row, amount).payment_txn_id for amount in (7, 11, 9)]
    waiting = ask(row, 60)
    assert waiting.external_payment
    asked = waiting.external_payment.payable_amount
    calls = [
        *[lambda payment=payment: give_back(row, payment, 3) for payment in paid * 2],
        *[lambda: payments.callback(told(row, waiting.payment_txn_id, asked))] * 3,
        *[lambda: ask(row, 2)] * 4,
        *[lambda: give_back(row, waiting.payment_txn_id, 10)] * 2,
    ]
    found = run_together(app, calls)
    unexpected = [e for e in found if isinstance(e, Exception) and not isinstance(e, AppError)]
    assert not unexpected
    must_balance(row)
    said = Counter(type(one).__name__ for one in found)
    assert said["RefundedView"] >= 6, said
    assert said["OutsideView"] == 3, said
    assert sum(triple(row)) <= opened
