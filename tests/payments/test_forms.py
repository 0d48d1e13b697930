"""What quote and verify accept, in the contract's words."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from mealquest.payments.forms import PaymentsForm, QuoteForm, VerifyForm

POSITIVE = "orderAmount must be a positive number"


@pytest.mark.parametrize("model", [QuoteForm, VerifyForm])
@pytest.mark.parametrize(
    ("amount", "message"),
    [
        (0, POSITIVE),
        (-5, POSITIVE),
        ("abc", POSITIVE),
        ("", POSITIVE),
        (None, POSITIVE),
        (True, POSITIVE),
        ("NaN", POSITIVE),
        ("Infinity", POSITIVE),
        ([52], POSITIVE),
        ("1.005", "orderAmount must have at most 2 decimals"),
        (10**9, "orderAmount is too large"),
    ],
)
def test_a_wrong_order_amount_is_refused(model, amount, message):
    with pytest.raises(ValidationError) as refused:
        model.model_validate({"userId": "u", "orderAmount": amount})
    assert [error["msg"] for error in refused.value.errors()] == [message]


def test_a_missing_order_amount_is_refused_in_the_same_words():
    with pytest.raises(ValidationError) as refused:
        QuoteForm.model_validate({"userId": "u"})
    (error,) = refused.value.errors()
    assert (error["msg"], error["loc"]) == (POSITIVE, ("orderAmount",))
    assert "orderAmount" in QuoteForm.model_json_schema()["required"]


@pytest.mark.parametrize("amount", [52, "52", Decimal("52.00"), 52.0, " 52 "])
def test_an_amount_may_come_as_number_or_text(amount):
    assert QuoteForm.model_validate({"userId": "u", "orderAmount": amount}).order_amount == 52


def test_a_voucher_is_optional():
    def wanted(**sent):
        return QuoteForm.model_validate({"userId": "u", "orderAmount": 1} | sent).voucher_id

    assert wanted() is wanted(voucherId=None) is wanted(voucherId=" ") is None
    assert wanted(voucherId="NONE") == "NONE"
    assert wanted(voucherId="voucher_1") == "voucher_1"


@pytest.mark.parametrize(
    ("sent", "limit"), [({}, 20), ({"limit": "7"}, 7), ({"limit": "x"}, 20), ({"limit": 999}, 100)]
)
def test_a_page_has_a_size(sent, limit):
    assert PaymentsForm.model_validate(sent).limit == limit
