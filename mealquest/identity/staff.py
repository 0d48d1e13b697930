"""Staff, and what a token is worth: the person it names must still be who it says."""

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import directory
from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.core.principal import MERCHANT, Principal, Role
from mealquest.core.principal import Session as SignIn
from mealquest.identity import phones, queries
from mealquest.identity.errors import StaffExists, StaffNotFound, StaffPhoneTaken
from mealquest.identity.models import Customer, Staff, StaffPhone
from mealquest.identity.queries import Person
from mealquest.identity.sessions import FROM_NEXT_SECOND, end_everything
from mealquest.identity.tokens import Claims, InvalidToken


def principal_of(session: Session, claims: Claims) -> Principal:
    """Who a token's claims stand for, in one statement; none for an applicant.

    InvalidToken: the person is gone, has another role by now, or has signed out since; or the
    sign-in it comes from is ended.
    """
    if claims.role is Role.APPLICANT or claims.merchant_id is None:
        return Principal(Role.APPLICANT, claims.subject)
    person = _holder(session, claims.merchant_id, claims)
    if (
        person is None
        or person.role is not claims.role
        or not person.validity.covers(claims.epoch, claims.issued_at)
    ):
        raise InvalidToken("invalid token")
    return Principal(person.role, person.id, claims.merchant_id, person.name, _sign_in(person))


def _holder(session: Session, merchant_id: str, claims: Claims) -> Person | None:
    if claims.role is Role.CUSTOMER:
        return queries.customer_person(session, merchant_id, claims.subject)
    return queries.staff(session, merchant_id, claims.subject, session_id=claims.session_id)


def _sign_in(person: Person) -> SignIn | None:
    return SignIn(person.session_id, person.is_stale) if person.session_id else None


def staff_principal(merchant_id: str, staff_id: str) -> tuple[Principal, int]:
    """A staff member as a principal, and the epoch to mint a token with."""
    with transaction(merchant_id) as session:
        person = queries.staff(session, merchant_id, staff_id)
    if person is None:
        raise StaffNotFound
    return Principal(person.role, person.id, merchant_id, person.name), person.validity.epoch


def works_at(merchant_id: str, phone: str) -> bool:
    """Whether the phone signs somebody in there."""
    phone_hash = phones.phone_hash(phone)
    with transaction(merchant_id) as session:
        found = queries.bindings(session, phone_hash)
    return any(binding.merchant_id == merchant_id for binding in found)


def sign_out(principal: Principal) -> None:
    """End every token and console session of the person, wherever they are signed in.

    An applicant's token names nobody we know; it ends by itself within ten minutes.
    """
    merchant_id = principal.merchant_id
    if merchant_id is None:
        return
    with transaction(merchant_id) as session:
        if principal.role is Role.CUSTOMER:
            _end_customer_tokens(session, merchant_id, principal.subject)
            audit.record(session, merchant_id, "CUSTOMER_SIGN_OUT", principal, {})
        else:
            end_everything(session, merchant_id, principal.subject)
            audit.record(session, merchant_id, "STAFF_SIGN_OUT", principal, {})


def _end_customer_tokens(session: Session, merchant_id: str, customer_id: str) -> None:
    session.execute(
        update(Customer)
        .where(Customer.merchant_id == merchant_id, Customer.id == customer_id)
        .values(token_epoch=Customer.token_epoch + 1, tokens_valid_after=FROM_NEXT_SECOND)
    )


def add_staff(
    session: Session,
    merchant_id: str,
    *,
    staff_id: str | None = None,
    role: Role,
    name: str,
    phone: str | None = None,
) -> str:
    """Add somebody to the merchant's staff and return their id.

    Raises:
        StaffExists: the id is taken, also by somebody who has left.
        StaffPhoneTaken: the phone signs in somebody else here.
    """
    if role not in MERCHANT:
        raise ValueError(f"{role} is no role of staff")
    staff_id = staff_id or new_id("staff")
    added = session.scalar(
        insert(Staff)
        .values(
            merchant_id=merchant_id,
            id=staff_id,
            role=role,
            name=name,
            phone=phones.sealed_staff_phone(merchant_id, phone) if phone else None,
        )
        .on_conflict_do_nothing(index_elements=["merchant_id", "id"])
        .returning(Staff.id)
    )
    if added is None:
        raise StaffExists
    if phone:
        bind_phone(session, merchant_id, staff_id, phone)
    return staff_id


def remove_staff(session: Session, merchant_id: str, staff_id: str) -> None:
    """Let somebody go: their tokens end, their phone is free, their row stays for the audit."""
    removed = session.scalar(
        update(Staff)
        .where(Staff.merchant_id == merchant_id, Staff.id == staff_id, Staff.removed_at.is_(None))
        .values(removed_at=func.now(), phone=None)
        .returning(Staff.id)
    )
    if removed is None:
        raise StaffNotFound
    end_everything(session, merchant_id, staff_id)
    unbind_phone(session, merchant_id, staff_id)


def remove_all_staff(session: Session, merchant_id: str) -> None:
    """Let everybody go, as a shop closes."""
    ids = session.scalars(
        select(Staff.id).where(Staff.merchant_id == merchant_id, Staff.removed_at.is_(None))
    ).all()
    for staff_id in ids:
        remove_staff(session, merchant_id, staff_id)


def has_customers(session: Session, merchant_id: str) -> bool:
    """Whether a merchant has, or ever had, a customer."""
    query = select(Customer.id).where(Customer.merchant_id == merchant_id).limit(1)
    return session.scalar(query) is not None


def unbind_phone(session: Session, merchant_id: str, staff_id: str) -> None:
    """From now on no phone signs the person in."""
    session.execute(
        delete(StaffPhone).where(
            StaffPhone.merchant_id == merchant_id, StaffPhone.staff_id == staff_id
        )
    )
    directory.changed(session, merchant_id)


def bind_phone(session: Session, merchant_id: str, staff_id: str, phone: str) -> None:
    """From now on the phone signs the person in. StaffPhoneTaken: it signs in a colleague."""
    bound = session.scalar(
        insert(StaffPhone)
        .values(phone_hash=phones.phone_hash(phone), merchant_id=merchant_id, staff_id=staff_id)
        .on_conflict_do_nothing(index_elements=["phone_hash", "merchant_id"])
        .returning(StaffPhone.staff_id)
    )
    if bound is None:
        raise StaffPhoneTaken
    directory.changed(session, merchant_id)
