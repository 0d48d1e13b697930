"""Many payments at the same moment."""

from decimal import Decimal

from mealquest.core.db import transaction
from mealquest.payments import service as payments
from mealquest.payments.forms import VerifyForm
from mealquest.wallet import service as wallets
from tests.factories.requests import CLERK, keyed
from tests.factories.threads import run_together
from tests.factories.wallet import (
    lots_of,
    make_fixture_customer,
    make_lot,
    make_voucher,
    make_wallet,
    vouchers_of,
    wallet_of,
)


def verify(row, amount, key):
    form = VerifyForm(user_id=row.customer_id, order_amount=Decimal(amount))
    return payments.verify(row.merchant_id, form, CLERK, keyed(form, key))


def test_fifty_at_once_under_one_key_have_one_effect_and_one_answer(app):
    row = make_fixture_customer()
    answers = run_together(app, [lambda: verify(row, 52, "k")] * 50)
    assert len({answer.as_json() for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    after = wallet_of(row.merchant_id, row.customer_id)
    assert (after.principal_minor, after.bonus_minor, after.silver_minor) == (12_000, 200, 8_800)
    assert payments.today(row.merchant_id).count == 1


def test_sixteen_at_once_over_one_wallet_never_overdraw_and_lose_nothing(app):
    row = make_wallet(principal=1_000, silver=55)
    for minor in (100, 250, 33):
        make_lot(row.merchant_id, row.customer_id, minor)
    make_voucher(row.merchant_id, row.customer_id, "only", value=120)
    noise = make_wallet(row.merchant_id, principal=777)
    had = 1_000 + 55 + 383 + 120

    def three(n: int):
        return [verify(row, "0.70", f"{n}-{part}") for part in range(3)]

    outcomes = [
        outcome
        for found in run_together(app, [lambda n=n: three(n) for n in range(16)])
        for outcome in found
    ]

    paid = [outcome for outcome in outcomes if outcome.status == "PAID"]
    assert len(outcomes) == 48
    # The voucher is spent on one order of 70, which forfeits 50 of its 120.
    assert len(paid) == 1 + (had - 120) // 70
    assert sum(outcome.quote.deduction.voucher > 0 for outcome in paid) == 1
    after = wallet_of(row.merchant_id, row.customer_id)
    left = after.principal_minor + after.bonus_minor + after.silver_minor
    assert left == (had - 120) % 70
    assert after.bonus_minor == sum(lots_of(row.merchant_id, row.customer_id).values())
    assert min(after.principal_minor, after.bonus_minor, after.silver_minor) >= 0
    # What did not cover another order is held for one of those that wait; the others hold nothing.
    held = after.held_principal_minor + after.held_bonus_minor + after.held_silver_minor
    waiting = [outcome for outcome in outcomes if outcome.status == "PENDING_EXTERNAL"]
    assert held == left
    assert sum(outcome.quote.payable for outcome in waiting) * 100 == 70 * len(waiting) - held
    assert vouchers_of(row.merchant_id, row.customer_id) == {"only": "USED"}
    with transaction(row.merchant_id) as session:
        sales = wallets.balance_of(session, row.merchant_id, wallets.SALES)
    assert sales == 70 * len(paid)
    assert wallet_of(noise.merchant_id, noise.customer_id).principal_minor == 777


def test_one_voucher_backs_one_of_many_payments(app):
    row = make_wallet()
    make_voucher(row.merchant_id, row.customer_id, "only", value=500)
    outcomes = run_together(app, [lambda n=n: verify(row, 5, str(n)) for n in range(16)])
    assert sorted(outcome.status for outcome in outcomes) == ["PAID"] + ["PENDING_EXTERNAL"] * 15
    assert sum(outcome.quote.payable for outcome in outcomes) == 15 * 5
