"""The keyring turns: nothing that stays lies under an older key any more, and all of it opens."""

import os

import pytest
from sqlalchemy import Text, func, select

from jobs.housekeeping import turn_keys
from mealquest.core.crypto import Keyring
from mealquest.core.db import Base, platform_transaction, transaction
from mealquest.core.principal import Principal, Role
from mealquest.identity.models import Staff
from mealquest.identity.phones import opened_staff_phone, phone_hash
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.contract_forms import ContractForm
from tests.web.shops import STAFF, open_shop

PHONE, LICENSE = "+8613900000001", "123456789012"
PASSING = {"outbound_messages", "waiting_callbacks"}  # what lies there runs out


def under(key: str) -> dict[str, int]:
    """How many texts of each table begin as what this key sealed does."""
    found = {}
    with platform_transaction("a test looks at every column") as session:
        for table in Base.metadata.tables.values():
            texts = [column for column in table.columns if isinstance(column.type, Text)]
            count = [func.count().filter(column.startswith(f"{key}:")) for column in texts]
            if table.name not in PASSING and texts:
                found[table.name] = sum(session.execute(select(*count).select_from(table)).one())
    return {name: number for name, number in found.items() if number}


@pytest.fixture
def shop(app, monkeypatch):
    monkeypatch.delitem(app.extensions, "phone_lookup_key", raising=False)  # of an earlier test
    shop = open_shop("Alpha", 6)
    owner = Principal(Role.OWNER, STAFF[Role.OWNER], shop.merchant_id)
    form = ContractForm(
        companyName="Alpha",
        licenseNo=LICENSE,
        settlementAccount="6222021234567890",
        contactPhone=PHONE,
    )
    tenancy.apply_for_contract(shop.merchant_id, form, owner)
    return shop, owner


def test_what_stays_is_sealed_again_under_the_first_key(app, shop, monkeypatch) -> None:
    shop, owner = shop
    old = app.extensions["keyring"]
    hashed, sealed = phone_hash(PHONE), under(old.current)
    assert sealed.keys() >= {"staff", "customer_keys", "contract_applications", "lookup_keys"}

    fresh = {"turned": os.urandom(32)}
    monkeypatch.setitem(app.extensions, "keyring", Keyring(fresh | old._keys))
    turned = turn_keys()
    assert all(number for what, number in turned.items() if "tokens" not in what)
    assert set(turn_keys().values()) == {0}
    assert under(old.current) == {}
    assert under("turned") == sealed

    monkeypatch.setitem(app.extensions, "keyring", Keyring(fresh))
    monkeypatch.delitem(app.extensions, "phone_lookup_key")
    assert phone_hash(PHONE) == hashed
    with transaction(shop.merchant_id) as session:
        phones = session.scalars(select(Staff.phone)).all()
    opened = {opened_staff_phone(shop.merchant_id, phone) for phone in phones}
    assert opened == set(shop.phones.values())
    assert tenancy.contract_status(shop.merchant_id, owner).application.license_no == LICENSE
