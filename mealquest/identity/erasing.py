"""A customer who leaves: everything personal goes at once, the random id and the books stay."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from mealquest.core import messages
from mealquest.core.crypto import CannotDecrypt
from mealquest.identity import names, phones, queries
from mealquest.identity.birthdays import birthday_of, forget_birthday
from mealquest.identity.errors import UserNotFound
from mealquest.identity.models import Customer, PhoneCode
from mealquest.identity.personal import destroy_key, personal_key
from mealquest.identity.sessions import FROM_NEXT_SECOND
from mealquest.identity.social import forget_identities


@dataclass(frozen=True, slots=True)
class PersonalTexts:
    display_name: str
    phone: str | None
    birthday: str | None  # MM-DD
    created_at: datetime


def personal_texts(session: Session, merchant_id: str, customer_id: str) -> PersonalTexts:
    """Name, phone and birthday in clear, for their owner. UserNotFound: they are gone."""
    row = session.execute(
        names.with_keys(select(Customer.phone, Customer.created_at, *names.COLUMNS)).where(
            Customer.merchant_id == merchant_id,
            Customer.id == customer_id,
            Customer.cancelled_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        raise UserNotFound
    name = names.name_of(merchant_id, customer_id, row)
    is_sealed = row.sealed_name is not None
    phone = _phone(session, merchant_id, customer_id, row.phone, is_sealed=is_sealed)
    birthday = birthday_of(session, merchant_id, customer_id)
    return PersonalTexts(name, phone, birthday, row.created_at)


def erased_since(
    session: Session, merchant_id: str, customer_id: str, *, cancelled: bool
) -> datetime | None:
    """When the customer was erased, in this way; None: not, or in the other way."""
    found = session.execute(
        select(Customer.deleted_at, Customer.cancelled_at).where(
            Customer.merchant_id == merchant_id, Customer.id == customer_id
        )
    ).one_or_none()
    if found is None or (found.cancelled_at is not None) is not cancelled:
        return None
    since: datetime | None = found.deleted_at
    return since


def erase_customer(
    session: Session, merchant_id: str, customer_id: str, *, cancelled: bool
) -> datetime:
    """Erase what identity knows of a customer; the wallet is locked before. When it happened.

    Their key is destroyed, every token ends, no phone and no provider leads to them any more, and
    messages to them are forgotten. UserNotFound: they are gone already.
    """
    customer = queries.lock_customer(session, merchant_id, customer_id)
    if customer is None or customer.deleted_at:
        raise UserNotFound
    is_sealed = customer.sealed_name is not None
    phone = _phone(session, merchant_id, customer_id, customer.phone, is_sealed=is_sealed)
    since = session.execute(
        update(Customer)
        .where(Customer.merchant_id == merchant_id, Customer.id == customer_id)
        .values(
            display_name="",
            sealed_name=None,
            phone=None,
            phone_hash=None,
            phone_last4=None,
            tags=[],
            fragments={},
            deleted_at=func.now(),
            cancelled_at=func.now() if cancelled else None,
            token_epoch=Customer.token_epoch + 1,
            tokens_valid_after=FROM_NEXT_SECOND,
        )
        .returning(Customer.deleted_at)
        .execution_options(synchronize_session=False)
    ).scalar_one()
    session.expire(customer)
    destroy_key(session, merchant_id, customer_id)
    names.forget_terms(session, merchant_id, customer_id)
    forget_birthday(session, merchant_id, customer_id)
    forget_identities(session, merchant_id, customer_id)
    if phone:
        _forget_phone(session, phone)
    return cast("datetime", since)


def _forget_phone(session: Session, phone: str) -> None:
    """The code on its way to it, and messages; somebody else's sign-in asks for another one."""
    session.execute(delete(PhoneCode).where(PhoneCode.phone_hash == phones.phone_hash(phone)))
    messages.forget(session, [phone])


def _phone(
    session: Session, merchant_id: str, customer_id: str, kept: str | None, *, is_sealed: bool
) -> str | None:
    """The phone that a customer's row keeps; None when it has none, or none that can be read."""
    if kept is None:
        return None
    if is_sealed:
        return personal_key(session, merchant_id, customer_id).open(kept, names.PHONE)
    try:
        return phones.opened_customer_phone(merchant_id, kept)
    except CannotDecrypt:
        return None
