"""Reads of people. Everything here is inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select, tuple_, union
from sqlalchemy.orm import Session

from mealquest.core.paging import Keyset, Order
from mealquest.core.principal import Role
from mealquest.identity import names, phones
from mealquest.identity.domain import SEEN_EVERY, PendingCode, Validity, terms_wanted
from mealquest.identity.models import (
    Customer,
    CustomerNameTerm,
    PhoneCode,
    Staff,
    StaffPhone,
    StaffSession,
)
from mealquest.identity.social_queries import of_further_phone

LAST_DIGITS = 4


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """What the other features need to know about a customer."""

    id: str
    display_name: str
    phone_last4: str | None
    tags: list[str]
    fragments: dict[str, Any]
    is_deleted: bool = False  # the owner erased them; what their wallet holds is still there


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may hold a token at a merchant."""

    id: str
    role: Role
    name: str
    validity: Validity
    session_id: str | None = None
    is_stale: bool = False  # the session was not noted as seen for minutes


@dataclass(frozen=True, slots=True)
class Named:
    """Somebody of a merchant, also one who has left: whom rows of the past may name."""

    id: str
    role: Role
    name: str


@dataclass(frozen=True, slots=True)
class Binding:
    """A phone is staff of a merchant."""

    merchant_id: str
    staff_id: str


# --- staff --------------------------------------------------------------------------------


def staff(
    session: Session,
    merchant_id: str,
    staff_id: str,
    *,
    session_id: str | None = None,
    stays: bool = False,
) -> Person | None:
    """Somebody who works there now; with `session_id`, only while that sign-in of theirs lives.

    `stays`: role and tokens of the person do not change before the transaction ends.
    """
    named = {"merchant": merchant_id, "staff": staff_id, "session": session_id}
    row = session.execute(_staff_query(bool(session_id), stays), named).one_or_none()
    if row is None:
        return None
    return replace(_person(row), session_id=session_id, is_stale=bool(session_id and row[-1]))


@cache
def _staff_query(with_session: bool, stays: bool) -> Select[*tuple[Any, ...]]:
    """Built once: every request of staff asks it."""
    query: Select[*tuple[Any, ...]] = select(*_PERSON).where(
        Staff.merchant_id == bindparam("merchant"),
        Staff.id == bindparam("staff"),
        Staff.removed_at.is_(None),
    )
    if with_session:
        query = query.join(
            StaffSession,
            and_(
                StaffSession.merchant_id == Staff.merchant_id,
                StaffSession.staff_id == Staff.id,
                StaffSession.id == bindparam("session"),
                StaffSession.ended_at.is_(None),
            ),
        ).add_columns(StaffSession.last_seen_at < func.now() - SEEN_EVERY)
    return query.with_for_update(read=True, of=Staff) if stays else query


def staff_of(session: Session, wanted: list[Binding]) -> list[tuple[str, Person]]:
    """Those of `wanted` who work there now, each with the merchant, by merchant."""
    rows = session.execute(
        select(*_PERSON)
        .where(
            tuple_(Staff.merchant_id, Staff.id).in_([(b.merchant_id, b.staff_id) for b in wanted]),
            Staff.removed_at.is_(None),
        )
        .order_by(Staff.merchant_id)
    )
    return [(row.merchant_id, _person(row)) for row in rows]


_PERSON = (
    Staff.merchant_id,
    Staff.id,
    Staff.role,
    Staff.name,
    Staff.token_epoch,
    Staff.tokens_valid_after,
)


def _person(row: Any) -> Person:
    return Person(row.id, row.role, row.name, Validity(row.token_epoch, row.tokens_valid_after))


def all_staff(session: Session, merchant_id: str) -> list[Named]:
    """Everybody who works or has worked there, by name."""
    rows = session.execute(
        select(Staff.id, Staff.role, Staff.name)
        .where(Staff.merchant_id == merchant_id)
        .order_by(Staff.name, Staff.id)
    )
    return [Named(*row) for row in rows]


def people(session: Session, merchant_id: str, ids: list[str]) -> list[Named]:
    """The staff and customers among `ids`, whether they are still there or not."""
    staffed = select(Staff.id, Staff.role, Staff.name).where(
        Staff.merchant_id == merchant_id, Staff.id.in_(ids)
    )
    customers = names.shown_customers(session, merchant_id, ids)
    return [Named(*row) for row in session.execute(staffed)] + [
        Named(user_id, Role.CUSTOMER, shown.display_name) for user_id, shown in customers.items()
    ]


def bindings(session: Session, phone_hash: str) -> list[Binding]:
    """Every merchant in scope that knows the phone as staff, by id."""
    rows = session.execute(
        select(StaffPhone.merchant_id, StaffPhone.staff_id)
        .where(StaffPhone.phone_hash == phone_hash)
        .order_by(StaffPhone.merchant_id)
    )
    return [Binding(row.merchant_id, row.staff_id) for row in rows]


def lock_code(session: Session, phone_hash: str) -> tuple[PendingCode, datetime] | None:
    """The phone's code, locked against other guesses, and the database's time."""
    row = session.execute(
        select(
            PhoneCode.code_hash,
            PhoneCode.expires_at,
            PhoneCode.tries_left,
            PhoneCode.used_at.is_not(None).label("used"),
            PhoneCode.choice_until,
            func.now().label("now"),
        )
        .where(PhoneCode.phone_hash == phone_hash)
        .with_for_update()
    ).one_or_none()
    if row is None:
        return None
    pending = PendingCode(row.code_hash, row.expires_at, row.tries_left, row.used, row.choice_until)
    return pending, row.now


