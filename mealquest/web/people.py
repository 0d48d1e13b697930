"""Names of people whom rows know by an id only."""

from collections.abc import Iterable

from mealquest.core.db import transaction
from mealquest.core.principal import Principal
from mealquest.identity import service as identity
from mealquest.identity.service import Named
from mealquest.web.look import name_of


def names(merchant_id: str, ids: Iterable[str]) -> dict[str, str]:
    """Staff and customers of a merchant by id, also those who have left; others are left out."""
    wanted = sorted(set(ids))
    with transaction(merchant_id) as session:
        found = identity.people(session, merchant_id, wanted) if wanted else []
    return {person.id: _name(person) for person in found}


def staff_choices(merchant_id: str) -> list[tuple[str, str]]:
    """Everybody who works or has worked there, as options of a filter."""
    with transaction(merchant_id) as session:
        found = identity.all_staff(session, merchant_id)
    return [(person.id, _name(person)) for person in found]


def _name(person: Named) -> str:
    return name_of(Principal(person.role, person.id, name=person.name))
