"""A key for each customer: made once, turned with the keyring, and what was in clear before."""

import os

import pytest
from sqlalchemy import delete, select, text, update

from mealquest.core.crypto import Keyring
from mealquest.core.db import transaction
from mealquest.identity import service as identity
from mealquest.identity.forms import CustomersForm
from mealquest.identity.models import Customer, CustomerKey, CustomerNameTerm
from mealquest.identity.phones import phone_hash
from tests.factories.customers import make_customer
from tests.factories.threads import run_together

pytestmark = pytest.mark.usefixtures("app")
PHONE = "+8613900000001"


def of_before(app, customer_id: str = "u_old") -> str:
    """A customer as written before names were sealed."""
    make_customer("m_a", customer_id, display_name="李小龙")
    sealed = app.extensions["keyring"].encrypt(PHONE, place="customers.phone:m_a")
    with transaction("m_a") as session:
        session.execute(
            update(Customer)
            .where(Customer.id == customer_id)
            .values(sealed_name=None, display_name="李小龙", phone=sealed, phone_last4="0001")
        )
        session.execute(
            update(Customer).where(Customer.id == customer_id).values(phone_hash=phone_hash(PHONE))
        )
        session.execute(delete(CustomerKey))
        session.execute(delete(CustomerNameTerm))
    return customer_id


def found(query: str) -> list[tuple[str, str]]:
    page = identity.customers("m_a", CustomersForm(query=query))
    return [(item.uid, item.display_name) for item in page.items]


def test_what_was_in_clear_is_found_read_and_sealed(app):
    customer_id = of_before(app)
    assert found("小龙") == [(customer_id, "李小龙")]
    with transaction("m_a") as session:
        assert identity.personal_texts(session, "m_a", customer_id).phone == PHONE

    assert identity.seal_customers() == 1
    assert identity.seal_customers() == 0

    assert found("小龙") == [(customer_id, "李小龙")]
    with transaction("m_a") as session:
        row = session.execute(text("SELECT CAST(c AS text) FROM customers c")).scalar_one()
        texts = identity.personal_texts(session, "m_a", customer_id)
    assert (texts.display_name, texts.phone) == ("李小龙", PHONE)
    assert "小龙" not in row


def test_another_name_is_the_one_that_is_found(app):
    customer_id = of_before(app)
    with transaction("m_a") as session:
        identity.rename_customer(session, "m_a", customer_id, "Bruce Lee")
    assert found("bru") == found("lee") == [(customer_id, "Bruce Lee")]
    assert found("小龙") == []
    with transaction("m_a") as session:
        assert identity.personal_texts(session, "m_a", customer_id).phone == PHONE


def test_many_who_need_a_key_first_get_the_same_one(app):
    customer_id = of_before(app)

    def seal() -> str:
        with transaction("m_a") as session:
            return identity.personal_key(session, "m_a", customer_id).seal("text", "here")

    sealed = run_together(app, [seal] * 6)
    with transaction("m_a") as session:
        key = identity.personal_key(session, "m_a", customer_id)
    assert {key.open(one, "here") for one in sealed} == {"text"}


def test_keys_are_wrapped_again_under_the_first_of_the_ring(app, monkeypatch):
    customer_id = of_before(app)
    identity.seal_customers()
    before = app.extensions["keyring"]
    turned = Keyring({"new": os.urandom(32)} | before._keys)
    monkeypatch.setitem(app.extensions, "keyring", turned)
    assert found("小龙") == [(customer_id, "李小龙")], "any key of the ring unwraps"

    assert identity.wrap_again() == 1
    assert identity.wrap_again() == 0

    with transaction("m_a") as session:
        wrapped = session.scalars(select(CustomerKey.wrapped)).one()
    assert wrapped.startswith("new:")
    assert found("小龙") == [(customer_id, "李小龙")]
