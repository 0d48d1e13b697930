"""Bonus and vouchers whose time is over: swept once, into breakage."""

from datetime import timedelta

from sqlalchemy import func, select, update

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.identity.models import Customer
from mealquest.wallet import queries
from mealquest.wallet import service as wallets
from mealquest.wallet.domain import VoucherStatus
from mealquest.wallet.models import EntryKind, LedgerEntry
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.statements import watching
from tests.factories.threads import run_together
from tests.factories.wallet import (
    lots_of,
    make_lot,
    make_voucher,
    make_wallet,
    vouchers_of,
    wallet_of,
)


def breakage(merchant_id: str) -> int:
    with transaction(merchant_id) as session:
        return wallets.balance_of(session, merchant_id, wallets.BREAKAGE)


def test_what_expired_is_swept_and_the_rest_is_left_alone(app):
    row = make_wallet(principal=10, bonus=100)
    merchant_id, customer_id = row.merchant_id, row.customer_id
    gone = [make_lot(merchant_id, customer_id, minor, expires_at=utc_now()) for minor in (30, 7)]
    alive = make_lot(merchant_id, customer_id, 50, expires_at=utc_now() + timedelta(hours=1))
    make_voucher(merchant_id, customer_id, "late", expires_at=utc_now())
    make_voucher(merchant_id, customer_id, "good")
    make_voucher(merchant_id, customer_id, "spent", status=VoucherStatus.USED, expires_at=utc_now())

    assert wallets.has_due()
    assert wallets.expire_due(10) == 3

    lots = lots_of(merchant_id, customer_id)
    assert [lots[lot] for lot in (*gone, alive)] == [0, 0, 50]
    assert wallet_of(merchant_id, customer_id).bonus_minor == 150 == sum(lots.values())
    assert breakage(merchant_id) == 37
    assert vouchers_of(merchant_id, customer_id) == {
        "late": VoucherStatus.EXPIRED,
        "good": VoucherStatus.ACTIVE,
        "spent": VoucherStatus.USED,
    }
    with transaction(merchant_id) as session:
        swept = session.scalars(
            select(LedgerEntry.details["lotId"].astext).where(
                LedgerEntry.kind == EntryKind.BONUS_EXPIRY
            )
        ).all()
    assert sorted(swept) == sorted(gone)


def test_a_second_run_finds_nothing(app):
    row = make_wallet()
    make_lot(row.merchant_id, row.customer_id, 30, expires_at=utc_now())
    assert [wallets.expire_due(), wallets.expire_due()] == [1, 0]
    assert not wallets.has_due()
    assert breakage(row.merchant_id) == 30


def test_many_runs_at_once_sweep_once(app):
    rows = [make_wallet() for _ in range(3)]
    for row in rows:
        make_lot(row.merchant_id, row.customer_id, 30, expires_at=utc_now())
    settled = run_together(app, [wallets.expire_due] * 6)
    assert sum(settled) == 3
    assert [breakage(row.merchant_id) for row in rows] == [30, 30, 30]


def test_a_batch_is_limited_by_customers_and_the_next_goes_on(app):
    for _ in range(3):
        row = make_wallet()
        make_lot(row.merchant_id, row.customer_id, 30, expires_at=utc_now())
    assert [wallets.expire_due(2), wallets.expire_due(2), wallets.expire_due(2)] == [2, 1, 0]


def test_a_customer_who_left_and_one_without_a_wallet_do_not_stay_due(app):
    row = make_wallet()
    make_lot(row.merchant_id, row.customer_id, 30, expires_at=utc_now())
    with transaction(row.merchant_id) as session:
        session.execute(update(Customer).values(deleted_at=func.now()))
    merchant_id = make_merchant()
    bare = make_customer(merchant_id)
    make_voucher(merchant_id, bare, "late", expires_at=utc_now())

    assert wallets.expire_due() == 2

    assert not wallets.has_due()
    assert breakage(row.merchant_id) == 30
    assert vouchers_of(merchant_id, bare) == {"late": VoucherStatus.EXPIRED}


def test_one_wallet_that_cannot_be_settled_does_not_hold_up_the_others(app):
    broken, fine = make_wallet(), make_wallet()
    for row in (broken, fine):
        make_lot(row.merchant_id, row.customer_id, 30, expires_at=utc_now())
    with transaction(broken.merchant_id) as session:
        wallet = wallets.lock_wallet(session, broken.merchant_id, broken.customer_id)
        queries.move(session, wallet, bonus=-30)  # as a defect would leave it

    assert wallets.expire_due() == 1

    assert breakage(fine.merchant_id) == 30
    assert breakage(broken.merchant_id) == 0
    assert list(lots_of(broken.merchant_id, broken.customer_id).values()) == [30]


def test_a_sweep_during_a_payment_waits_for_the_wallet(app):
    """The lot that the payment spends first is not there twice."""
    row = make_wallet()
    make_lot(row.merchant_id, row.customer_id, 30, expires_at=utc_now() + timedelta(hours=1))
    late = make_lot(row.merchant_id, row.customer_id, 20, expires_at=utc_now())

    def pay():
        with transaction(row.merchant_id) as session:
            wallet = wallets.lock_wallet(session, row.merchant_id, row.customer_id)
            purse = wallets.purse(session, row.merchant_id, row.customer_id)
            planned = wallets.checkout(
                30,
                principal=wallet.principal,
                silver=wallet.silver,
                lots=purse.lots,
                vouchers=purse.vouchers,
                now=utc_now(),
            )
            wallets.spend(session, wallet, planned, "txn_1", {})

    paid, settled = run_together(app, [pay, wallets.expire_due])
    assert (paid, settled) == (None, 1)
    assert wallet_of(row.merchant_id, row.customer_id).bonus_minor == 0
    assert lots_of(row.merchant_id, row.customer_id)[late] == 0
    assert breakage(row.merchant_id) == 20


def test_nothing_is_written_when_nothing_is_due(app):
    make_wallet(bonus=5)
    with watching() as seen:
        assert wallets.expire_due() == 0
    assert not [sql for sql in seen.statements if sql.startswith(("UPDATE", "INSERT", "WITH"))]
