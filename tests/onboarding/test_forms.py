from decimal import Decimal

import pytest
from pydantic import ValidationError

from mealquest.onboarding.domain import suggested_ids
from mealquest.onboarding.forms import OnboardForm, OwnerOnboardForm
from mealquest.tenancy.service import require_merchant_id

LEAST = {"merchantId": "m_new", "name": "New Shop"}


def form(**sent) -> OnboardForm:
    return OnboardForm.model_validate(LEAST | sent)


def refusal(**sent) -> str:
    """The first message; `...` leaves a field out."""
    body = {name: value for name, value in (LEAST | sent).items() if value is not ...}
    with pytest.raises(ValidationError) as refused:
        OnboardForm.model_validate(body)
    return refused.value.errors()[0]["msg"]


def test_an_id_and_a_name_are_enough():
    found = form()
    assert (found.merchant_id, found.name, found.budget_cap) == ("m_new", "New Shop", 300)
    assert (found.cluster_id, found.owner_phone, found.seed_demo_users) == (None, None, None)


def test_the_names_of_older_clients():
    found = OnboardForm.model_validate({"storeId": " M_Old ", "merchantName": " Old Shop "})
    assert (found.merchant_id, found.name) == ("m_old", "Old Shop")


def test_the_newer_name_counts_when_both_are_sent():
    assert form(storeId="m_other", merchantName="Other").merchant_id == "m_new"


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"merchantId": ...}, "merchantId is required"),
        ({"merchantId": " "}, "merchantId is required"),
        ({"merchantId": "1m"}, "merchantId format invalid"),
        ({"merchantId": "m_a,m_b"}, "merchantId format invalid"),
        ({"merchantId": 7}, "merchantId format invalid"),
        ({"name": ...}, "merchant name is required"),
        ({"name": "  "}, "merchant name is required"),
        ({"name": "x" * 65}, "merchant name too long"),
        ({"budgetCap": 0}, "budgetCap must be a positive number"),
        ({"budgetCap": -5}, "budgetCap must be a positive number"),
        ({"budgetCap": 0.5}, "budgetCap must be a positive number"),
        ({"budgetCap": "many"}, "budgetCap must be a positive number"),
        ({"budgetCap": True}, "budgetCap must be a positive number"),
        ({"budgetCap": [300]}, "budgetCap must be a positive number"),
        ({"budgetCap": float("nan")}, "budgetCap must be a positive number"),
        ({"budgetCap": Decimal("1e400")}, "budgetCap is too large"),
        ({"ownerPhone": "123"}, "phone format invalid"),
        ({"seedDemoUsers": "false"}, "seedDemoUsers must be true or false"),
        ({"seedDemoUsers": 0}, "seedDemoUsers must be true or false"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_in_the_words_of_the_contract(sent, message):
    assert refusal(**sent) == message


@pytest.mark.parametrize(
    ("sent", "cap"), [(1, 1), (300.99, 300), ("450", 450), (Decimal("12.5"), 12), (None, 300)]
)
def test_a_budget_cap_is_rounded_down(sent, cap):
    assert form(budgetCap=sent).budget_cap == cap


def test_sixty_four_characters_are_a_name():
    assert form(name="店" * 64).name == "店" * 64


def test_a_checkbox_of_a_page_is_a_flag():
    sent = {"name": "Shop", "merchantId": "", "seedDemoUsers": "on"}
    found = OwnerOnboardForm.model_validate(sent, context={"form": True})
    assert (found.merchant_id, found.seed_demo_users) == (None, True)


def test_an_owner_may_still_choose_the_id():
    assert OwnerOnboardForm(name="Shop", merchant_id=" M_Mine ").merchant_id == "m_mine"


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("Bistro Harbor", "bistro_harbor"),
        ("  Café — Zoë!  ", "cafe_zoe"),
        ("24/7 Noodles", "m_24_7_noodles"),
        ("X", "m_x"),
        ("a" * 64, "a" * 48),
    ],
)
def test_an_id_is_made_of_the_name(name, first):
    assert next(suggested_ids(name)) == first


@pytest.mark.parametrize("name", ["Bistro Harbor", "小龙虾", "24/7", "!!!", "_", "a" * 64])
def test_every_suggested_id_is_one_and_all_differ(name):
    ids = list(suggested_ids(name))
    assert [require_merchant_id(each) for each in ids] == ids
    assert len(set(ids)) == len(ids) >= 5
