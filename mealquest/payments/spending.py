"""What customers bought after a moment of their own, for whoever compares groups of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, func, literal, select, true
from sqlalchemy.orm import Session

from mealquest.payments.domain import PaymentStatus
from mealquest.payments.models import Payment


@dataclass(frozen=True, slots=True)
class Spending:
    """Of a group: how many, how many bought anything, and what each spent, minor units.

    `variance` is the sample's; `open`: of how many the time is not over yet; `last_until`: when it
    is over of all of them.
    """

    customers: int
    bought: int
    total_minor: int
    mean: float
    variance: float
    open: int
    last_until: datetime


def spending(
    session: Session, merchant_id: str, people: Select[str, bool, datetime], window: timedelta
) -> dict[bool, Spending]:
    """What each of two groups spent within `window` after a moment of each customer's own.

    `people` selects `customer_id`, `side` and `since`. Paid orders count, whatever paid for them,
    less what was refunded; one that was given back whole is none. Each customer's orders are read
    along the index of customers, so it costs what the group has, not what the shop has.
    """
    who = people.cte("who").prefix_with("MATERIALIZED", dialect="postgresql")
    until = who.c.since + literal(window)
    net = Payment.order_minor - Payment.refunded_minor
    spent = (
        select(func.coalesce(func.sum(net), 0).label("minor"))
        .where(
            Payment.merchant_id == merchant_id,
            Payment.customer_id == who.c.customer_id,
            Payment.created_at > who.c.since,
            Payment.created_at <= until,
            Payment.status == PaymentStatus.PAID,
        )
        .lateral("spent")
    )
    minor = spent.c.minor
    rows = session.execute(
        select(
            who.c.side,
            func.count(),
            func.count().filter(minor > 0),
            func.sum(minor),
            func.avg(minor),
            func.coalesce(func.var_samp(minor), 0),
            func.count().filter(until > func.now()),
            func.max(until),
        )
        .select_from(who)
        .join(spent, true())
        .group_by(who.c.side)
    )
    return {
        row[0]: Spending(row[1], row[2], int(row[3]), float(row[4]), float(row[5]), row[6], row[7])
        for row in rows
    }
