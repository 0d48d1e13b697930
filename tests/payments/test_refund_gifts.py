"""What a payment earned goes back with it; what cannot be taken is owed, and settled by staff."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import Forbidden
from mealquest.identity import service as identity
from mealquest.payments import service as payments
from mealquest.payments.domain import GiftKind
from mealquest.payments.errors import ReceivableClosed, ReceivableNotFound, SettledTooMuch
from mealquest.payments.refund_forms import ReceivablesForm, SettleForm
from mealquest.tenancy.domain import RefundPolicy
from mealquest.wallet import service as wallets
from mealquest.wallet.forms import TopUpForm
from mealquest.wallet.service import LedgerForm
from tests.factories.merchants import make_merchant
from tests.factories.outside import ask, balances, triple
from tests.factories.refunds import earn, give_back, make_receivable
from tests.factories.requests import CLERK, MANAGER, customer, keyed
from tests.factories.wallet import lots_of, make_voucher, make_wallet, vouchers_of


@pytest.fixture
def row(app):
    return make_wallet(make_merchant(refund_policy=RefundPolicy.RESTORE), principal=10_000)


def test_a_gift_goes_back_in_proportion_from_what_is_left_of_it(row):
    payment = ask(row, 50).payment_txn_id
    lot = earn(row, payment, GiftKind.BONUS, 500)
    earn(row, payment, GiftKind.SILVER, 300)

    view = give_back(row, payment, 20)

    assert (view.clawback.reclaim_target, view.clawback.from_bonus) == (Decimal("3.2"), 2)
    assert (view.gifts.from_silver, view.clawback.from_principal) == (Decimal("1.2"), 0)
    assert triple(row) == (7_000, 300, 180)
    assert lots_of(row.merchant_id, row.customer_id)[lot] == 300
    give_back(row, payment, 30)
    assert triple(row) == (10_000, 0, 0)
    assert "merchant:gifts" not in balances(row.merchant_id)


def test_a_gift_that_is_spent_is_taken_from_bonus_then_from_the_new_principal(row):
    payment = ask(row, 50).payment_txn_id
    earn(row, payment, GiftKind.BONUS, 500)
    ask(row, 4)  # spends most of it
    view = give_back(row, payment, 50)
    assert (view.clawback.from_bonus, view.clawback.from_principal) == (1, 4)
    assert view.gifts.receivable == 0
    assert triple(row) == (9_600, 0, 0)


def test_a_gift_that_expired_unspent_was_worth_nothing(row):
    payment = ask(row, 50).payment_txn_id
    earn(row, payment, GiftKind.BONUS, 500, expires_at=utc_now())
    earn(row, payment, GiftKind.BONUS, 200, expires_at=utc_now())
    with transaction(row.merchant_id) as session:
        session.execute(text("UPDATE bonus_lots SET expires_at = NULL WHERE granted_minor = 200"))
    wallets.expire_due()
    view = give_back(row, payment, 50)
    assert view.clawback.reclaim_target == 2
    assert triple(row) == (10_000, 0, 0)


def test_a_voucher_goes_back_whole_with_the_last_cent(row):
    payment = ask(row, 50, voucher_id="NONE").payment_txn_id
    gift = make_voucher(row.merchant_id, row.customer_id, value=600)
    earn(row, payment, GiftKind.VOUCHER, 600, voucher_id=gift)

    assert give_back(row, payment, 49).gifts.withdrawn_vouchers == ()
    view = give_back(row, payment, 1)

    assert view.gifts.withdrawn_vouchers == (gift,)
    assert view.clawback.reclaim_target == 0
    assert vouchers_of(row.merchant_id, row.customer_id) == {gift: "WITHDRAWN"}


def test_a_voucher_that_is_used_is_paid_for_at_what_it_took_off(row):
    payment = ask(row, 50, voucher_id="NONE").payment_txn_id
    gift = make_voucher(row.merchant_id, row.customer_id, value=600)
    earn(row, payment, GiftKind.VOUCHER, 600, voucher_id=gift)
    ask(row, 4)  # all of it by the voucher, whose rest is lost
    view = give_back(row, payment, 25)
    assert (view.clawback.reclaim_target, view.clawback.from_principal) == (2, 2)


def test_a_voucher_that_was_paid_for_in_part_and_comes_back_is_paid_for_and_kept(row):
    payment = ask(row, 50, voucher_id="NONE").payment_txn_id
    gift = make_voucher(row.merchant_id, row.customer_id, value=600)
    earn(row, payment, GiftKind.VOUCHER, 600, voucher_id=gift)
    other = ask(row, 6, voucher_id=gift).payment_txn_id
    claimed = [give_back(row, payment, 25).clawback.reclaim_target]
    give_back(row, other, 6)
    view = give_back(row, payment, 25)
    claimed.append(view.clawback.reclaim_target)
    assert (claimed, view.gifts.withdrawn_vouchers) == ([3, 3], ())
    assert vouchers_of(row.merchant_id, row.customer_id) == {gift: "ACTIVE"}


def test_granted_principal_goes_back_in_proportion_and_money_paid_in_stays(row):
    payment = ask(row, 50).payment_txn_id
    earn(row, payment, GiftKind.PRINCIPAL, 500)

    view = give_back(row, payment, 20)

    assert (view.clawback.reclaim_target, view.clawback.from_principal) == (2, 2)
    assert (view.gifts.from_granted, view.gifts.receivable) == (2, 0)
    assert triple(row) == (5_000 + 500 + 2_000 - 200, 0, 0)
    give_back(row, payment, 30)
    assert triple(row) == (10_000, 0, 0)
    assert "merchant:gifts" not in balances(row.merchant_id)


def test_granted_principal_that_is_spent_is_not_taken_from_what_is_paid_in_later(app):
    """Nothing of the payment comes back as principal, so what cannot be taken is owed."""
    row = make_wallet(make_merchant(refund_policy=RefundPolicy.RESTORE), principal=0)
    voucher = make_voucher(row.merchant_id, row.customer_id, value=1_000)
    payment = ask(row, 10, voucher_id=voucher).payment_txn_id
    earn(row, payment, GiftKind.PRINCIPAL, 500)
    ask(row, 4)  # spends most of the gift
    form = TopUpForm(user_id=row.customer_id, amount=Decimal(100), method="CASH")
    wallets.top_up(row.merchant_id, form, CLERK, keyed(form, "k"))

    view = give_back(row, payment, 10)

    assert (view.gifts.from_granted, view.gifts.receivable) == (1, 4)
    assert view.clawback.from_principal == 1
    assert triple(row) == (10_000, 0, 0)
    with transaction(row.merchant_id) as session:
        wallet = wallets.read_wallet(session, row.merchant_id, row.customer_id)
        assert wallets.granted_principal(session, wallet) == 0


def test_what_was_paid_in_is_spent_before_what_was_granted(row):
    payment = ask(row, 50).payment_txn_id
    earn(row, payment, GiftKind.PRINCIPAL, 500)
    ask(row, 50)
    assert give_back(row, payment, 50).gifts.from_granted == 5
    assert triple(row) == (5_000, 0, 0)


def test_granted_principal_that_is_held_is_not_taken(row):
    payment = ask(row, 50).payment_txn_id
    earn(row, payment, GiftKind.PRINCIPAL, 500)
    ask(row, 100)  # holds all there is, and waits for the rest
    view = give_back(row, payment, 50)
    assert (view.gifts.from_granted, view.clawback.from_principal) == (0, 5)
    assert triple(row) == (5_500 + 5_000 - 500, 0, 0)


def test_fragments_go_back_down_to_none_and_are_owed_to_nobody(row):
    payment = ask(row, 50).payment_txn_id
    earn(row, payment, GiftKind.FRAGMENT, 5)
    view = give_back(row, payment, 20)
    assert (view.gifts.fragments, view.clawback.reclaim_target) == ({"spicy": 2}, 0)
    with transaction(row.merchant_id) as session:
        identity.add_fragments(session, row.merchant_id, row.customer_id, {"spicy": -2})

    view = give_back(row, payment, 30)

    assert (view.gifts.fragments, view.gifts.receivable) == ({"spicy": 1}, 0)
    with transaction(row.merchant_id) as session:
        left = identity.fragments_of(session, row.merchant_id, row.customer_id)
    assert left["spicy"] == 0


def test_a_payment_that_was_refunded_in_full_earns_nothing_more(row):
    payment, waiting = ask(row, 50).payment_txn_id, ask(row, 500).payment_txn_id
    give_back(row, payment, 50)
    with transaction(row.merchant_id) as session:
        assert not payments.may_earn(session, row.merchant_id, payment)
        assert not payments.may_earn(session, row.merchant_id, waiting)
        assert not payments.may_earn(session, row.merchant_id, "txn_none")


# --- what is owed -------------------------------------------------------------------------


@pytest.fixture
def owed(row) -> str:
    return make_receivable(row.merchant_id, row.customer_id, 300)


def settle(row, receivable_id, method, amount=None, key="k", by=MANAGER):
    form = SettleForm(receivable_id=receivable_id, method=method, amount=amount, note="told us")
    return payments.receivables.settle(row.merchant_id, form, by, keyed(form, key, by))


def test_what_cannot_be_taken_is_owed(row, owed):
    (found,) = payments.receivables.listed(row.merchant_id, ReceivablesForm()).items
    assert (found.receivable_id, found.amount, found.open_amount) == (owed, 3, 3)
    assert found.state == "OPEN"
    assert balances(row.merchant_id)["merchant:receivables"] == -300
    assert payments.desk(row.merchant_id).attention.receivables == 1


def test_what_is_noted_with_it_is_for_staff_and_ends_with_the_customer(row, owed):
    settle(row, owed, "CASH", 1)
    wanted = LedgerForm(user_id=row.customer_id, limit=1)

    def told(by):
        return wallets.ledger_page(row.merchant_id, wanted, by).items[0].details.get("note")

    assert [told(MANAGER), told(customer(row.customer_id))] == ["told us", None]
    with transaction(row.merchant_id) as session:
        kept = "SELECT details::text FROM {} WHERE details::text LIKE '%told us%'"
        for table in ("ledger_entries", "audit_log"):
            assert session.execute(text(kept.format(table))).all() == []
        identity.erase_customer(session, row.merchant_id, row.customer_id, cancelled=False)
    assert told(MANAGER) is None
    settle(row, owed, "CASH", key="k2")  # nothing can be noted any more, and it is paid
    assert told(MANAGER) is None


def test_it_is_paid_in_part_and_given_up_for_the_rest(row, owed):
    paid = settle(row, owed, "CASH", 2, by=CLERK)
    assert (paid.settled_amount, paid.open_amount, paid.state) == (2, 1, "OPEN")
    with pytest.raises(SettledTooMuch):
        settle(row, owed, "CARD", 2, key="k2")
    with pytest.raises(Forbidden):
        settle(row, owed, "WRITE_OFF", key="k3", by=CLERK)
    closed = settle(row, owed, "WRITE_OFF", key="k4")
    assert (closed.written_off_amount, closed.open_amount, closed.state) == (1, 0, "WRITTEN_OFF")
    assert settle(row, owed, "WRITE_OFF", key="k4").as_json() == closed.as_json()
    with pytest.raises(ReceivableClosed):
        settle(row, owed, "CASH", key="k5")
    books = balances(row.merchant_id)
    assert "merchant:receivables" not in books
    assert (books["outside:cash"], books["merchant:written_off"]) == (-200, -100)
    assert payments.desk(row.merchant_id).attention.receivables == 0


def test_another_merchant_cannot_close_it(row, owed):
    other = make_wallet()
    with pytest.raises(ReceivableNotFound):
        settle(other, owed, "CASH")
    assert payments.receivables.one(row.merchant_id, owed).state == "OPEN"