# --- customers ----------------------------------------------------------------------------


def tags_of_all(session: Session, merchant_id: str) -> dict[str, list[str]]:
    """The tags of every customer who has some."""
    rows = session.execute(
        select(Customer.id, Customer.tags).where(
            Customer.merchant_id == merchant_id, func.cardinality(Customer.tags) > 0
        )
    )
    return {row[0]: row[1] for row in rows}


def customer_facts(
    session: Session, merchant_id: str, user_id: str, *, also_deleted: bool = False
) -> CustomerFacts | None:
    there = Customer.cancelled_at.is_(None) if also_deleted else Customer.deleted_at.is_(None)
    row = session.execute(
        names.with_keys(
            select(Customer.phone_last4, Customer.tags, Customer.fragments, *names.COLUMNS)
        ).where(Customer.merchant_id == merchant_id, Customer.id == user_id, there)
    ).one_or_none()
    if row is None:
        return None
    return CustomerFacts(
        user_id,
        names.name_of(merchant_id, user_id, row),
        row.phone_last4,
        row.tags,
        row.fragments,
        is_deleted=row.deleted_at is not None,
    )


def customer_person(session: Session, merchant_id: str, user_id: str) -> Person | None:
    row = session.execute(
        names.with_keys(
            select(Customer.token_epoch, Customer.tokens_valid_after, *names.COLUMNS)
        ).where(*_present(merchant_id), Customer.id == user_id)
    ).one_or_none()
    if row is None:
        return None
    validity = Validity(row.token_epoch, row.tokens_valid_after)
    return Person(user_id, Role.CUSTOMER, names.name_of(merchant_id, user_id, row), validity)


def customer_by_phone(session: Session, merchant_id: str, phone_hash: str) -> Customer | None:
    return session.scalars(
        select(Customer).where(
            Customer.merchant_id == merchant_id, Customer.phone_hash == phone_hash
        )
    ).one_or_none()


def lock_customer(session: Session, merchant_id: str, user_id: str) -> Customer | None:
    """The row, also of somebody who has left, until the transaction ends."""
    return session.scalars(
        select(Customer)
        .where(Customer.merchant_id == merchant_id, Customer.id == user_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()


def reference_of(session: Session, merchant_id: str, user_id: str) -> int | None:
    return session.scalar(
        select(Customer.reference).where(*_present(merchant_id), Customer.id == user_id)
    )


def customers_of_reference(
    session: Session, merchant_id: str, reference: int
) -> Sequence[Customer]:
    """Nearly always one at most: of a million customers about a thousand share theirs."""
    return session.scalars(
        select(Customer).where(*_present(merchant_id), Customer.reference == reference)
    ).all()


def customers_page(
    session: Session,
    merchant_id: str,
    *,
    text: str | None,
    phone_hash: str | None,
    order: Order,
    after: Keyset | None,
    limit: int,
) -> Sequence[Customer]:
    """At most `limit` customers in order of their joining, behind the place of `after`.

    `phone_hash`: the hash of `text`, when it looks like a whole phone.
    """
    wanted = select(Customer).where(*_present(merchant_id))
    if text:
        wanted = wanted.where(Customer.id.in_(_matches(merchant_id, text, phone_hash)))
    if after:
        place, last = tuple_(Customer.created_at, Customer.id), (after.moment, after.id)
        wanted = wanted.where(place < last if order is Order.NEWEST else place > last)
    newest = (Customer.created_at.desc(), Customer.id.desc())
    in_order = newest if order is Order.NEWEST else (Customer.created_at, Customer.id)
    return session.scalars(wanted.order_by(*in_order).limit(limit)).all()


def _present(merchant_id: str) -> tuple[ColumnElement[bool], ...]:
    return Customer.merchant_id == merchant_id, Customer.deleted_at.is_(None)


def _matches(merchant_id: str, text: str, phone_hash: str | None) -> Select[str]:
    """Ids by any way in which a text may name somebody, each of them along an index."""
    ids = select(Customer.id).where(*_present(merchant_id))
    matches: list[Select[str]] = [
        ids.where(Customer.id == text),
        ids.where(
            Customer.sealed_name.is_(None),
            Customer.display_name.icontains(text, autoescape=True),
        ),
    ]
    if phone_hash:
        matches.append(ids.where(Customer.phone_hash == phone_hash))
        matches.append(ids.where(Customer.id.in_(of_further_phone(merchant_id, phone_hash))))
    if len(text) == LAST_DIGITS and text.isascii() and text.isdigit():
        matches.append(ids.where(Customer.phone_last4 == text))
    terms = {phones.term_hash(merchant_id, term) for term in terms_wanted(text)}
    if terms:
        matches.append(_named(merchant_id, terms))
    return select(union(*matches).subquery().c.id)


def _named(merchant_id: str, terms: set[int]) -> Select[str]:
    """Those whose names have all of these parts."""
    return (
        select(CustomerNameTerm.customer_id.label("id"))
        .where(CustomerNameTerm.merchant_id == merchant_id, CustomerNameTerm.term.in_(terms))
        .group_by(CustomerNameTerm.customer_id)
        .having(func.count() == len(terms))
    )
