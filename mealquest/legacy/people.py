"""Who the customers of a shop will be: those it kept, those who left, and what leads to them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mealquest.core.ids import new_id
from mealquest.core.wire import PHONE as PHONE_FORM
from mealquest.identity.service import Provider, anonymous_user_id, digits_of, restoring
from mealquest.legacy.entities import Binding, Shop, User
from mealquest.legacy.notes import Notes

NAME = "MealQuest User"


@dataclass(slots=True)
class People:
    """`ids`: how the old server's names of customers read here, also of those who left."""

    customers: list[restoring.OldCustomer]
    identities: list[restoring.OldIdentity]
    ids: dict[str, str]
    gone: frozenset[str] = field(default_factory=frozenset)  # erased or cancelled, by new id


def people_of(shop: Shop, notes: Notes, now: datetime) -> People:
    """The customers of a shop. Problems: two with one id."""
    where = f"users of {shop.merchant.id}"
    known: dict[str, User] = {}
    for user in shop.users:
        if user.id in known:
            notes.problem(where, f"{user.id} is there twice")
        known[user.id] = user
    bound, identities = _bindings(shop, known, notes, now)
    seen = _first_seen(shop)
    customers = [_customer(user, bound.get(user.id), seen, now) for user in known.values()]
    ids = {user_id: user_id for user_id in known}
    for named in sorted({payment.user_id for payment in shop.payments} - known.keys()):
        customers.append(_missing(shop.merchant.id, named, ids, seen, notes, now))
        ids[named] = customers[-1].id
    gone = frozenset(one.id for one in customers if one.deleted_at)
    erased = sum(user.deleted for user in known.values())
    if erased:
        notes.change(where, f"{erased} were erased: only their wallets and payments come along")
    return People(customers, identities, ids, gone)


def _customer(
    user: User, phone: str | None, seen: dict[str, datetime], now: datetime
) -> restoring.OldCustomer:
    return restoring.OldCustomer(
        id=user.id,
        display_name=user.name,
        phone=phone,
        tags=user.tags,
        fragments=user.fragments,
        created_at=seen.get(user.id),
        deleted_at=(user.deleted_at or now) if user.deleted else None,
    )


def _missing(
    merchant_id: str,
    named: str,
    ids: dict[str, str],
    seen: dict[str, datetime],
    notes: Notes,
    now: datetime,
) -> restoring.OldCustomer:
    """Somebody whom payments name and whom no record tells of.

    Who cancelled had an id of that kind; the name they had is theirs again unless somebody new has
    it. Anybody else paid from the wallet of another store: here they begin with nothing.
    """
    prefix = anonymous_user_id(merchant_id, "")
    values: dict[str, Any] = {"phone": None, "tags": (), "fragments": {}}
    if not named.startswith(prefix):
        notes.change(f"users of {merchant_id}", f"{named} is made: payments name them")
        return restoring.OldCustomer(named, NAME, created_at=seen.get(named), **values)
    own = named.removeprefix(prefix)
    taken = own in ids or own in ids.values()
    notes.change(f"users of {merchant_id}", f"{named} cancelled: nothing personal comes along")
    return restoring.OldCustomer(
        new_id("u") if taken or not own else own,
        "",
        created_at=seen.get(named),
        deleted_at=now,
        cancelled=True,
        **values,
    )


def _first_seen(shop: Shop) -> dict[str, datetime]:
    """When each customer was first heard of; users had no date of their own."""
    seen: dict[str, datetime] = {}
    told: Iterable[tuple[str, datetime | None]] = [
        *((payment.user_id, payment.created_at) for payment in shop.payments),
        *((binding.user_id, binding.linked_at) for binding in shop.bindings),
    ]
    for user_id, moment in told:
        if moment and (user_id not in seen or moment < seen[user_id]):
            seen[user_id] = moment
    return seen


def _bindings(
    shop: Shop, known: dict[str, User], notes: Notes, now: datetime
) -> tuple[dict[str, str], list[restoring.OldIdentity]]:
    """A phone for each customer who has one, and everything else that leads to them."""
    phones: dict[str, str] = {}
    identities: list[restoring.OldIdentity] = []
    taken: set[tuple[str, str]] = set()
    where = f"identityBindings of {shop.merchant.id}"
    for one in shop.bindings:
        user = known.get(one.user_id)
        why = _against(one, user, taken)
        if why or user is None:
            notes.leave_out(where, f"of {one.user_id}, {one.provider}: {why}")
            continue
        taken.add(_name(one))
        if one.provider == Provider.PHONE and one.user_id not in phones:
            phones[one.user_id] = one.subject
        else:
            identities.append(_identity(one, now))
    return phones, identities


def _name(one: Binding) -> tuple[str, str]:
    is_phone = one.provider == Provider.PHONE
    return one.provider, digits_of(one.subject) if is_phone else one.subject


def _against(one: Binding, user: User | None, taken: set[tuple[str, str]]) -> str:
    if user is None:
        return "nobody has that id any more"
    if user.deleted:
        return "they were erased"
    if one.provider not in set(Provider):
        return "no such provider is known here"
    if one.provider == Provider.PHONE and not PHONE_FORM.fullmatch(one.subject):
        return "the phone is none"
    return "it leads to somebody else already" if _name(one) in taken else ""


def _identity(one: Binding, now: datetime) -> restoring.OldIdentity:
    return restoring.OldIdentity(
        provider=Provider(one.provider),
        subject=one.subject,
        customer_id=one.user_id,
        union=one.union_id,
        linked_at=one.linked_at or now,
        last_login_at=one.last_login_at or one.linked_at or now,
    )
