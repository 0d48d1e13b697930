"""Names of people whom rows know by an id only."""

from collections.abc import Iterable
from dataclasses import dataclass

from mealquest.core.db import transaction
from mealquest.core.principal import Principal
from mealquest.identity import service as identity
from mealquest.identity.service import Named
from mealquest.web.look import name_of, principal

CUSTOMER = "u_"  # how ids of customers begin


def names(merchant_id: str, ids: Iterable[str]) -> dict[str, str]:
    """Staff and customers of a merchant by id, also those who have left; others are left out."""
    wanted = sorted(set(ids))
    with transaction(merchant_id) as session:
        found = identity.people(session, merchant_id, wanted) if wanted else []
    return {person.id: _name(person) for person in found}


def cancelled(merchant_id: str, ids: Iterable[str]) -> dict[str, str]:
    """Of customers by id those who closed their account, with the id that is shown instead."""
    wanted = {one for one in ids if one.startswith(CUSTOMER)}
    if not wanted:
        return {}
    with transaction(merchant_id) as session:
        return identity.cancelled_among(session, merchant_id, wanted)


def caller() -> str:
    """Who makes this request, as throttles count them."""
    who = principal()
    return f"{who.merchant_id}:{who.actor}" if who else "nobody"


@dataclass(frozen=True, slots=True)
class Directory:
    """Names by id, and everybody who works or has worked there, as options of a filter."""

    names: dict[str, str]
    staff: list[tuple[str, str]]


def directory(merchant_id: str, ids: Iterable[str]) -> Directory:
    """As `names`, and the shop's staff with it."""
    with transaction(merchant_id) as session:
        staff = {p.id: _name(p) for p in identity.all_staff(session, merchant_id)}
        others = sorted(set(ids) - staff.keys())
        found = identity.people(session, merchant_id, others) if others else []
    known = staff | {person.id: _name(person) for person in found}
    return Directory(known, list(staff.items()))


def _name(person: Named) -> str:
    return name_of(Principal(person.role, person.id, name=person.name))
