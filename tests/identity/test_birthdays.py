"""A birthday is personal: told by the customer or by managers, sealed, exported, erased."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text

from mealquest.audit.models import AuditRow
from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.identity import service as identity
from mealquest.identity.domain import birthdays_on, is_month_day
from mealquest.identity.models import CustomerBirthday
from mealquest.privacy import service as privacy
from mealquest.privacy.person import person_of
from mealquest.privacy.sections import RECORDS
from tests.factories.http import assert_problem, bearer, client_of, signed_in
from tests.factories.requests import MANAGER, OWNER
from tests.web.shops import Shop, open_shop


@pytest.fixture
def shop(app) -> Shop:
    return open_shop("Alpha", 6)


@pytest.fixture
def client(app):
    return client_of(app)


def rows(merchant_id: str) -> list[CustomerBirthday]:
    with transaction(merchant_id) as session:
        return list(session.scalars(select(CustomerBirthday)))


def test_a_customer_tells_and_takes_back_their_own(client, shop) -> None:
    me = bearer(shop.tokens[Role.CUSTOMER])
    said = client.post(
        "/api/customer/profile", json={"birthday": "05-12", "userId": "u_other"}, headers=me
    ).get_json()
    assert (said["userId"], said["birthday"]) == (shop.customer, "05-12")
    assert client.get("/api/customer/profile", headers=me).get_json() == said
    (kept,) = rows(shop.merchant_id)
    assert "05-12" not in repr(vars(kept))
    with transaction(shop.merchant_id) as session:
        (told,) = session.scalars(
            select(AuditRow).where(AuditRow.action == "CUSTOMER_PROFILE_SET")
        ).all()
    assert told.details == {"userId": shop.customer, "birthday": "SET"}

    said = client.post("/api/customer/profile", json={"birthday": None}, headers=me)
    assert (said.get_json()["birthday"], rows(shop.merchant_id)) == (None, [])


@pytest.mark.parametrize("wrong", ["02-30", "13-01", "5-12", "2001-05-12", "05/12", 512, ["05"]])
def test_a_day_that_is_none_is_refused(client, shop, wrong) -> None:
    me = bearer(shop.tokens[Role.CUSTOMER])
    answer = client.post("/api/customer/profile", json={"birthday": wrong}, headers=me)
    assert_problem(answer, 400, "birthday format invalid")
    assert_problem(client.post("/api/customer/profile", json={}, headers=me), 400)


def test_management_sees_and_sets_it_and_a_clerk_does_neither(client, shop) -> None:
    path = f"/api/customers/{shop.customer}"
    for role, status in ((Role.CLERK, 403), (Role.MANAGER, 200), (Role.CUSTOMER, 403)):
        by = bearer(shop.tokens[role])
        sent = client.post(f"{path}/birthday", json={"birthday": "02-29"}, headers=by)
        assert sent.status_code == status, role
    seen = {
        role: client.get(path, headers=bearer(shop.tokens[role])).get_json()["birthday"]
        for role in (Role.CLERK, Role.MANAGER, Role.OWNER)
    }
    assert seen == {Role.CLERK: None, Role.MANAGER: "02-29", Role.OWNER: "02-29"}


def test_the_page_takes_month_and_day_and_keeps_what_was_wrong(app, shop) -> None:
    page = signed_in(app, shop.phones[Role.MANAGER], shop.merchant_id)
    path = f"/console/customers/{shop.customer}"
    wrong = page.send_form(f"{path}/birthday", {"month": "04", "day": "31"})
    assert wrong.status_code == 400
    assert "There is no such day." in wrong.text
    assert page.send_form(f"{path}/birthday", {"month": "04", "day": "30"}).status_code == 303
    assert '<option value="04" selected>' in page.get(path).text
    page.send_form(f"{path}/birthday", {"month": "", "day": ""})
    assert rows(shop.merchant_id) == []


def test_the_same_day_leaves_another_mark_at_another_shop(app, shop) -> None:
    other = open_shop("Beta", 7)
    for one in (shop, other):
        identity.set_birthday(one.merchant_id, one.customer, "05-12", MANAGER)
    (here,), (there,) = rows(shop.merchant_id), rows(other.merchant_id)
    assert {here.day_mark, here.month_mark}.isdisjoint({there.day_mark, there.month_mark})
    with transaction(shop.merchant_id) as session:
        found = identity.born_on(session, shop.merchant_id, ["05-12"], "", 10)
        assert list(found) == [shop.customer]
    with pytest.raises(identity.UserNotFound):
        identity.set_birthday(shop.merchant_id, "u_of_nobody", "05-12", MANAGER)


def test_it_is_exported_and_gone_with_the_customer(app, shop) -> None:
    whose = shop.merchant_id, shop.customer
    identity.set_birthday(*whose, "05-12", MANAGER)
    assert person_of(*whose)["birthday"] == "05-12"
    (section,) = [one for one in RECORDS if one.name == "customer_birthdays"]
    ((row,), _) = section.read(*whose, None)
    assert row["day_sealed"] == "05-12"
    assert not {"day_mark", "month_mark"} & row.keys()

    privacy.delete_user(*whose, OWNER)

    assert rows(shop.merchant_id) == []
    with transaction(shop.merchant_id) as session:
        assert identity.birthday_of(session, *whose) is None
        kept = session.scalar(text("SELECT count(*) FROM audit_log WHERE details::text ~ '05-12'"))
    assert kept == 0
    with pytest.raises(identity.UserNotFound):
        identity.set_birthday(*whose, "05-12", MANAGER)


@given(st.dates())
def test_everybody_celebrates_once_a_year(day) -> None:
    mine = birthdays_on(day)
    assert all(is_month_day(one) for one in mine)
    assert f"{day:%m-%d}" in mine
    leap = day.year % 4 == 0 and (day.year % 100 != 0 or day.year % 400 == 0)
    assert ("02-29" in mine) is (f"{day:%m-%d}" == ("02-29" if leap else "02-28"))
