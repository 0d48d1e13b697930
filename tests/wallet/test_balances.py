"""Functions that join a transaction: locks, opening balances, grants, spending."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from threading import Event

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError

from mealquest.core import entering
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.identity.models import Customer
from mealquest.identity.service import UserNotFound
from mealquest.tenancy.models import MerchantSettings
from mealquest.wallet import service as wallets
from mealquest.wallet.domain import VoucherStatus, VoucherType
from mealquest.wallet.errors import BalancesDiffer, VoucherNotUsable, WalletBusy
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.statements import watching
from tests.factories.threads import run_together, wait_until_somebody_waits_for
from tests.factories.wallet import (
    lots_of,
    make_lot,
    make_voucher,
    make_wallet,
    vouchers_of,
    wallet_of,
)


def plan(session, wallet, order: int, wanted: str | None = None):
    purse = wallets.purse(session, wallet.merchant_id, wallet.customer_id, wanted)
    return wallets.checkout(
        order,
        principal=wallet.principal,
        silver=wallet.silver,
        lots=purse.lots,
        vouchers=purse.vouchers,
        now=utc_now(),
        wanted=wanted,
    )


def test_the_lock_reads_balances_and_currency_in_one_statement(app):
    row = make_wallet(make_merchant(currency=Currency.JPY), principal=5, bonus=6, silver=7)
    with watching() as seen, transaction(row.merchant_id) as session:
        wallet = wallets.lock_wallet(session, row.merchant_id, row.customer_id)
    assert len(seen.statements) == 2
    assert (wallet.principal, wallet.bonus, wallet.silver) == (5, 6, 7)
    assert wallet.currency is Currency.JPY


def test_a_customer_without_a_wallet_gets_an_empty_one(app):
    merchant_id = make_merchant()
    customer_id = make_customer(merchant_id)
    with transaction(merchant_id) as session:
        assert wallets.read_wallet(session, merchant_id, customer_id).principal == 0
    with transaction(merchant_id) as session:
        wallets.lock_wallet(session, merchant_id, customer_id)
    assert wallet_of(merchant_id, customer_id).principal_minor == 0


def test_two_first_payments_at_once_share_the_new_wallet(app):
    merchant_id = make_merchant()
    customer_id = make_customer(merchant_id)

    def lock():
        with transaction(merchant_id) as session:
            return wallets.lock_wallet(session, merchant_id, customer_id)

    assert len(set(run_together(app, [lock] * 8))) == 1


@pytest.mark.parametrize("find", [wallets.lock_wallet, wallets.read_wallet])
def test_strangers_and_people_who_left_are_not_found(app, find):
    mine, other = make_wallet(principal=5), make_wallet(principal=7)
    gone = make_customer(mine.merchant_id, deleted_at=utc_now())
    for customer_id in ("nobody", other.customer_id, gone):
        with (
            pytest.raises(UserNotFound, match=r"^user not found$") as refused,
            transaction(mine.merchant_id) as session,
        ):
            find(session, mine.merchant_id, customer_id)
        assert refused.value.reason == "USER_NOT_FOUND"


def test_another_merchants_wallet_is_out_of_reach_even_by_its_own_name(app):
    """Row-level security, beside the filter: the scope is one merchant, the question another's."""
    mine, other = make_wallet(principal=5), make_wallet(principal=7)
    with pytest.raises(UserNotFound), transaction(mine.merchant_id) as session:
        wallets.lock_wallet(session, other.merchant_id, other.customer_id)
    assert wallet_of(other.merchant_id, other.customer_id).principal_minor == 7


def test_a_customer_who_leaves_while_the_lock_is_waited_for_is_not_found(app):
    row = make_wallet(principal=500)
    merchant_id, customer_id = row.merchant_id, row.customer_id
    locked = Event()

    def leave():
        with transaction(merchant_id) as session:
            wallets.lock_wallet(session, merchant_id, customer_id)
            locked.set()
            wait_until_somebody_waits_for(session)
            session.execute(
                update(Customer)
                .where(Customer.merchant_id == merchant_id, Customer.id == customer_id)
                .values(deleted_at=utc_now())
            )

    def pay():
        locked.wait(timeout=4)
        with transaction(merchant_id) as session:
            wallets.lock_wallet(session, merchant_id, customer_id)

    left, paid = run_together(app, [leave, pay])
    assert left is None
    assert isinstance(paid, UserNotFound)


