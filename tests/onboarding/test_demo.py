from datetime import timedelta

import pytest
from sqlalchemy import select

from mealquest.alliance import service as alliances
from mealquest.core.clock import utc_now
from mealquest.core.db import Base, platform_transaction, transaction
from mealquest.core.principal import Principal, Role
from mealquest.core.settings import Profile
from mealquest.identity import service as identity
from mealquest.identity.forms import CustomersForm
from mealquest.onboarding import demo
from mealquest.onboarding.errors import DemoDataRefused
from mealquest.tenancy import service as tenancy
from mealquest.wallet import service as wallet
from tests.identity.parallel import at_once

pytestmark = pytest.mark.usefixtures("app")


def everything() -> dict[str, list]:
    """Every row of every table, as it stands."""
    with platform_transaction("a test compares everything") as session:
        return {
            name: sorted(str(row) for row in session.execute(select(table)))
            for name, table in Base.metadata.tables.items()
        }


def balances(merchant_id: str, user_id: str) -> tuple:
    seen = wallet.customer_detail(merchant_id, user_id).wallet
    return seen.principal, seen.bonus, seen.silver


def vouchers(merchant_id: str, user_id: str) -> list[tuple]:
    now = utc_now()
    return [
        (
            v.id,
            v.type,
            v.value,
            v.min_spend,
            v.status,
            round((v.expires_at - now) / timedelta(hours=1)),
        )
        for v in wallet.customer_detail(merchant_id, user_id).vouchers
    ]


def test_the_merchants():
    assert demo.is_wanted()
    assert demo.load() == ["m_store_001", "m_bistro"]
    assert not demo.is_wanted()

    store, bistro = tenancy.settings("m_store_001"), tenancy.settings("m_bistro")
    assert (store.name, store.budget_cap_minor) == ("Fixture Merchant", 30_000)
    assert (bistro.name, bistro.budget_cap_minor) == ("Bistro Harbor", 22_000)
    for merchant in (store, bistro):
        assert merchant.cluster_id == "cluster_fixture_brand"
        assert not merchant.kill_switch_enabled


def test_the_alliance_is_loaded_once_and_stays_the_owners():
    demo.load()
    listed = ["m_store_001", "m_bistro"]
    for merchant_id in listed:
        found = alliances.config(merchant_id)
        assert (found.cluster_id, found.stores) == ("cluster_fixture_brand", listed)
        assert (found.wallet_shared, found.tier_shared) == (False, False)

    owner = Principal(Role.OWNER, "staff_owner", "m_bistro")
    alliances.leave("m_bistro", None, owner)
    demo.load()
    assert alliances.config("m_bistro").stores == ["m_bistro"]


def test_the_customers():
    demo.load()

    assert balances("m_store_001", "u_fixture_001") == (120, 36, 88)
    assert balances("m_store_001", "u_fixture_002") == (40, 8, 52)
    assert balances("m_bistro", "u_fixture_001") == (80, 12, 36)
    with transaction("m_store_001") as session:
        first = identity.customer_facts(session, "m_store_001", "u_fixture_001")
        second = identity.customer_facts(session, "m_store_001", "u_fixture_002")
    with transaction("m_bistro") as session:
        third = identity.customer_facts(session, "m_bistro", "u_fixture_001")
    assert (first.tags, first.fragments) == (["REGULAR", "SPICY_LOVER"], {"spicy": 2, "noodle": 3})
    assert (second.tags, second.fragments) == (["REGULAR"], {"spicy": 0, "noodle": 1})
    assert (third.tags, third.fragments) == (["REGULAR"], {"spicy": 1, "noodle": 1})


def test_the_vouchers():
    demo.load()

    assert sorted(vouchers("m_store_001", "u_fixture_001")) == [
        ("voucher_big", "NO_THRESHOLD_VOUCHER", 30, 20, "ACTIVE", 72),
        ("voucher_soon", "ITEM_WARRANT", 18, 0, "ACTIVE", 1),
    ]
    assert vouchers("m_store_001", "u_fixture_002") == []
    assert vouchers("m_bistro", "u_fixture_001") == [
        ("bistro_voucher_soon", "ITEM_WARRANT", 10, 0, "ACTIVE", 2)
    ]


def test_the_phones():
    demo.load()

    def uids(merchant_id: str, phone: str) -> list[str]:
        page = identity.customers(merchant_id, CustomersForm(query=phone))
        return [item.uid for item in page.items]

    assert uids("m_store_001", "+8613700000001") == ["u_fixture_001"]
    assert uids("m_bistro", "+8613700000001") == []
    assert uids("m_store_001", "+8613900000001") == []  # the fake providers' phone is nobody's
    for person in demo.PEOPLE:
        assert identity.works_at(person.merchant_id, person.phone)
    assert {(p.merchant_id, p.role.value, p.phone) for p in demo.PEOPLE} == {
        ("m_store_001", "OWNER", "+8613900000000"),
        ("m_store_001", "MANAGER", "+8613900000002"),
        ("m_store_001", "CLERK", "+8613900000003"),
        ("m_bistro", "OWNER", "+8613900000010"),
    }


@pytest.mark.parametrize("merchant_id", ["m_store_001", "m_bistro"])
def test_every_merchant_has_its_three_staff(merchant_id):
    demo.load()
    for role in ("owner", "manager", "clerk"):
        principal, _ = identity.staff_principal(merchant_id, f"staff_{role}")
        assert principal.role.value == role.upper()


def test_a_second_load_changes_nothing():
    demo.load()
    before = everything()
    assert demo.load() == []
    assert everything() == before


def test_loads_at_the_same_moment_write_everything_once(app):
    outcomes = at_once(app, *[demo.load] * 4)

    written = sorted(merchant_id for outcome in outcomes for merchant_id in outcome)
    assert written == ["m_bistro", "m_store_001"]
    assert balances("m_store_001", "u_fixture_001") == (120, 36, 88)


def test_a_merchant_that_is_there_is_left_alone_and_the_other_is_written():
    with transaction("m_bistro") as session:
        tenancy.create_merchant(session, "m_bistro", name="My Own Bistro", budget_cap=5)

    assert demo.load() == ["m_store_001"]
    assert tenancy.settings("m_bistro").name == "My Own Bistro"


def test_production_refuses_demo_data(change_settings):
    change_settings(profile=Profile.PROD)
    with pytest.raises(DemoDataRefused, match="refused in prod"):
        demo.load()
    assert demo.is_wanted()


def test_the_sign_in_page_offers_the_demo_people_in_dev_only(change_settings):
    change_settings(profile=Profile.DEV)
    assert identity.demo_people() == []
    demo.load()
    assert identity.demo_people() == list(demo.PEOPLE)
    change_settings(profile=Profile.STAGING)
    assert identity.demo_people() == []
