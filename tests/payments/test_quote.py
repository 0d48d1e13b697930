"""A quote says how an order would be paid, and changes nothing."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import Conflict, Invalid, NotFound
from mealquest.core.money import Currency
from mealquest.payments import service as payments
from mealquest.payments.forms import QuoteForm
from mealquest.wallet.domain import VoucherStatus, VoucherType
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.statements import watching
from tests.factories.wallet import make_fixture_customer, make_lot, make_voucher, make_wallet


def quote(row, amount, voucher_id=None):
    form = QuoteForm.model_validate(
        {"userId": row.customer_id, "orderAmount": amount, "voucherId": voucher_id}
    )
    return payments.quote(row.merchant_id, form)


def parts(view) -> dict[str, Decimal]:
    return view.deduction.model_dump()


@pytest.mark.parametrize(
    ("amount", "deduction", "remaining"),
    [
        (52, (18, 34, 0, 0, 0), (120, 2, 88)),
        (41, (18, 23, 0, 0, 0), (120, 13, 88)),
        (500, (18, 36, 120, 88, 238), (0, 0, 0)),
        ("52.01", (18, "34.01", 0, 0, 0), (120, "1.99", 88)),
    ],
)
def test_contract_examples(app, amount, deduction, remaining):
    view = quote(make_fixture_customer(), amount)
    names = ("voucher", "bonus", "principal", "silver", "external")
    assert parts(view) == dict(zip(names, map(Decimal, deduction), strict=True))
    assert view.order_amount == Decimal(amount)
    assert view.payable == Decimal(deduction[-1])
    names = ("principal", "bonus", "silver")
    assert view.remaining_wallet.model_dump() == dict(
        zip(names, map(Decimal, remaining), strict=True)
    )
    assert view.selected_voucher is not None
    assert view.selected_voucher.id == "voucher_soon"


def test_the_wire_form_is_the_contracts(app):
    wire = quote(make_fixture_customer(), 52).model_dump(mode="json", by_alias=True)
    voucher = wire["selectedVoucher"]
    assert voucher.pop("expiresAt").endswith("Z")
    assert voucher == {
        "id": "voucher_soon",
        "type": "ITEM_WARRANT",
        "name": "Soup of the day",
        "value": 18,
        "minSpend": 0,
        "discountRate": None,
        "status": "ACTIVE",
    }
    del wire["selectedVoucher"], wire["voucherOptions"]
    assert wire == {
        "orderAmount": 52,
        "deduction": {"voucher": 18, "bonus": 34, "principal": 0, "silver": 0, "external": 0},
        "payable": 0,
        "remainingWallet": {"principal": 120, "bonus": 2, "silver": 88},
        "voucherForfeited": 0,
    }


def test_a_quote_says_what_a_voucher_loses_on_a_small_order(app):
    view = quote(make_fixture_customer(), 1)
    assert view.voucher_forfeited == 17
    assert [(o.voucher.id, o.verdict, o.worth) for o in view.voucher_options] == [
        ("voucher_soon", "CHOSEN", 1),
        ("voucher_big", "BELOW_MIN_SPEND", 1),
    ]


def test_the_customer_may_keep_the_vouchers_or_choose_one(app):
    row = make_fixture_customer()
    kept = quote(row, 52, "NONE")
    assert kept.selected_voucher is None
    assert (parts(kept)["voucher"], kept.voucher_forfeited) == (0, 0)
    chosen = quote(row, 52, "voucher_big")
    assert (parts(chosen)["voucher"], parts(chosen)["bonus"]) == (30, 22)


def test_a_discount_card_takes_its_share(app):
    row = make_wallet(principal=10_000)
    make_voucher(
        row.merchant_id,
        row.customer_id,
        "card",
        kind=VoucherType.DISCOUNT_CARD,
        discount_rate=Decimal("0.88"),
    )
    view = quote(row, "52.05")
    assert (parts(view)["voucher"], parts(view)["principal"]) == (Decimal("6.25"), Decimal("45.80"))
    assert view.selected_voucher is not None
    assert view.selected_voucher.discount_rate == Decimal("0.88")


def test_expired_bonus_and_vouchers_do_not_pay_even_before_the_job_ran(app):
    row = make_wallet(principal=100)
    make_lot(row.merchant_id, row.customer_id, 500, expires_at=utc_now())
    make_voucher(row.merchant_id, row.customer_id, "late", value=5, expires_at=utc_now())
    view = quote(row, 1)
    assert parts(view)["principal"] == 1
    assert view.remaining_wallet.bonus == 0
    assert [(o.voucher.status, o.verdict) for o in view.voucher_options] == [("EXPIRED", "EXPIRED")]


def test_a_voucher_of_somebody_else_is_not_found(app):
    row = make_fixture_customer()
    neighbour, stranger = make_wallet(row.merchant_id), make_wallet()
    make_voucher(row.merchant_id, neighbour.customer_id, "neighbours", value=5)
    make_voucher(stranger.merchant_id, stranger.customer_id, "strangers", value=5)
    for wanted in ("neighbours", "strangers", "nobodys"):
        with pytest.raises(NotFound, match=r"^voucher not found$") as refused:
            quote(row, 52, wanted)
        assert refused.value.reason == "VOUCHER_NOT_FOUND"


def test_a_voucher_that_cannot_be_used_says_why(app):
    row = make_fixture_customer()
    make_voucher(row.merchant_id, row.customer_id, "used", value=5, status=VoucherStatus.USED)
    for wanted, why in {
        "used": "it was used before",
        "voucher_big": "the order is below its minimum spend",
    }.items():
        with pytest.raises(Conflict, match=f"^voucher cannot be used: {why}$") as refused:
            quote(row, 10, wanted)
        assert refused.value.reason == "VOUCHER_NOT_USABLE"


def test_only_customers_of_the_merchant_get_a_quote(app):
    mine, other = make_wallet(principal=5), make_fixture_customer()
    gone = make_customer(mine.merchant_id, deleted_at=utc_now())
    for customer_id in (other.customer_id, gone, "nobody"):
        form = QuoteForm(user_id=customer_id, order_amount=Decimal(1))
        with pytest.raises(NotFound, match=r"^user not found$"):
            payments.quote(mine.merchant_id, form)


def test_a_new_customer_without_a_wallet_gets_a_quote(app):
    merchant_id = make_merchant(currency=Currency.JPY)
    form = QuoteForm(user_id=make_customer(merchant_id), order_amount=Decimal(500))
    assert payments.quote(merchant_id, form).payable == 500
    with pytest.raises(Invalid, match="at most 0 decimals"):
        payments.quote(merchant_id, form.model_copy(update={"order_amount": Decimal("0.5")}))
    with transaction(merchant_id) as session:
        assert session.execute(text("SELECT count(*) FROM wallets")).scalar_one() == 0


def test_a_quote_only_reads_and_locks_nothing(app):
    row = make_fixture_customer()
    with watching() as seen:
        quote(row, 52)
    assert len(seen.statements) == 4
    for statement in seen.statements:
        assert statement.startswith("SELECT")
        assert "FOR " not in statement.upper().replace("FORCE", "")
