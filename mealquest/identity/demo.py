"""The staff of the demo data, whom the development sign-in page offers by name."""

from contextlib import suppress

from flask import current_app

from mealquest.core.db import apart, transaction
from mealquest.core.errors import MerchantUnavailable
from mealquest.core.principal import Role
from mealquest.core.settings import Profile
from mealquest.core.wire import View
from mealquest.identity import queries
from mealquest.identity.queries import Binding

STORE, BISTRO = "m_store_001", "m_bistro"
DEMO_NAMES = {STORE: "Fixture Merchant", BISTRO: "Bistro Harbor"}


class DemoPerson(View):
    merchant_id: str
    merchant_name: str
    staff_id: str
    role: Role
    name: str
    phone: str | None


def _person(
    merchant_id: str, staff_id: str, role: Role, name: str, phone: str | None = None
) -> DemoPerson:
    return DemoPerson(
        merchant_id=merchant_id,
        merchant_name=DEMO_NAMES[merchant_id],
        staff_id=staff_id,
        role=role,
        name=name,
        phone=phone,
    )


DEMO_STAFF = (
    _person(STORE, "staff_owner", Role.OWNER, "Chen Yulan", "+8613900000000"),
    _person(STORE, "staff_manager", Role.MANAGER, "Zhou Ming", "+8613900000002"),
    _person(STORE, "staff_clerk", Role.CLERK, "Lin Xiaomei", "+8613900000003"),
    _person(BISTRO, "staff_owner", Role.OWNER, "Henri Laurent", "+8613900000010"),
    _person(BISTRO, "staff_manager", Role.MANAGER, "Grace Ho"),
    _person(BISTRO, "staff_clerk", Role.CLERK, "Tom Becker"),
)
DEMO_PEOPLE = tuple(person for person in DEMO_STAFF if person.phone)


def demo_people() -> list[DemoPerson]:
    """Those of the demo staff who can sign in here; nobody outside the dev profile."""
    if current_app.config["SETTINGS"].profile is not Profile.DEV:
        return []
    wanted = [Binding(person.merchant_id, person.staff_id) for person in DEMO_PEOPLE]
    there: set[tuple[str, str]] = set()
    for group in apart(DEMO_NAMES):
        with suppress(MerchantUnavailable), transaction(*group) as session:
            found = queries.staff_of(session, [one for one in wanted if one.merchant_id in group])
            there |= {(where, staff.id) for where, staff in found}
    return [person for person in DEMO_PEOPLE if (person.merchant_id, person.staff_id) in there]