def test_what_was_spent_while_the_lock_was_waited_for_is_seen_as_spent(app):
    row = make_wallet(principal=0)
    merchant_id, customer_id = row.merchant_id, row.customer_id
    make_lot(merchant_id, customer_id, 50)
    make_voucher(merchant_id, customer_id, "once", value=10)
    locked = Event()

    def first():
        with transaction(merchant_id) as session:
            wallet = wallets.lock_wallet(session, merchant_id, customer_id)
            locked.set()
            wait_until_somebody_waits_for(session)
            wallets.spend(session, wallet, plan(session, wallet, 60), "txn_first", {})

    def second():
        locked.wait(timeout=4)
        with transaction(merchant_id) as session:
            wallet = wallets.lock_wallet(session, merchant_id, customer_id)
            purse = wallets.purse(session, merchant_id, customer_id)
        return wallet.bonus, purse

    spent, (bonus, purse) = run_together(app, [first, second])
    assert spent is None
    assert (bonus, purse.lots, purse.vouchers) == (0, (), ())


def test_a_wallet_that_stays_locked_is_busy(app, monkeypatch):
    row = make_wallet(principal=5)
    monkeypatch.setattr(entering, "LOCK_TIMEOUT", "50ms")
    locked, done = Event(), Event()

    def hold():
        with transaction(row.merchant_id) as session:
            wallets.lock_wallet(session, row.merchant_id, row.customer_id)
            locked.set()
            done.wait(timeout=4)

    def ask():
        locked.wait(timeout=4)
        try:
            with transaction(row.merchant_id) as session:
                wallets.lock_wallet(session, row.merchant_id, row.customer_id)
        finally:
            done.set()

    assert isinstance(run_together(app, [hold, ask])[1], WalletBusy)


def test_opening_balances_are_posted_and_the_bonus_never_expires(app):
    row = make_wallet(principal=12_000, bonus=3_600, silver=8_800)
    merchant_id, customer_id = row.merchant_id, row.customer_id
    with transaction(merchant_id) as session:
        accounts = {
            bucket: wallets.balance_of(
                session, merchant_id, wallets.wallet_account(customer_id, bucket)
            )
            for bucket in wallets.Bucket
        }
        assert wallets.balance_of(session, merchant_id, "opening") == -24_400
        (lot,) = wallets.purse(session, merchant_id, customer_id).lots
    assert list(accounts.values()) == [12_000, 3_600, 8_800]
    assert (row.principal_minor, row.bonus_minor, row.silver_minor) == (12_000, 3_600, 8_800)
    assert (lot.left_minor, lot.expires_at) == (3_600, None)


def open_again(merchant_id: str, customer_id: str, **amounts: int) -> None:
    with transaction(merchant_id) as session:
        wallets.open_balances(
            session,
            merchant_id,
            customer_id,
            granted_by="test",
            **{"currency": Currency.CNY, "principal": 1, "bonus": 0, "silver": 0} | amounts,
        )


def test_balances_are_opened_once(app):
    row = make_wallet(principal=5)
    with pytest.raises(IntegrityError):
        open_again(row.merchant_id, row.customer_id)
    assert wallet_of(row.merchant_id, row.customer_id).principal_minor == 5


def test_balances_are_opened_in_the_merchants_currency(app):
    row = make_wallet()
    with pytest.raises(ValueError, match="CNY"):
        open_again(row.merchant_id, row.customer_id, currency=Currency.USD)


def test_an_empty_wallet_follows_the_merchant_to_another_currency(app):
    row = make_wallet()
    with transaction(row.merchant_id) as session:
        session.execute(
            update(MerchantSettings)
            .where(MerchantSettings.merchant_id == row.merchant_id)
            .values(currency=Currency.USD)
        )
    open_again(row.merchant_id, row.customer_id, currency=Currency.USD)
    assert wallet_of(row.merchant_id, row.customer_id).currency is Currency.USD


