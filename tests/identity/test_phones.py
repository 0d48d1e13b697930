import pytest
from sqlalchemy import delete, select

from mealquest.core.crypto import CannotDecrypt
from mealquest.core.db import transaction
from mealquest.identity import phones
from mealquest.identity.models import LookupKey, Staff, StaffPhone
from tests.identity.parallel import at_once
from tests.identity.steps import PHONE, hire, open_shop


@pytest.fixture(autouse=True)
def fresh_installation(app):
    """No key yet, neither in the database nor in this process; afterwards likewise."""
    app.extensions.pop("phone_lookup_key", None)
    yield
    app.extensions.pop("phone_lookup_key", None)


def restart(app) -> None:
    app.extensions.pop("phone_lookup_key")


def stored_keys() -> list[str]:
    with transaction() as session:
        return list(session.scalars(select(LookupKey.wrapped)))


def test_the_key_outlives_the_process(app):
    before = phones.phone_hash(PHONE)
    restart(app)
    assert phones.phone_hash(PHONE) == before
    assert len(stored_keys()) == 1


def test_the_key_is_stored_wrapped(app):
    phones.phone_hash(PHONE)
    (wrapped,) = stored_keys()
    key = app.extensions["phone_lookup_key"]
    assert len(key) == 32
    assert key.hex() not in wrapped
    with pytest.raises(CannotDecrypt):
        app.extensions["keyring"].decrypt(wrapped, place="lookup_keys.wrapped:other")


def test_another_installation_has_other_hashes(app):
    before = phones.phone_hash(PHONE)
    restart(app)
    with transaction() as session:
        session.execute(delete(LookupKey))
    assert phones.phone_hash(PHONE) != before


def test_threads_that_need_the_key_first_make_one(app):
    hashes = at_once(app, *[lambda: phones.phone_hash(PHONE)] * 8)
    assert len(set(hashes)) == 1
    assert len(stored_keys()) == 1


def test_processes_that_need_the_key_first_agree_on_one(app):
    made = at_once(app, *[phones._stored_or_made] * 8)
    assert set(made) == set(stored_keys())
    assert len(stored_keys()) == 1


def test_the_key_stays_when_the_transaction_that_needed_it_fails(app):
    open_shop("m_a")
    seen = []

    def hire_and_fail() -> None:
        with transaction("m_a"):
            seen.append(phones.phone_hash(PHONE))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        hire_and_fail()
    restart(app)
    assert [phones.phone_hash(PHONE)] == seen


def test_a_staff_phone_is_readable_at_its_own_merchant_only(app):
    open_shop("m_a")
    staff_id = hire("m_a")
    with transaction("m_a") as session:
        stored = session.scalars(select(Staff.phone).where(Staff.id == staff_id)).one()
        hashed = session.scalars(select(StaffPhone.phone_hash)).one()

    assert PHONE.removeprefix("+") not in stored + hashed
    keyring = app.extensions["keyring"]
    assert keyring.decrypt(stored, place="staff.phone:m_a") == PHONE
    with pytest.raises(CannotDecrypt):
        keyring.decrypt(stored, place="staff.phone:m_b")
