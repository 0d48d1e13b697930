"""Vouchers given by hand: inside limits, once per key, on the record."""

import pytest

from mealquest.audit.models import AuditRow
from mealquest.core.db import transaction
from mealquest.core.errors import Conflict, Forbidden, Invalid, NotFound
from mealquest.core.idempotency import KeyReused
from mealquest.wallet import grants
from mealquest.wallet import service as wallet
from mealquest.wallet.forms import GrantVoucherForm
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.requests import CLERK, MANAGER, OWNER, keyed


@pytest.fixture
def shop(app):
    merchant_id = make_merchant()
    return merchant_id, make_customer(merchant_id)


def give(shop, key="k", by=MANAGER, **fields):
    form = GrantVoucherForm.model_validate(
        {"userId": shop[1], "type": "NO_THRESHOLD_VOUCHER", "name": "Sorry", "value": 20} | fields
    )
    return wallet.grant_by_hand(shop[0], form, by, keyed(form, key, by))


def vouchers(shop):
    return wallet.customer_detail(*shop).vouchers


def test_a_voucher_given_by_hand_can_be_used(shop):
    view = give(shop, minSpend=30, validDays=7)

    (kept,) = vouchers(shop)
    assert kept == view
    assert (kept.status, kept.value, kept.min_spend) == ("ACTIVE", 20, 30)


def test_a_percentage_has_a_rate_and_no_value(shop):
    view = give(shop, type="DISCOUNT_CARD", value=0, discountRate="0.88")

    assert (view.value, float(view.discount_rate)) == (0, 0.88)


@pytest.mark.parametrize(
    "fields",
    [
        {"value": 0},
        {"type": "DISCOUNT_CARD"},
        {"type": "DISCOUNT_CARD", "discountRate": "0.4"},
        {"type": "DISCOUNT_CARD", "discountRate": "1"},
    ],
)
def test_a_voucher_that_makes_no_sense_is_refused(shop, fields):
    with pytest.raises(Invalid):
        give(shop, **fields)
    assert vouchers(shop) == []


def test_each_role_has_its_limit(shop):
    with pytest.raises(Forbidden):
        give(shop, by=CLERK, value=1)
    with pytest.raises(Forbidden):
        give(shop, by=MANAGER, value="100.01")
    give(shop, by=OWNER, value=500)
    with pytest.raises(Forbidden):
        give(shop, by=OWNER, key="more", value="500.01")


def test_one_person_gives_so_many_a_day_and_another_goes_on(shop, monkeypatch):
    monkeypatch.setattr(grants, "A_DAY", 3)
    for number in range(3):
        give(shop, key=str(number))

    with pytest.raises(Conflict):
        give(shop, key="one too many")
    give(shop, key="somebody else", by=OWNER)
    assert len(vouchers(shop)) == 4


def test_a_repeat_gives_nothing_more(shop):
    first, again = give(shop), give(shop)

    assert again.as_json() == first.as_json()
    assert again.replayed
    assert len(vouchers(shop)) == 1
    with pytest.raises(KeyReused):
        give(shop, value=21)


def test_nothing_is_given_to_a_stranger(shop):
    other = make_merchant()
    with pytest.raises(NotFound):
        give((other, shop[1]))
    assert vouchers(shop) == []


def test_the_grant_is_audited_with_its_reason(shop):
    give(shop, reason="cold soup")

    with transaction(shop[0]) as session:
        (row,) = session.query(AuditRow).all()
    assert row.action == "VOUCHER_GRANT"
    assert row.details["reason"] == "cold soup"
    assert row.operator_id == "staff_manager"