def test_every_grant_is_a_voucher_of_its_own(app):
    row = make_wallet()
    merchant_id, customer_id = row.merchant_id, row.customer_id
    until = utc_now() + timedelta(days=3)
    with transaction(merchant_id) as session:
        granted = [
            wallets.grant_voucher(
                session,
                merchant_id,
                customer_id,
                kind=VoucherType.DISCOUNT_CARD,
                name="Tenth off",
                discount_rate=Decimal("0.9"),
                granted_by="campaign_1",
            )
            for _ in range(2)
        ]
        named = wallets.grant_voucher(
            session,
            merchant_id,
            customer_id,
            kind=VoucherType.ITEM_WARRANT,
            name="Soup",
            value_minor=1_200,
            granted_by="demo",
            expires_at=until,
            voucher_id="voucher_soon",
        )
        found = {v.id: v for v in wallets.purse(session, merchant_id, customer_id).vouchers}
    assert named == "voucher_soon"
    assert set(found) == {*granted, named}
    assert found[named].expires_at == until
    month = timedelta(days=30)
    assert abs(found[granted[0]].expires_at - utc_now() - month) < timedelta(minutes=1)
    assert found[granted[0]].discount_rate == Decimal("0.9")


def test_spending_takes_lots_balances_and_the_voucher(app):
    row = make_wallet(principal=100, silver=100)
    merchant_id, customer_id = row.merchant_id, row.customer_id
    later = make_lot(merchant_id, customer_id, 30)
    sooner = make_lot(merchant_id, customer_id, 20, expires_at=utc_now() + timedelta(days=1))
    make_voucher(merchant_id, customer_id, "v", value=10)
    make_voucher(merchant_id, customer_id, "other", value=10, expires_at=utc_now() + timedelta(9))

    with transaction(merchant_id) as session:
        wallet = wallets.lock_wallet(session, merchant_id, customer_id)
        wallets.spend(session, wallet, plan(session, wallet, 45), "txn_1", {"quote": {}})

    after = wallet_of(merchant_id, customer_id)
    assert (after.principal_minor, after.bonus_minor, after.silver_minor) == (100, 15, 100)
    assert lots_of(merchant_id, customer_id) == {sooner: 0, later: 15}
    assert vouchers_of(merchant_id, customer_id) == {
        "v": VoucherStatus.USED,
        "other": VoucherStatus.ACTIVE,
    }


@pytest.mark.parametrize("column", ["principal_minor", "bonus_minor", "silver_minor"])
def test_the_database_refuses_a_balance_below_zero(app, column):
    row = make_wallet(principal=10)
    with pytest.raises(IntegrityError), transaction(row.merchant_id) as session:
        session.execute(text(f"UPDATE wallets SET {column} = -1"))


def spend(row, order: int, *, alter=lambda planned: planned, before="SELECT 1", **balances) -> None:
    """Spend a plan made on other balances, altered, or with something done before it is spent."""
    with transaction(row.merchant_id) as session:
        wallet = wallets.lock_wallet(session, row.merchant_id, row.customer_id)
        planned = plan(session, replace(wallet, **balances), order)
        session.execute(text(before))
        wallets.spend(session, wallet, alter(planned), "txn_1", {})


def test_a_plan_made_on_other_balances_takes_nothing(app):
    row = make_wallet(principal=10, bonus=10)
    neighbour = make_wallet(row.merchant_id)
    lot_of_another = make_lot(row.merchant_id, neighbour.customer_id, 100)

    def out_of_a_neighbours_lot(planned):
        return replace(planned, lots=(replace(planned.lots[0], lot_id=lot_of_another),))

    with pytest.raises(BalancesDiffer):
        spend(row, 500, principal=1_000)
    with pytest.raises(BalancesDiffer):
        spend(row, 15, alter=out_of_a_neighbours_lot)
    assert wallet_of(row.merchant_id, row.customer_id).principal_minor == 10
    assert lots_of(row.merchant_id, neighbour.customer_id) == {lot_of_another: 100}


def test_a_voucher_used_since_it_was_read_takes_the_payment_back(app):
    row = make_wallet(principal=100)
    make_voucher(row.merchant_id, row.customer_id, "v", value=10)
    with pytest.raises(VoucherNotUsable, match="not active"):
        spend(row, 50, before="UPDATE vouchers SET status = 'USED'")
    assert wallet_of(row.merchant_id, row.customer_id).principal_minor == 100
    assert vouchers_of(row.merchant_id, row.customer_id) == {"v": VoucherStatus.ACTIVE}


def test_a_plan_that_leaves_something_to_pay_is_not_spent(app):
    with pytest.raises(ValueError, match="left to pay"):
        spend(make_wallet(principal=10), 11)
