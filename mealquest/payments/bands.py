"""Customers by when they last bought and by what they spent: counts and sums of bands, no one by
themselves. A band of a few is left out, and so is the next smallest, from which it could be told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import text

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.tenancy import service as tenancy
from mealquest.wallet.service import major

FEWEST: Final = 5  # customers of a band that is told
MONTH: Final = timedelta(days=30)
SPENDING: Final = timedelta(days=90)
LOOKED_BACK: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Band:
    """`spent_minor`: of all in it, within 90 days."""

    customers: int
    spent_minor: int


@dataclass(frozen=True, slots=True)
class CustomerBands:
    """By name of the band. Sums in major units, refunds taken off, within 90 days."""

    currency: Currency
    by_recency: Mapping[str, int]
    by_spend: Mapping[str, int]
    spent: Mapping[str, Decimal]  # by the bands of by_spend


def customer_bands(merchant_id: str) -> CustomerBands:
    """Of everybody who bought within a year."""
    now = utc_now()
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        rows = session.execute(_BANDS, {"merchant": merchant_id, **_moments(now)}).all()
    recency = told(_bands((row[0], row[2], row[3]) for row in rows))
    spend = told(_bands((row[1], row[2], row[3]) for row in rows))
    return CustomerBands(
        currency=currency,
        by_recency={name: band.customers for name, band in recency.items()},
        by_spend={name: band.customers for name, band in spend.items()},
        spent={name: major(band.spent_minor, currency) for name, band in spend.items()},
    )


def _moments(now: datetime) -> dict[str, datetime]:
    return {
        "now": now,
        "month": now - MONTH,
        "two_months": now - 2 * MONTH,
        "lately": now - SPENDING,
        "since": now - LOOKED_BACK,
    }


def told(bands: Mapping[str, Band]) -> dict[str, Band]:
    """The bands that may be told. Where one is too small, so is the smallest of the others.

    Otherwise the sum over another division of the same customers would tell it.
    """
    kept = {name: band for name, band in bands.items() if band.customers >= FEWEST}
    if kept and any(0 < band.customers < FEWEST for band in bands.values()):
        del kept[min(kept, key=lambda name: kept[name].customers)]
    return kept


def _bands(rows: Iterable[tuple[str | None, int, int]]) -> dict[str, Band]:
    """Customers and what they spent, added up by band."""
    found: dict[str, Band] = {}
    for name, customers, spent in rows:
        if name is not None:
            known = found.get(name, Band(0, 0))
            found[name] = Band(known.customers + customers, known.spent_minor + spent)
    return found


# Who bought nothing within 90 days has no band of what was spent.
_BANDS = text(
    """
    WITH each AS (
      SELECT customer_id, max(created_at) AS last_at,
             coalesce(sum(order_minor - refunded_minor)
                      FILTER (WHERE created_at >= :lately), 0) AS spent
        FROM payments
       WHERE merchant_id = :merchant AND status = 'PAID' AND created_at >= :since
         AND created_at <= :now
       GROUP BY customer_id)
    SELECT CASE WHEN e.last_at > :month THEN 'last_month'
                WHEN e.last_at > :two_months THEN 'second_month'
                WHEN e.last_at >= :lately THEN 'third_month' ELSE 'longer' END,
           CASE WHEN e.last_at < :lately THEN NULL
                WHEN e.spent > 2 * a.mean THEN 'most'
                WHEN e.spent >= a.mean THEN 'more' ELSE 'little' END,
           count(*), CAST(sum(e.spent) AS bigint)
      FROM each AS e, (SELECT avg(spent) AS mean FROM each WHERE last_at >= :lately) AS a
     GROUP BY 1, 2
    """
)
