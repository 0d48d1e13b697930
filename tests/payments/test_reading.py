"""Looking at payments: one, the newest, today's."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from mealquest.core.db import transaction
from mealquest.core.errors import Invalid, NotFound
from mealquest.payments import service as payments
from mealquest.payments.forms import VerifyForm
from mealquest.payments.service import day_of
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.requests import CLERK, OWNER, customer, keyed
from tests.factories.wallet import make_fixture_customer, make_wallet


def pay(row, amount, key="k") -> str:
    form = VerifyForm(user_id=row.customer_id, order_amount=Decimal(amount))
    view = payments.verify(row.merchant_id, form, CLERK, keyed(form, key))
    return view.payment_txn_id


def test_one_payment_with_its_postings(app):
    merchant_id = make_merchant()
    row = make_fixture_customer(merchant_id, make_customer(merchant_id, display_name="Li Lei"))
    payment_id = pay(row, 60)

    view = payments.payment(merchant_id, payment_id, CLERK)

    assert (view.payment_txn_id, view.user_id, view.display_name) == (
        payment_id,
        row.customer_id,
        "Li Lei",
    )
    assert (view.status, view.order_amount, view.currency) == ("PAID", 60, "CNY")
    assert list(view.deduction.model_dump().values()) == [18, 36, 6, 0, 0]
    assert (view.refunded_amount, view.voucher_name, view.taken_by) == (
        0,
        "Soup of the day",
        "staff_clerk",
    )
    assert abs(view.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert [(p.source.rpartition(":")[2], p.destination, p.amount) for p in view.postings] == [
        ("vouchers", "merchant:sales", 18),
        ("bonus", "merchant:sales", 36),
        ("principal", "merchant:sales", 6),
    ]


def test_a_payment_without_a_voucher_names_none(app):
    row = make_wallet(principal=500)
    assert payments.payment(row.merchant_id, pay(row, 5), CLERK).voucher_name is None


def test_a_customer_sees_own_payments_only(app):
    mine = make_fixture_customer()
    neighbour = make_wallet(mine.merchant_id, principal=1_000)
    own, other = pay(mine, 10), pay(neighbour, 10, "other")
    me = customer(mine.customer_id)
    assert payments.payment(mine.merchant_id, own, me).payment_txn_id == own
    for hidden in (other, "txn_nobodys"):
        with pytest.raises(NotFound, match=r"^payment not found$") as refused:
            payments.payment(mine.merchant_id, hidden, me)
        assert refused.value.reason == "PAYMENT_NOT_FOUND"
    assert [item.payment_txn_id for item in payments.recent(mine.merchant_id, me).items] == [own]
    assert len(payments.recent(mine.merchant_id, OWNER).items) == 2


def test_pages_go_through_all_payments_newest_first(app):
    row = make_wallet(principal=1_000)
    noise = make_wallet(principal=1_000)
    ids = [pay(row, 1, str(n)) for n in range(7)]
    pay(noise, 1)
    with transaction(row.merchant_id) as session:  # two at the very same time
        session.execute(
            text("UPDATE payments SET created_at = '2026-01-01' WHERE id = ANY(:ids)"),
            {"ids": ids[:2]},
        )

    seen, cursor = [], None
    for _ in range(4):
        page = payments.recent(row.merchant_id, CLERK, 2, cursor)
        seen += [item.payment_txn_id for item in page.items]
        cursor = page.next_cursor

    assert seen == [*ids[:1:-1], *sorted(ids[:2], reverse=True)]
    assert cursor is None
    assert len(payments.recent(row.merchant_id, CLERK).items) == 7
    assert payments.recent(row.merchant_id, CLERK, 7).next_cursor is None


def test_a_page_that_begins_at_a_cursor_holds_a_customers_own_only(app):
    row = make_wallet(principal=1_000)
    neighbour = make_wallet(row.merchant_id, principal=1_000)
    ids = [pay(who, 1, str(n)) for n, who in enumerate([row, neighbour, row, neighbour, row])]
    me = customer(row.customer_id)
    first = payments.recent(row.merchant_id, me, 1)
    rest = payments.recent(row.merchant_id, me, 5, first.next_cursor)
    assert [item.payment_txn_id for item in rest.items] == [ids[2], ids[0]]


@pytest.mark.parametrize("cursor", ["x", "!!!", "MjAyNg==", "MjAyNi0wMS0wMSB0eG4=", "é", "////"])
def test_a_cursor_of_somebody_elses_making_is_refused(app, cursor):
    with pytest.raises(Invalid, match="cursor") as refused:
        payments.recent(make_merchant(), CLERK, 2, cursor)
    assert refused.value.reason == "CURSOR_INVALID"


def test_today_counts_this_days_payments(app):
    row = make_wallet(principal=5_000)
    noise = make_wallet(principal=5_000)
    ids = [pay(row, 10, str(n)) for n in range(3)]
    pay(noise, 10)
    with transaction(row.merchant_id) as session:
        session.execute(
            text(
                "UPDATE payments SET created_at = created_at - interval '25 hours' WHERE id = :id"
            ),
            {"id": ids[0]},
        )
    view = payments.today(row.merchant_id)
    assert (view.count, view.taken, view.currency) == (2, 20, "CNY")
    assert payments.today(make_merchant()).taken == 0


def test_a_day_is_the_merchants_and_ends_where_the_next_begins(app):
    shanghai, berlin = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
    late = datetime(2026, 3, 1, 16, 30, tzinfo=UTC)  # half past midnight in Shanghai
    assert day_of(late, shanghai)[0].astimezone(UTC) == datetime(2026, 3, 1, 16, tzinfo=UTC)
    since, until = day_of(datetime(2026, 3, 29, 12, tzinfo=UTC), berlin)
    assert until.astimezone(UTC) - since.astimezone(UTC) == timedelta(hours=23)
    assert day_of(until, berlin)[0] == until
