"""The list of payments: filters that an index carries each, and pages that begin anywhere."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from mealquest.core.paging import Keyset, Order
from mealquest.payments.domain import PaymentStatus
from mealquest.payments.queries import FACTS, PaymentFacts, facts_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which payments: from `since` on and before `until`; None leaves a filter out.

    `going_back`: only those with outside money that is not back at the customer yet; `paid_again`:
    only those that the gateway reported twice.
    """

    customer_id: str | None = None
    status: PaymentStatus | None = None
    since: datetime | None = None
    until: datetime | None = None
    order: Order = Order.NEWEST
    going_back: bool = False
    paid_again: bool = False


# Parameter of the statement -> the condition that needs it.
_CONDITIONS = {
    "customer": " AND p.customer_id = :customer",
    "since": " AND p.created_at >= :since",
    "until": " AND p.created_at < :until",
}
_GOING_BACK = """
       AND EXISTS (SELECT FROM gateway_refunds r WHERE r.merchant_id = p.merchant_id
                      AND r.payment_id = p.id AND r.state <> 'DONE')"""
_PAID_AGAIN = """
       AND EXISTS (SELECT FROM payments_paid_again a WHERE a.merchant_id = p.merchant_id
                      AND a.payment_id = p.id)"""
_AFTER = {
    Order.NEWEST: " AND (p.created_at, p.id) < (:moment, :id)",
    Order.OLDEST: " AND (p.created_at, p.id) > (:moment, :id)",
}
_IN_ORDER = {
    Order.NEWEST: " ORDER BY p.created_at DESC, p.id DESC LIMIT :limit",
    Order.OLDEST: " ORDER BY p.created_at, p.id LIMIT :limit",
}


def page(
    session: Session, merchant_id: str, wanted: Wanted, after: Keyset | None, limit: int
) -> list[PaymentFacts]:
    """At most `limit` payments, in order, behind the place of `after`."""
    given: dict[str, Any] = {
        "customer": wanted.customer_id,
        "since": wanted.since,
        "until": wanted.until,
    }
    values = {name: value for name, value in given.items() if value is not None}
    extras = _GOING_BACK * wanted.going_back + _PAID_AGAIN * wanted.paid_again
    statement = _statement(tuple(values), wanted.status, after is not None, wanted.order, extras)
    if after is not None:
        values |= {"moment": after.moment, "id": after.id}
    rows = session.execute(statement, {**values, "merchant": merchant_id, "limit": limit})
    return facts_of(session, merchant_id, rows.all())


@cache
def _statement(
    given: tuple[str, ...],
    status: PaymentStatus | None,
    continues: bool,
    order: Order,
    extras: str,
) -> TextClause:
    """The state is written out, so that the planner sees which index holds it."""
    conditions = "".join(_CONDITIONS[name] for name in given)
    if status:
        conditions += f" AND p.status = '{status.value}'"
    return text(FACTS + conditions + extras + _AFTER[order] * continues + _IN_ORDER[order])
