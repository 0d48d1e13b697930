"""What was bought in some time, in its order and as it stood then, for whoever replays it.

Rows come as they are read, so that a year of orders needs no more memory than a day of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.orm import Session

from mealquest.core.db import streamed
from mealquest.payments.regulars import Quiet


@dataclass(frozen=True, slots=True)
class PastOrder:
    """A paid order. `at`: when it was; `earlier`: how many the customer had paid for before."""

    id: str
    customer_id: str
    at: datetime
    order_minor: int
    earlier: int


@dataclass(frozen=True, slots=True)
class PastRefund:
    """`total_minor`: of its payment, with this one."""

    customer_id: str
    at: datetime
    amount_minor: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What a week of the span brought in, refunds of its orders taken off; minor units."""

    week: int
    orders: int
    minor: int


def past_orders(
    session: Session, merchant_id: str, since: datetime, until: datetime
) -> Iterator[PastOrder]:
    values = {"merchant": merchant_id, "since": since, "until": until}
    for row in streamed(session, _ORDERS, values):
        yield PastOrder(*row)


def past_refunds(
    session: Session, merchant_id: str, since: datetime, until: datetime
) -> Iterator[PastRefund]:
    values = {"merchant": merchant_id, "since": since, "until": until}
    for row in streamed(session, _REFUNDS, values):
        yield PastRefund(row[0], row[1], row[2], int(row[3]))


def absences(
    session: Session, merchant_id: str, days: int, since: datetime, until: datetime
) -> Iterator[tuple[datetime, Quiet]]:
    """Who had not ordered for so many days at some moment of the span: the moment, and who."""
    values = {
        "merchant": merchant_id,
        "since": since,
        "until": until,
        "away": timedelta(days=days),
        "back": timedelta(days=max(0, 365 - days)),
    }
    for at, customer_id, last_at, orders, spent in streamed(session, _ABSENCES, values):
        yield at, Quiet(customer_id, last_at, int(orders), int(spent))


def average_spent(session: Session, merchant_id: str, at: datetime) -> int:
    """What a customer who bought anything in the year before had spent on average, minor units."""
    values = {"merchant": merchant_id, "since": at - timedelta(days=365), "until": at}
    return int(session.execute(_AVERAGE, values).scalar_one())


def paid_with(
    session: Session, merchant_id: str, voucher_ids: Sequence[str], since: datetime
) -> dict[str, datetime]:
    """When each of these vouchers first paid, of those that did since then."""
    values = {"merchant": merchant_id, "vouchers": list(voucher_ids), "since": since}
    found = session.execute(_PAID_WITH, values)
    return {row[0]: row[1] for row in found}


def taken_by_week(
    session: Session, merchant_id: str, since: datetime, until: datetime
) -> dict[int, Taken]:
    """By the number of the week, counted from 0 at `since`; weeks without an order are left out."""
    values = {"merchant": merchant_id, "since": since, "until": until}
    rows = session.execute(_WEEKS, values)
    return {int(row[0]): Taken(int(row[0]), int(row[1]), int(row[2])) for row in rows}


# --- statements ---------------------------------------------------------------------------

# An order that waited for outside money counts from the moment when that came.
_ORDERS = text(
    """
    SELECT id, customer_id, at, order_minor, earlier
      FROM (SELECT id, customer_id, coalesce(confirmed_at, created_at) AS at, order_minor,
                   row_number() OVER (PARTITION BY customer_id ORDER BY created_at, id) - 1
                   AS earlier
              FROM payments
             WHERE merchant_id = :merchant AND status = 'PAID' AND created_at < :until) AS paid
     WHERE at >= :since AND at < :until
     ORDER BY at, id
    """
)
_REFUNDS = text(
    """
    SELECT customer_id, at, amount_minor, total
      FROM (SELECT p.customer_id, r.created_at AS at, r.id, r.amount_minor,
                   sum(r.amount_minor) OVER (PARTITION BY r.payment_id
                                             ORDER BY r.created_at, r.id) AS total
              FROM refunds r
              JOIN payments p ON p.merchant_id = r.merchant_id AND p.id = r.payment_id
             WHERE r.merchant_id = :merchant AND r.created_at < :until) AS given
     WHERE at >= :since
     ORDER BY at, id
    """
)
_ABSENCES = text(
    """
    SELECT at, customer_id, last_at, orders, greatest(spent, 0)
      FROM (SELECT customer_id, created_at AS last_at,
                   created_at + CAST(:away AS interval) AS at,
                   row_number() OVER whose AS orders,
                   lead(created_at) OVER whose AS next_at,
                   sum(order_minor - refunded_minor)
                   OVER (PARTITION BY customer_id ORDER BY created_at
                         RANGE BETWEEN CAST(:back AS interval) PRECEDING AND CURRENT ROW) AS spent
              FROM payments
             WHERE merchant_id = :merchant AND status = 'PAID' AND created_at < :until
            WINDOW whose AS (PARTITION BY customer_id ORDER BY created_at, id)) AS bought
     WHERE at >= :since AND at < :until AND (next_at IS NULL OR next_at >= at)
     ORDER BY at, customer_id
    """
)
_AVERAGE = text(
    """
    SELECT coalesce(sum(order_minor - refunded_minor) / nullif(count(DISTINCT customer_id), 0), 0)
      FROM payments
     WHERE merchant_id = :merchant AND status = 'PAID' AND created_at >= :since
       AND created_at < :until
    """
)
_PAID_WITH = text(
    """
    SELECT voucher_id, min(coalesce(confirmed_at, created_at))
      FROM payments
     WHERE merchant_id = :merchant AND status = 'PAID' AND voucher_id = ANY(:vouchers)
       AND created_at >= :since
     GROUP BY voucher_id
    """
).bindparams(bindparam("vouchers", type_=ARRAY(Text)))
_WEEKS = text(
    """
    SELECT floor(extract(epoch FROM created_at - CAST(:since AS timestamptz)) / 604800) AS week,
           count(*), sum(order_minor - refunded_minor)
      FROM payments
     WHERE merchant_id = :merchant AND status = 'PAID' AND created_at >= :since
       AND created_at < :until
     GROUP BY week
    """
)
