"""The owner's figures: each is the sum of rows that a list shows with the same filter."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from mealquest.audit.service import AuditStatus, record_alone
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.payments import service as payments
from mealquest.payments.forms import PaymentsForm, VerifyForm
from mealquest.wallet import service as wallet
from mealquest.wallet.forms import VouchersForm, WalletsForm
from tests.factories.http import signed_in
from tests.factories.merchants import make_merchant
from tests.factories.outside import ask, pay
from tests.factories.requests import CLERK, OWNER, keyed
from tests.factories.wallet import make_fixture_customer, make_voucher, make_wallet, wallet_of
from tests.web.shops import open_shop

ZONE = "Asia/Shanghai"


def take(row, amount, key):
    form = VerifyForm.model_validate({"userId": row.customer_id, "orderAmount": amount})
    return payments.verify(row.merchant_id, form, CLERK, keyed(form, key))


def backdate(merchant_id, payment_id, moment):
    with transaction(merchant_id) as session:
        session.execute(
            text("UPDATE payments SET created_at = :at WHERE merchant_id = :m AND id = :id"),
            {"at": moment, "m": merchant_id, "id": payment_id},
        )


@pytest.fixture
def row(app):
    make_fixture_customer()  # another shop's customer, with the same names
    return make_fixture_customer()


def test_takings_are_the_settled_payments_of_the_day(row):
    other = make_fixture_customer()
    take(row, 52, "a")
    take(row, "10.05", "b")
    take(other, 41, "another shop")
    waiting = take(row, 5000, "waits for outside money")

    desk = payments.desk(row.merchant_id)

    day = desk.today.day
    form = PaymentsForm.model_validate({"status": "PAID", "fromDay": day, "toDay": day})
    listed = payments.listed(row.merchant_id, form, OWNER).items
    assert waiting.status == "PENDING_EXTERNAL"
    assert desk.today.count == len(listed) == 2
    assert desk.today.taken == sum(p.order_amount for p in listed)
    for part in ("voucher", "bonus", "principal", "silver", "external"):
        assert getattr(desk.sources, part) == sum(getattr(p.deduction, part) for p in listed)
    assert sum(hour.taken for hour in desk.hours) == desk.today.taken
    assert desk.attention.waiting == 1


def test_the_same_weekday_counts_up_to_the_same_time_and_its_hours_in_full(row):
    here = utc_now().astimezone(ZoneInfo(ZONE))
    week_ago = here - timedelta(days=7)
    midnight = datetime(week_ago.year, week_ago.month, week_ago.day, tzinfo=ZoneInfo(ZONE))
    first, last, earlier = (take(row, amount, str(amount)) for amount in (7, 9, 11))
    backdate(row.merchant_id, first.payment_txn_id, midnight)
    backdate(row.merchant_id, last.payment_txn_id, midnight + timedelta(hours=23, minutes=59))
    backdate(row.merchant_id, earlier.payment_txn_id, midnight - timedelta(seconds=1))

    desk = payments.desk(row.merchant_id)

    late = (here.hour, here.minute) == (23, 59)
    assert desk.before.taken == (16 if late else 7)
    assert [(h.hour, h.before) for h in desk.hours if h.before] == [(0, 7), (23, 9)]
    assert desk.today.count == 0


def test_what_is_owed_is_the_sum_of_the_wallets_listed(row):
    make_wallet(merchant_id=row.merchant_id, principal=123, bonus=0, silver=4)
    make_wallet(merchant_id=row.merchant_id, principal=0, bonus=0, silver=0)

    owed = payments.desk(row.merchant_id).owed
    first = wallet.wallets(row.merchant_id, WalletsForm(limit=1))
    rest = wallet.wallets(row.merchant_id, WalletsForm(limit=1, cursor=first.next_cursor))

    items = [*first.items, *rest.items]
    assert rest.next_cursor is None
    assert owed.wallets == len(items) == 2
    for bucket in ("principal", "bonus", "silver"):
        assert getattr(owed, bucket) == sum(getattr(i.wallet, bucket) for i in items)


def test_vouchers_that_expire_soon_are_counted_and_listed(row):
    now = utc_now()
    make_voucher(row.merchant_id, row.customer_id, expires_at=now + timedelta(days=20))
    make_voucher(row.merchant_id, row.customer_id, expires_at=now - timedelta(minutes=1))

    desk = payments.desk(row.merchant_id)
    page = wallet.vouchers(row.merchant_id, VouchersForm(), OWNER)

    soon = [i for i in page.items if i.voucher.expires_at <= now + timedelta(days=3)]
    assert desk.attention.expiring_vouchers == len(soon)
    assert len(page.items) == 3
    assert [i.voucher.expires_at for i in page.items] == sorted(
        i.voucher.expires_at for i in page.items
    )


def test_what_a_policy_held_back_needs_attention(row):
    record_alone(row.merchant_id, "PAYMENT_VERIFY", CLERK, {}, AuditStatus.BLOCKED)
    record_alone(row.merchant_id, "PAYMENT_VERIFY", CLERK, {}, AuditStatus.DENIED)

    assert payments.desk(row.merchant_id).attention.blocked == 1


def test_a_new_shop_has_an_empty_desk(app):
    desk = payments.desk(make_merchant())

    assert (desk.today.count, desk.today.taken, desk.owed.wallets) == (0, 0, 0)
    assert len(desk.hours) == 24


def test_the_desk_leads_to_a_payment_that_was_paid_twice(app):
    shop = open_shop("Alpha", 6)
    row = wallet_of(shop.merchant_id, shop.customer)
    asked = ask(row, 5000)
    for number in ("ext_1", "ext_2"):
        payable = asked.external_payment.payable_amount
        pay(row, asked.payment_txn_id, payable, externalTxnId=number, callbackId=None)
    page = signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)

    assert "1 payment was paid twice outside" in page.get("/console/").text
    assert asked.payment_txn_id in page.get("/console/payments?paidAgain=yes").text
    told = page.get(f"/console/payments/{asked.payment_txn_id}").text
    assert "once more, as ext_2." in told
