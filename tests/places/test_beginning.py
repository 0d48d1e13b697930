"""A merchant whose id the settings give a database of its own begins there, whole or not at all."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from mealquest.core import directory, messages, watch
from mealquest.core.db import databases, directory_transaction, transaction
from mealquest.core.errors import MerchantUnavailable
from mealquest.core.placements import Placement
from mealquest.identity import service as identity
from mealquest.identity.forms import RequestCodeForm, SignInForm
from mealquest.onboarding import service as onboarding
from mealquest.onboarding.forms import OnboardForm
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantExists
from tests.factories.http import client_of
from tests.places.conftest import HOT

PHONE = "+8613600000099"
BODY = {"merchantId": HOT, "name": "Hot Pot", "ownerPhone": PHONE}


def onboard():
    return onboarding.onboard(OnboardForm.model_validate(BODY), secret=None, by=None)


def catalog() -> list[str]:
    return [item.merchant_id for item in tenancy.catalog().items]


def test_it_begins_in_its_own_database_and_is_found_at_once(places) -> None:
    answer = client_of(places).post("/api/merchant/onboard", json=BODY)
    assert answer.status_code == 201, answer.text
    assert (catalog(), directory.differences()) == ([HOT], [])
    assert tenancy.exists(HOT).exists
    with transaction() as session:  # at home
        assert session.scalar(text("SELECT count(*) FROM merchant_settings")) == 0
    identity.request_code(RequestCodeForm(phone=PHONE))
    code = messages.newest(limit=1)[0].message.data["code"]
    signed_in = identity.sign_in(SignInForm(phone=PHONE, code=code))
    assert signed_in.profile.merchant_id == HOT
    with pytest.raises(MerchantExists):
        onboard()


def test_what_a_crash_left_is_finished_by_doing_it_again(places) -> None:
    directory.reserve(HOT)
    assert catalog() == []
    onboard()
    assert catalog() == [HOT]


def test_a_crash_before_the_directory_was_written_is_healed_by_doing_it_again(places) -> None:
    directory.reserve(HOT)
    with transaction(HOT) as session:
        tenancy.create_merchant(session, HOT, name="Hot Pot", budget_cap=300)
    assert catalog() == []
    with pytest.raises(MerchantExists):
        onboard()
    assert catalog() == [HOT]


def test_while_the_database_is_down_nothing_is_begun(places, line, monkeypatch) -> None:
    monkeypatch.setattr(watch, "LOOK_EVERY_S", 0.1)
    line.refuse()
    databases().named(HOT).watch.look()
    with pytest.raises(MerchantUnavailable):
        onboard()
    with directory_transaction("a test looks") as session:
        assert session.get(Placement, HOT) is None
    line.restore()
    databases().named(HOT).watch.look()
    onboard()


def test_of_several_at_once_one_begins(places) -> None:
    def attempt(_: int) -> str:
        with places.app_context():
            try:
                onboard()
            except MerchantExists:
                return "exists"
            return "begun"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(attempt, range(4))) == ["begun", "exists", "exists", "exists"]
    assert directory.differences() == []


def test_one_that_home_has_already_stays_there(places) -> None:
    """The settings name a database later than the merchant came: it is moved, not begun anew."""
    from tests.factories.merchants import make_merchant

    make_merchant(HOT)
    with pytest.raises(MerchantExists):
        onboard()
    assert databases().name_of(HOT) == "home"
