"""A customer is erased at the moment they pay, are paid for, and get a refund: nothing is lost."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from mealquest.core.db import transaction
from mealquest.core.errors import AppError
from mealquest.ops.doctor import EACH_MERCHANT
from mealquest.payments import service as payments
from mealquest.payments.forms import VerifyForm
from mealquest.privacy import service as privacy
from mealquest.wallet import service as wallets
from mealquest.wallet.service import Bucket, wallet_account
from tests.factories.outside import ask, balances, held, pay, triple
from tests.factories.refunds import give_back
from tests.factories.requests import CLERK, keyed
from tests.factories.threads import run_together
from tests.factories.wallet import lots_of, make_fixture_customer, vouchers_of
from tests.privacy.conftest import OWNER


def order(row, amount: int, key: str):
    form = VerifyForm(user_id=row.customer_id, order_amount=Decimal(amount), voucher_id="NONE")
    return payments.verify(row.merchant_id, form, CLERK, keyed(form, key))


@pytest.mark.parametrize("round_", range(3))
def test_erasing_races_paying_and_callbacks_and_refunds(app, round_):
    row = make_fixture_customer()
    paid = ask(row, 40).payment_txn_id
    waiting = ask(row, 400)
    payable = waiting.external_payment.payable_amount

    outcomes = run_together(
        app,
        [
            lambda: privacy.delete_user(row.merchant_id, row.customer_id, OWNER),
            lambda: order(row, 1, "k-1"),
            lambda: order(row, 2, "k-2"),
            lambda: pay(row, waiting.payment_txn_id, payable),
            lambda: give_back(row, paid, 10),
            lambda: privacy.delete_user(row.merchant_id, row.customer_id, OWNER),
        ],
    )

    broken = [o for o in outcomes if isinstance(o, Exception) and not isinstance(o, AppError)]
    assert broken == []
    assert outcomes[0] == outcomes[5], "both heard of one erasure"
    must_be_sound(row)


def must_be_sound(row) -> None:
    books, now = balances(row.merchant_id), triple(row)
    for bucket, minor in zip(Bucket, now, strict=True):
        assert books.get(wallet_account(row.customer_id, bucket), 0) == minor
    assert min(now) >= 0
    assert held(row) == (0, 0, 0), "no hold without a payment that waits"
    assert sum(lots_of(row.merchant_id, row.customer_id).values()) == now[1]
    left = vouchers_of(row.merchant_id, row.customer_id).values()
    assert not {wallets.VoucherStatus.ACTIVE, wallets.VoucherStatus.HELD} & set(left)
    with transaction(row.merchant_id) as session:
        waits = session.scalar(
            text("SELECT count(*) FROM payments WHERE status = 'PENDING_EXTERNAL'")
        )
        spilled = session.scalar(
            text("SELECT count(*) FROM live_events WHERE user_id = :id"), {"id": row.customer_id}
        )
    assert (waits, spilled) == (0, 0)
    assert [finding for check in EACH_MERCHANT for finding in check.find(row.merchant_id)] == []
