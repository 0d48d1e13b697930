"""A profile goes to stores that agreed, and nothing but the profile."""

import pytest

from mealquest.alliance import service as alliances
from mealquest.alliance.forms import ConfigForm, SyncForm
from mealquest.core.db import transaction
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.identity.forms import CustomerForm
from mealquest.privacy import service as privacy
from mealquest.privacy.sections import RECORDS
from mealquest.tenancy import service as tenancy
from mealquest.wallet import service as wallets
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.rows import digest
from tests.factories.wallet import make_wallet

A, B, C = "m_a", "m_b", "m_c"
PHONE = "+8613712345678"
MANAGER = Principal(Role.MANAGER, "staff_manager", A)


@pytest.fixture
def guest(app) -> str:
    """A customer of A with a phone and money; A and B list each other, C is listed by A alone."""
    for store in (A, B, C):
        make_merchant(store, name=store.upper())
    alliances.set_config(A, ConfigForm(stores=[B, A, C]), MANAGER)
    alliances.set_config(B, ConfigForm(stores=[A, B]), MANAGER)
    view, _ = identity.find_or_create_customer(
        A, CustomerForm(phone=PHONE, display_name="Guest"), MANAGER
    )
    make_wallet(A, view.uid, principal=5_000)
    with transaction(A) as session:
        identity.add_fragments(session, A, view.uid, {"spicy": 3})
    return view.uid


def sync(user_id: str, *stores: str):
    return alliances.sync_user(A, SyncForm(user_id=user_id, stores=list(stores)), MANAGER)


def facts(store: str, user_id: str) -> identity.CustomerFacts:
    with transaction(store) as session:
        return identity.customer_facts(session, store, user_id)


def test_the_profile_is_there_and_the_money_is_not(guest) -> None:
    untouched = digest(C)

    done = sync(guest)

    assert done.synced_stores == [B, A]
    assert [(one.merchant_id, one.reason) for one in done.left_out] == [(C, "NOT_AGREED")]
    copy = facts(B, guest)
    assert (copy.display_name, copy.phone_last4, copy.fragments["spicy"]) == ("Guest", "5678", 3)
    assert wallets.customer_detail(B, guest).wallet.principal == 0
    assert wallets.customer_detail(A, guest).wallet.principal == 50
    again, made = identity.find_or_create_customer(B, CustomerForm(phone=PHONE), MANAGER)
    assert (again.uid, made) == (guest, False)  # the phone leads to the same person there
    assert digest(C) == untouched


def test_what_the_other_store_knows_besides_stays(guest) -> None:
    make_customer(B, guest, display_name="Old", tags=["VIP"], fragments={"spicy": 9, "noodle": 1})
    make_wallet(B, guest, principal=700)

    sync(guest)

    copy = facts(B, guest)
    assert (copy.display_name, copy.tags) == ("Guest", ["VIP", "NEW_USER"])
    assert copy.fragments == {"spicy": 9, "noodle": 1}
    assert copy.phone_last4 == "5678"
    assert wallets.customer_detail(B, guest).wallet.principal == 7


def test_a_phone_of_somebody_else_there_stays_where_it_is(guest) -> None:
    other, _ = identity.find_or_create_customer(B, CustomerForm(phone=PHONE), MANAGER)

    assert sync(guest).synced_stores == [B, A]
    assert facts(B, guest).phone_last4 is None
    assert facts(B, other.uid).phone_last4 == "5678"


def test_who_was_erased_there_does_not_come_back(guest) -> None:
    sync(guest)
    privacy.delete_user(B, guest, Principal(Role.OWNER, "staff_owner", B))
    erased = digest(B)

    done = sync(guest)

    assert done.synced_stores == [A]
    assert [one.reason for one in done.left_out] == ["NOT_AGREED", "HAS_LEFT"][::-1]
    assert digest(B) == erased


def test_a_store_that_takes_no_changes_gets_none(guest) -> None:
    with transaction(B) as session:
        tenancy.set_switches(session, B, write_enabled=False)
    frozen = digest(B)

    assert [one.reason for one in sync(guest, B).left_out] == ["FROZEN"]
    assert digest(B) == frozen


def test_both_books_say_where_copies_are_and_so_does_the_customers_file(guest) -> None:
    sync(guest)
    sync(guest)

    assert [one.merchant_id for one in alliances.copies(A, guest)] == [B]
    assert alliances.copies(B, guest) == []
    section = next(one for one in RECORDS if one.name == "alliance_acts")
    rows, _ = section.read(A, guest, None)
    assert {(row["act"], row["partner_id"]) for row in rows} == {("PROFILE_SENT", B)}
    privacy.delete_user(A, guest, Principal(Role.OWNER, "staff_owner", A))
    assert facts(B, guest).display_name == "Guest"


def test_nobody_unknown_is_copied(guest) -> None:
    with pytest.raises(identity.UserNotFound):
        sync("u_nobody")
