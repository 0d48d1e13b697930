"""What is not sealed as it should be: names in clear, phones of staff under an older key."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from mealquest.core.db import platform_transaction
from mealquest.identity import names, phones
from mealquest.identity.models import Customer, Staff
from mealquest.identity.personal import personal_key

BATCH = 500


def seal_customers(limit: int = BATCH) -> int:
    """Seal customers whose name is still in clear; returns how many of a batch there were.

    Part of the daily housekeeping: crosses merchants because what is left over is everybody's.
    """
    unsealed = Customer.sealed_name.is_(None), Customer.deleted_at.is_(None)
    with platform_transaction("what is not sealed yet is of every merchant") as session:
        found = session.scalars(
            select(Customer)
            .where(*unsealed)
            .order_by(Customer.merchant_id, Customer.id)
            .limit(limit)
            .with_for_update(skip_locked=True, key_share=True)
        ).all()
        for customer in found:
            seal(session, customer, customer.display_name)
        return len(found)


def seal_staff_again(limit: int = BATCH) -> int:
    """Seal phones of staff that lie under an older key of the ring under its first one; returns how
    many of a batch there were. Crosses merchants because the ring is everybody's.
    """
    older = Staff.phone.is_not(None), ~Staff.phone.startswith(phones.current_key(), autoescape=True)
    with platform_transaction("the keyring turns for every merchant at once") as session:
        found = session.scalars(
            select(Staff)
            .where(*older)
            .order_by(Staff.merchant_id, Staff.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        for staff in found:
            phone = phones.opened_staff_phone(staff.merchant_id, staff.phone or "")
            staff.phone = phones.sealed_staff_phone(staff.merchant_id, phone)
        return len(found)


def seal(session: Session, customer: Customer, display_name: str) -> None:
    """Keep the name, and a phone in the old form, under the customer's key. The row is locked."""
    merchant_id = customer.merchant_id
    key = personal_key(session, merchant_id, customer.id)
    if customer.sealed_name is None and customer.phone:
        phone = phones.opened_customer_phone(merchant_id, customer.phone)
        customer.phone = key.seal(phone, names.PHONE)
    customer.sealed_name, customer.display_name = key.seal(display_name, names.NAME), ""
    session.flush()
    names.index_name(session, merchant_id, customer.id, display_name)
