"""Birthdays of customers: month and day, sealed under their key, found by keyed hashes.

Whoever looks for those of a day compares marks, so nothing is opened. A day has 366 values: who has
the database sees which customers of one shop share a day or a month, and who has the lookup key
besides tries all of them out. That is why the row goes when the customer goes.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core.db import transaction
from mealquest.core.principal import Principal
from mealquest.identity import phones, queries
from mealquest.identity.domain import masked
from mealquest.identity.errors import UserNotFound
from mealquest.identity.models import CustomerBirthday
from mealquest.identity.personal import personal_key
from mealquest.identity.replies import BirthdayView, OwnProfileView
from mealquest.tenancy.service import Operation

PLACE = "customer_birthdays.day"  # where the day is sealed


def own_profile(merchant_id: str, user_id: str) -> OwnProfileView:
    """What the shop knows about a customer, for themselves. UserNotFound: they are gone."""
    with transaction(merchant_id) as session:
        return _profile(session, merchant_id, user_id)


def set_own_birthday(merchant_id: str, birthday: str | None, by: Principal) -> OwnProfileView:
    """Keep a customer's own birthday, `MM-DD`, or none any more. UserNotFound: they are gone."""
    with transaction(merchant_id) as session:
        _set(session, merchant_id, by.subject, birthday, by)
        return _profile(session, merchant_id, by.subject)


def set_birthday(
    merchant_id: str, user_id: str, birthday: str | None, by: Principal
) -> BirthdayView:
    """Keep the birthday of a customer, `MM-DD`, or none any more. UserNotFound: they are gone."""
    with transaction(merchant_id) as session:
        _set(session, merchant_id, user_id, birthday, by)
    return BirthdayView(user_id=user_id, birthday=birthday)


def birthday_of(session: Session, merchant_id: str, user_id: str) -> str | None:
    """`MM-DD`; None: not known, or the customer is gone."""
    sealed = session.scalar(
        select(CustomerBirthday.day_sealed).where(
            CustomerBirthday.merchant_id == merchant_id, CustomerBirthday.customer_id == user_id
        )
    )
    if sealed is None:
        return None
    return personal_key(session, merchant_id, user_id).open(sealed, PLACE)


def born_on(
    session: Session, merchant_id: str, days: Iterable[str], after: str, limit: int
) -> Sequence[str]:
    """Ids of customers born on one of the days (`MM-DD`), at most `limit` behind `after`."""
    marks = [_mark(merchant_id, day) for day in days]
    return session.scalars(
        _ids(merchant_id, after, limit).where(CustomerBirthday.day_mark.in_(marks))
    ).all()


def born_in(
    session: Session, merchant_id: str, month: str, besides: Iterable[str], after: str, limit: int
) -> Sequence[str]:
    """Ids of customers born in the month (`MM`), not on one of the days `besides`."""
    marks = [_mark(merchant_id, day) for day in besides]
    return session.scalars(
        _ids(merchant_id, after, limit).where(
            CustomerBirthday.month_mark == _mark(merchant_id, month),
            CustomerBirthday.day_mark.not_in(marks),
        )
    ).all()


def forget_birthday(session: Session, merchant_id: str, user_id: str) -> None:
    session.execute(
        delete(CustomerBirthday).where(
            CustomerBirthday.merchant_id == merchant_id, CustomerBirthday.customer_id == user_id
        )
    )


def _ids(merchant_id: str, after: str, limit: int) -> Select[str]:
    return (
        select(CustomerBirthday.customer_id)
        .where(CustomerBirthday.merchant_id == merchant_id, CustomerBirthday.customer_id > after)
        .order_by(CustomerBirthday.customer_id)
        .limit(limit)
    )


def _set(
    session: Session, merchant_id: str, user_id: str, birthday: str | None, by: Principal
) -> None:
    customer = queries.lock_customer(session, merchant_id, user_id)
    if customer is None or customer.deleted_at:
        raise UserNotFound
    if birthday is None:
        forget_birthday(session, merchant_id, user_id)
    else:
        _keep(session, merchant_id, user_id, birthday)
    # The day itself has no place in the audit, where nothing can be erased.
    details = {"userId": user_id, "birthday": "REMOVED" if birthday is None else "SET"}
    audit.record(session, merchant_id, Operation.CUSTOMER_PROFILE_SET.value, by, details)


def _keep(session: Session, merchant_id: str, user_id: str, birthday: str) -> None:
    kept = {
        "day_sealed": personal_key(session, merchant_id, user_id).seal(birthday, PLACE),
        "day_mark": _mark(merchant_id, birthday),
        "month_mark": _mark(merchant_id, birthday[:2]),
        "set_at": func.now(),
    }
    session.execute(
        insert(CustomerBirthday)
        .values(merchant_id=merchant_id, customer_id=user_id, **kept)
        .on_conflict_do_update(index_elements=["merchant_id", "customer_id"], set_=kept)
    )


def _mark(merchant_id: str, text: str) -> int:
    return phones.birthday_mark(merchant_id, text)


def _profile(session: Session, merchant_id: str, user_id: str) -> OwnProfileView:
    facts = queries.customer_facts(session, merchant_id, user_id)
    if facts is None:
        raise UserNotFound
    return OwnProfileView(
        merchant_id=merchant_id,
        user_id=user_id,
        display_name=facts.display_name,
        phone_masked=masked(facts.phone_last4),
        birthday=birthday_of(session, merchant_id, user_id),
    )
