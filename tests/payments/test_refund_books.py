"""Refunds on the real database: every balance is its ledger sum, whatever was refunded when."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from mealquest.core.db import transaction
from mealquest.identity import service as identity
from mealquest.payments import gateway
from mealquest.payments import service as payments
from mealquest.payments.domain import GiftKind
from mealquest.payments.models import Payment, PaymentGift, Receivable, Refund
from mealquest.tenancy.domain import RefundPolicy
from mealquest.tenancy.models import MerchantSettings
from mealquest.wallet import service as wallets
from mealquest.wallet.models import BonusLot
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.outside import ask, balances, pay, triple
from tests.factories.refunds import earn, give_back
from tests.factories.wallet import lots_of, make_lot, make_voucher, make_wallet

PARTS = ("voucher", "bonus", "principal", "silver", "external")


def major(minor: int) -> Decimal:
    return Decimal(minor).scaleb(-2)


def must_balance(row) -> None:
    """Wallet, lots and ledger say the same; refunds add up to what the payment has gone back."""
    books, account = balances(row.merchant_id), f"wallet:{row.customer_id}:"
    in_books = tuple(books.get(account + name, 0) for name in ("principal", "bonus", "silver"))
    assert triple(row) == in_books
    assert min(in_books) >= 0
    assert sum(lots_of(row.merchant_id, row.customer_id).values()) == in_books[1]
    with transaction(row.merchant_id) as session:
        refunds = list(session.scalars(select(Refund)))
        stored = list(session.scalars(select(Payment)))
        owed = sum(r.amount_minor for r in session.scalars(select(Receivable)))
    for payment in stored:
        back = [r for r in refunds if r.payment_id == payment.id]
        assert payment.refunded_minor == sum(r.amount_minor for r in back)
        for part in PARTS:
            of_part = sum(getattr(r, f"{part}_minor") for r in back)
            assert 0 <= of_part <= getattr(payment, f"{part}_minor")
    settled = [p for p in stored if p.status == "PAID"]
    kept = sum(p.order_minor - p.refunded_minor for p in settled)
    assert books.get("merchant:sales", 0) == kept
    assert books.get("merchant:due_back", 0) == sum(r.external_minor for r in refunds)
    assert books.get("merchant:receivables", 0) == -owed
    with transaction(row.merchant_id) as session:
        assert wallets.budget_used(session, row.merchant_id) == sum(
            p.voucher_minor for p in settled
        ) - sum(r.voucher_minor for r in refunds)


SUMS = st.sampled_from([0, 1, 7, 100, 1234])


@settings(
    max_examples=22,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    policy=st.sampled_from(RefundPolicy),
    held=st.tuples(SUMS, SUMS, SUMS, SUMS),
    voucher=st.sampled_from([0, 13, 500]),
    outside=SUMS,
    cuts=st.lists(st.integers(1, 99), max_size=3),
    earns=st.booleans(),
)
def test_pay_then_refund_in_any_slices(app, policy, held, voucher, outside, cuts, earns):
    principal, old, new, silver = held
    merchant_id = make_merchant(refund_policy=policy)
    row = make_wallet(
        merchant_id, make_customer(merchant_id), principal=principal, bonus=old, silver=silver
    )
    if new:
        make_lot(merchant_id, row.customer_id, new)
    if voucher:
        make_voucher(merchant_id, row.customer_id, value=voucher)
    before = triple(row), lots_of(merchant_id, row.customer_id), balances(merchant_id)
    order = max(1, sum(held) + voucher + outside)
    taken = ask(row, major(order))
    if taken.external_payment:
        pay(row, taken.payment_txn_id, taken.external_payment.payable_amount)
    must_balance(row)
    if earns:
        earn(row, taken.payment_txn_id, GiftKind.BONUS, 40)
        earn(row, taken.payment_txn_id, GiftKind.SILVER, 30)
        earn(row, taken.payment_txn_id, GiftKind.PRINCIPAL, 20)
        earn(row, taken.payment_txn_id, GiftKind.FRAGMENT, 3)

    done = 0
    for share in [*sorted(cuts), 100]:
        amount = order * share // 100 - done
        if amount:
            give_back(row, taken.payment_txn_id, major(amount))
            done += amount
            must_balance(row)

    if policy is RefundPolicy.RESTORE and not earns:
        after = triple(row), lots_of(merchant_id, row.customer_id), balances(merchant_id)
        due_back = after[2].pop("merchant:due_back", 0)
        assert due_back == -after[2].pop("outside:gateway", 0)
        assert after == before
    if earns:
        with transaction(merchant_id) as session:
            gifts = list(session.scalars(select(PaymentGift)))
            fragments = identity.fragments_of(session, merchant_id, row.customer_id)
        assert [gift.claimed_minor for gift in gifts] == [gift.amount_minor for gift in gifts]
        assert fragments["spicy"] == 0


def test_a_policy_that_changes_between_two_refunds_counts_for_what_is_still_to_come(app):
    merchant_id = make_merchant(refund_policy=RefundPolicy.CLAWBACK)
    row = make_wallet(merchant_id, make_customer(merchant_id), bonus=300)
    make_lot(merchant_id, row.customer_id, 300)
    payment = ask(row, 6).payment_txn_id
    give_back(row, payment, 2)
    assert triple(row) == (0, 0, 0)  # all of it was a gift
    with transaction(merchant_id) as session:
        session.execute(MerchantSettings.__table__.update().values(refund_policy="RESTORE"))
    give_back(row, payment, 4)
    must_balance(row)
    assert sorted(lots_of(merchant_id, row.customer_id).values()) == [200, 200]


@pytest.mark.parametrize("policy", list(RefundPolicy))
def test_the_outside_part_is_owed_until_the_gateway_has_it(app, monkeypatch, policy):
    monkeypatch.setattr(gateway, "refund", lambda due: None)
    merchant_id = make_merchant(refund_policy=policy)
    row = make_wallet(merchant_id, make_customer(merchant_id), principal=1_000)
    taken = ask(row, 30)
    pay(row, taken.payment_txn_id, 20)
    give_back(row, taken.payment_txn_id, 15)
    assert balances(merchant_id)["merchant:due_back"] == 1_000
    assert payments.send_due() == 1
    books = balances(merchant_id)
    assert "merchant:due_back" not in books
    assert books["outside:gateway"] == -1_000
    assert books["merchant:sales"] == 1_500


def test_the_lots_of_a_payment_get_back_what_each_gave(app):
    merchant_id = make_merchant(refund_policy=RefundPolicy.RESTORE)
    row = make_wallet(merchant_id, make_customer(merchant_id), bonus=100)
    make_lot(merchant_id, row.customer_id, 200)
    before = lots_of(merchant_id, row.customer_id)
    payment = ask(row, "2.60").payment_txn_id
    for amount in ("0.01", "1.29", "1.30"):
        give_back(row, payment, amount)
        must_balance(row)
    assert lots_of(merchant_id, row.customer_id) == before


def test_bonus_that_is_held_is_never_taken_back(app):
    row = make_wallet(make_merchant(), None, bonus=0)
    merchant_id, customer_id = row.merchant_id, row.customer_id
    make_lot(merchant_id, customer_id, 500)
    payment = ask(row, 5).payment_txn_id  # by bonus
    make_lot(merchant_id, customer_id, 300)
    waiting = ask(row, 10)  # holds those 3, and waits for 7
    view = give_back(row, payment, 5)
    assert (view.clawback.from_bonus, view.clawback.from_principal) == (0, 5)
    assert triple(row) == (0, 300, 0)
    pay(row, waiting.payment_txn_id, 7)
    must_balance(row)


def test_a_payment_that_has_not_kept_its_lots_restores_them_as_a_new_one(app):
    merchant_id = make_merchant(refund_policy=RefundPolicy.RESTORE)
    row = make_wallet(merchant_id, make_customer(merchant_id), bonus=500)
    payment = ask(row, 5).payment_txn_id
    with transaction(merchant_id) as session:
        session.execute(Payment.__table__.update().values(lots=None))
    give_back(row, payment, 2)
    give_back(row, payment, 3)
    must_balance(row)
    with transaction(merchant_id) as session:
        lots = list(session.scalars(select(BonusLot).where(BonusLot.left_minor > 0)))
    assert sorted(lot.left_minor for lot in lots) == [200, 300]
