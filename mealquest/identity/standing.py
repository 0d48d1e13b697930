"""Many credentials at once: which of them still count, for sockets that stay open for hours."""

from collections.abc import Iterable

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from mealquest.core.principal import Role
from mealquest.identity import queries
from mealquest.identity.domain import Validity
from mealquest.identity.models import Customer, StaffSession
from mealquest.identity.queries import Binding
from mealquest.identity.tokens import Claims

Place = tuple[str, str]  # a merchant, and the id of somebody or something there


def standing(session: Session, claims: Iterable[Claims]) -> set[Claims]:
    """Those whose person still is who they say, by the rule that holds for every request.

    At most three statements, however many; the transaction has their merchants in scope.
    """
    asked = {claim: (claim.merchant_id, claim.subject) for claim in claims if claim.merchant_id}
    customers = {place for claim, place in asked.items() if claim.role is Role.CUSTOMER}
    people = _staff(session, set(asked.values()) - customers) | _customers(session, customers)
    living = _living_sign_ins(session, asked)
    return {
        claim
        for claim, place in asked.items()
        if _covers(people.get((claim.role, *place)), claim)
        and (claim.session_id is None or (place[0], claim.session_id) in living)
    }


def _covers(validity: Validity | None, claim: Claims) -> bool:
    return validity is not None and validity.covers(claim.epoch, claim.issued_at)


def _staff(session: Session, places: set[Place]) -> dict[tuple[Role, str, str], Validity]:
    if not places:
        return {}
    found = queries.staff_of(session, [Binding(*place) for place in sorted(places)])
    return {(person.role, merchant, person.id): person.validity for merchant, person in found}


def _customers(session: Session, places: set[Place]) -> dict[tuple[Role, str, str], Validity]:
    if not places:
        return {}
    rows = session.execute(
        select(
            Customer.merchant_id, Customer.id, Customer.token_epoch, Customer.tokens_valid_after
        ).where(
            tuple_(Customer.merchant_id, Customer.id).in_(sorted(places)),
            Customer.deleted_at.is_(None),
        )
    )
    return {
        (Role.CUSTOMER, row.merchant_id, row.id): Validity(row.token_epoch, row.tokens_valid_after)
        for row in rows
    }


def _living_sign_ins(session: Session, claims: Iterable[Claims]) -> set[Place]:
    wanted = [(c.merchant_id, c.session_id) for c in claims if c.merchant_id and c.session_id]
    if not wanted:
        return set()
    rows = session.execute(
        select(StaffSession.merchant_id, StaffSession.id).where(
            tuple_(StaffSession.merchant_id, StaffSession.id).in_(wanted),
            StaffSession.ended_at.is_(None),
        )
    )
    return {(row.merchant_id, row.id) for row in rows}
