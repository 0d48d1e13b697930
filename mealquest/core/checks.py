"""Invariants that a feature can prove of one merchant, and what may safely be done when one fails.

A check is a statement that selects what is wrong: rows of `(id, what)`. One statement has one
snapshot, so it finds nothing wrong in the middle of a payment.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import TextClause
from sqlalchemy.orm import Session

from mealquest.core.db import transaction

MOST_FINDINGS = 100  # of one check at one merchant: more say nothing new


@dataclass(frozen=True, slots=True)
class Finding:
    """`about` is the id of what is wrong."""

    merchant_id: str
    about: str
    what: str


@dataclass(frozen=True, slots=True)
class Check:
    """`holds` says in words what is true of a sound merchant.

    Attributes:
        name: `feature_subject`, the label of its metric.
        find: what is wrong at one merchant; opens its own transaction.
        fix: repairs one finding and says what it did; None where that needs a person.
    """

    name: str
    holds: str
    find: Callable[[str], list[Finding]]
    fix: Callable[[Finding], str] | None = None


def by_statement(statement: TextClause) -> Callable[[str], list[Finding]]:
    """What a statement with `:merchant` and `:limit` selects: the id, and what is wrong with it."""

    def find(merchant_id: str) -> list[Finding]:
        with transaction(merchant_id) as session:
            return found(session, statement, merchant_id)

    return find


def found(session: Session, statement: TextClause, merchant_id: str) -> list[Finding]:
    values = {"merchant": merchant_id, "limit": MOST_FINDINGS}
    return [Finding(merchant_id, row[0], row[1]) for row in session.execute(statement, values)]
