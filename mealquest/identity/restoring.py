"""Customers as another server kept them, written with keys of their own, and what leads to them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from mealquest.core.principal import Role
from mealquest.identity import names, phones
from mealquest.identity.domain import Provider, last4_of, terms_of
from mealquest.identity.errors import StaffNotFound
from mealquest.identity.models import (
    Customer,
    CustomerKey,
    CustomerNameTerm,
    SocialIdentity,
    Staff,
)
from mealquest.identity.personal import PersonalKey, key_row, new_material
from mealquest.identity.staff import bind_phone

AT_ONCE = 500  # rows of one statement


@dataclass(frozen=True, slots=True)
class OldCustomer:
    """`deleted_at`: nothing personal is left since; `cancelled`: they asked for it themselves."""

    id: str
    display_name: str
    phone: str | None
    tags: Sequence[str]
    fragments: Mapping[str, int]
    created_at: datetime | None
    deleted_at: datetime | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class OldIdentity:
    """What a provider calls somebody, or a further phone of theirs."""

    provider: Provider
    subject: str
    customer_id: str
    union: str | None
    linked_at: datetime
    last_login_at: datetime


def restore_customers(
    session: Session, merchant_id: str, people: Sequence[OldCustomer], now: datetime
) -> None:
    """Write customers, sealed under a key each; of one who has left only that they were there."""
    for start in range(0, len(people), AT_ONCE):
        some = people[start : start + AT_ONCE]
        material = {one.id: None if one.deleted_at else new_material() for one in some}
        rows = [_row(merchant_id, one, material[one.id], now) for one in some]
        session.execute(insert(Customer), rows)
        keys = [key_row(merchant_id, who, key, now) for who, key in material.items()]
        session.execute(insert(CustomerKey), keys)
        _add_terms(session, merchant_id, (one for one in some if one.deleted_at is None))


def restore_identities(
    session: Session, merchant_id: str, identities: Sequence[OldIdentity]
) -> None:
    """Let these lead to customers who are there; none leads to two."""
    rows = [
        {
            "merchant_id": merchant_id,
            "provider": one.provider,
            "subject_hash": _subject(merchant_id, one.provider, one.subject),
            "union_hash": (
                phones.subject_hash(merchant_id, one.provider, f"union:{one.union}")
                if one.union
                else None
            ),
            "customer_id": one.customer_id,
            "linked_at": one.linked_at,
            "last_login_at": one.last_login_at,
        }
        for one in identities
    ]
    for start in range(0, len(rows), AT_ONCE):
        session.execute(insert(SocialIdentity), rows[start : start + AT_ONCE])


def give_owner_phone(session: Session, merchant_id: str, phone: str) -> str:
    """Let a phone sign in the owner who has none yet; returns who that is.

    Raises:
        StaffNotFound: every owner has one. StaffPhoneTaken: it signs in a colleague.
    """
    owner = session.scalars(
        select(Staff)
        .where(
            Staff.merchant_id == merchant_id,
            Staff.role == Role.OWNER,
            Staff.phone.is_(None),
            Staff.removed_at.is_(None),
        )
        .order_by(Staff.id)
        .limit(1)
        .with_for_update()
    ).one_or_none()
    if owner is None:
        raise StaffNotFound
    owner.phone = phones.sealed_staff_phone(merchant_id, phone)
    session.flush()
    bind_phone(session, merchant_id, owner.id, phone)
    return owner.id


def _subject(merchant_id: str, provider: Provider, subject: str) -> str:
    if provider is Provider.PHONE:
        return phones.phone_hash(subject)
    return phones.subject_hash(merchant_id, provider, subject)


def _row(
    merchant_id: str, one: OldCustomer, material: bytes | None, now: datetime
) -> dict[str, Any]:
    key = PersonalKey(merchant_id, one.id, material)
    phone = None if key.is_erased else one.phone
    return {
        "merchant_id": merchant_id,
        "id": one.id,
        "display_name": "",
        "sealed_name": None if key.is_erased else key.seal(one.display_name, names.NAME),
        "phone": key.seal(phone, names.PHONE) if phone else None,
        "phone_hash": phones.phone_hash(phone) if phone else None,
        "phone_last4": last4_of(phone) if phone else None,
        "tags": [] if key.is_erased else list(one.tags),
        "fragments": {} if key.is_erased else dict(one.fragments),
        "created_at": one.created_at or now,
        "deleted_at": one.deleted_at,
        "cancelled_at": one.deleted_at if one.cancelled else None,
    }


def _add_terms(session: Session, merchant_id: str, people: Iterable[OldCustomer]) -> None:
    rows = [
        {"merchant_id": merchant_id, "customer_id": one.id, "term": term}
        for one in people
        for term in {phones.term_hash(merchant_id, term) for term in terms_of(one.display_name)}
    ]
    if rows:
        session.execute(insert(CustomerNameTerm), rows)
