"""What staff see of one customer."""

from datetime import timedelta
from decimal import Decimal

import pytest

from mealquest.core.clock import utc_now
from mealquest.identity.service import UserNotFound
from mealquest.wallet import service as wallets
from mealquest.wallet.domain import VoucherStatus, VoucherType
from mealquest.wallet.forms import TopUpForm
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.requests import OWNER, keyed
from tests.factories.wallet import make_fixture_customer, make_lot, make_voucher, make_wallet

NOTHING = {"principal": 0, "bonus": 0, "silver": 0}


def test_the_detail_shows_balances_vouchers_lots_and_movements(app):
    merchant_id = make_merchant()
    customer_id = make_customer(
        merchant_id,
        display_name="Li Lei",
        phone_last4="0001",
        tags=["REGULAR", "SPICY_LOVER"],
        fragments={"spicy": 2, "noodle": 3},
    )
    make_fixture_customer(merchant_id, customer_id)
    tomorrow = utc_now() + timedelta(days=1)
    make_lot(merchant_id, customer_id, 400, expires_at=tomorrow)

    view = wallets.customer_detail(merchant_id, customer_id)

    assert (view.uid, view.display_name, view.tags) == (
        customer_id,
        "Li Lei",
        ["REGULAR", "SPICY_LOVER"],
    )
    assert view.fragments == {"spicy": 2, "noodle": 3}
    assert view.phone_masked is not None
    assert view.phone_masked.endswith("0001")
    assert view.wallet.model_dump() == {
        "principal": 120,
        "bonus": 40,
        "silver": 88,
        "held": NOTHING,
    }
    assert {(v.id, v.value, v.min_spend) for v in view.vouchers} == {
        ("voucher_soon", 18, 0),
        ("voucher_big", 30, 20),
    }
    assert [(lot.amount, lot.expires_at) for lot in view.bonus_lots] == [(4, tomorrow), (36, None)]
    newest, oldest = view.ledger
    assert (newest.type, oldest.type, oldest.amount) == ("TOP_UP", "OPENING", 244)
    assert oldest.postings[0].source == "opening"
    assert oldest.postings[0].amount == 120


def test_bonus_and_vouchers_past_their_time_are_shown_as_such_before_the_job_ran(app):
    row = make_wallet(bonus=500)
    make_lot(row.merchant_id, row.customer_id, 300, expires_at=utc_now())
    make_voucher(row.merchant_id, row.customer_id, "late", value=5, expires_at=utc_now())
    make_voucher(row.merchant_id, row.customer_id, "used", value=5, status=VoucherStatus.USED)
    view = wallets.customer_detail(row.merchant_id, row.customer_id)
    assert view.wallet.bonus == 5
    assert [lot.amount for lot in view.bonus_lots] == [5]
    assert {v.id: v.status for v in view.vouchers} == {"late": "EXPIRED", "used": "USED"}


def test_only_a_discount_card_has_a_rate(app):
    row = make_wallet()
    for kind in (VoucherType.DISCOUNT_CARD, VoucherType.ITEM_WARRANT):
        make_voucher(
            row.merchant_id, row.customer_id, kind.value, kind=kind, discount_rate=Decimal("0.88")
        )
    view = wallets.customer_detail(row.merchant_id, row.customer_id)
    assert {v.id: v.discount_rate for v in view.vouchers} == {
        "DISCOUNT_CARD": Decimal("0.88"),
        "ITEM_WARRANT": None,
    }
    assert '"discountRate":0.88' in view.as_json()


def test_a_new_customer_has_an_empty_wallet(app):
    merchant_id = make_merchant()
    view = wallets.customer_detail(merchant_id, make_customer(merchant_id))
    assert view.wallet.model_dump() == NOTHING | {"held": NOTHING}
    assert (view.vouchers, view.bonus_lots, view.ledger) == ([], [], [])
    assert view.phone_masked is None


def test_the_newest_twenty_movements_are_shown(app):
    row = make_wallet(principal=1)
    for number in range(21):
        sent = TopUpForm(user_id=row.customer_id, amount=Decimal(number + 1), method="CASH")
        wallets.top_up(row.merchant_id, sent, OWNER, keyed(sent, str(number), OWNER))
    view = wallets.customer_detail(row.merchant_id, row.customer_id)
    assert [entry.amount for entry in view.ledger] == list(range(21, 1, -1))


def test_another_merchants_customer_is_not_found(app):
    mine, other = make_wallet(), make_fixture_customer()
    for stranger in (other.customer_id, "nobody"):
        with pytest.raises(UserNotFound, match=r"^user not found$"):
            wallets.customer_detail(mine.merchant_id, stranger)
