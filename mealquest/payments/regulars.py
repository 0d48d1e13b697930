"""What customers have bought, for whoever rewards it: an order, who stays away, usual sums."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.core.money import Currency


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """An order. `earlier`: how many the customer had paid for before it."""

    customer_id: str
    currency: Currency
    is_paid: bool
    order_minor: int
    voucher_id: str | None
    voucher_minor: int
    earlier: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """Somebody who has not ordered since. `spent_minor`: in the year before, refunds taken off."""

    customer_id: str
    last_at: datetime
    orders: int
    spent_minor: int


@dataclass(frozen=True, slots=True)
class Usual:
    """Paid orders since some day, minor units; zeros when there was none."""

    average_minor: int
    largest_minor: int


def order_facts(session: Session, merchant_id: str, payment_id: str) -> OrderFacts | None:
    """None: there is no such payment."""
    row = session.execute(_ORDER, {"merchant": merchant_id, "payment": payment_id}).one_or_none()
    return OrderFacts(row[0], Currency(row[1]), *row[2:]) if row else None


def quiet_customers(
    session: Session, merchant_id: str, since: datetime, until: datetime, after: str, limit: int
) -> list[Quiet]:
    """Whose last paid order was from `since` on and before `until`, by id, behind `after`."""
    values = {"merchant": merchant_id, "since": since, "until": until}
    rows = session.execute(_QUIET, {**values, "after": after, "limit": limit})
    return [Quiet(row[0], row[1], int(row[2]), int(row[3])) for row in rows]


def spent_on_average(session: Session, merchant_id: str, since: datetime) -> int:
    """What a customer who bought anything since then has spent, minor units."""
    values = {"merchant": merchant_id, "since": since}
    return int(session.execute(_AVERAGE, values).scalar_one())


def usual_orders(session: Session, merchant_id: str, since: datetime) -> Usual:
    row = session.execute(_USUAL, {"merchant": merchant_id, "since": since}).one()
    return Usual(int(row[0]), int(row[1]))


# --- statements ---------------------------------------------------------------------------

_ORDER = text(
    """
    SELECT p.customer_id, p.currency, p.status = 'PAID', p.order_minor, p.voucher_id,
           p.voucher_minor,
           (SELECT count(*) FROM payments e
             WHERE e.merchant_id = p.merchant_id AND e.customer_id = p.customer_id
               AND e.status = 'PAID' AND (e.created_at, e.id) < (p.created_at, p.id))
      FROM payments p
     WHERE p.merchant_id = :merchant AND p.id = :payment
    """
)
_QUIET = text(
    """
    SELECT q.customer_id, q.last_at, t.orders, t.spent
      FROM (SELECT p.customer_id, max(p.created_at) AS last_at
              FROM payments p
             WHERE p.merchant_id = :merchant AND p.status = 'PAID' AND p.customer_id > :after
               AND p.created_at >= :since AND p.created_at < :until
               AND NOT EXISTS (SELECT FROM payments l
                                WHERE l.merchant_id = p.merchant_id AND l.status = 'PAID'
                                  AND l.customer_id = p.customer_id AND l.created_at >= :until)
             GROUP BY p.customer_id ORDER BY p.customer_id LIMIT :limit) AS q,
           LATERAL (SELECT count(*) AS orders,
                           coalesce(sum(o.order_minor - o.refunded_minor)
                                    FILTER (WHERE o.created_at > now() - interval '1 year'), 0)
                           AS spent
                      FROM payments o
                     WHERE o.merchant_id = :merchant AND o.customer_id = q.customer_id
                       AND o.status = 'PAID') AS t
     ORDER BY q.customer_id
    """
)
_AVERAGE = text(
    """
    SELECT coalesce(sum(order_minor - refunded_minor) / count(DISTINCT customer_id), 0)
      FROM payments
     WHERE merchant_id = :merchant AND status = 'PAID' AND created_at >= :since
    HAVING count(*) > 0
     UNION ALL SELECT 0 LIMIT 1
    """
)
_USUAL = text(
    """
    SELECT coalesce(round(avg(order_minor)), 0), coalesce(max(order_minor), 0) FROM payments
     WHERE merchant_id = :merchant AND status = 'PAID' AND created_at >= :since
    """
)
