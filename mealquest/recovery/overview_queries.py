"""Sums over invoices in recovery and over recovered money: what the dashboard's page shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Open invoices of one currency and class of decline."""

    currency: str
    decline: str
    amount_minor: int
    count: int


@dataclass(frozen=True, slots=True)
class Brought:
    """Recovered money of one day, currency, cause, step and class of decline."""

    day: date
    currency: str
    brought_by: str
    step: int
    decline: str
    amount_minor: int
    count: int


@dataclass(frozen=True, slots=True)
class Ended:
    """Invoices that left recovery, of customers who were mailed or never are."""

    paid: int = 0
    ended: int = 0


_AT_RISK = text(
    """
    SELECT currency, coalesce(decline_class, 'unknown') AS decline,
           sum(amount_due)::bigint AS amount_minor, count(*) AS count
      FROM recovery_cases
     WHERE merchant_id = :merchant AND status = 'open'
     GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
    """
)
_BROUGHT = text(
    """
    SELECT metric_date AS day, currency, brought_by, step, decline_class AS decline,
           amount_minor, count
      FROM daily_recoveries
     WHERE merchant_id = :merchant AND metric_date >= :first AND metric_date < :until
       AND brought_by <> 'out_of_band'
     ORDER BY metric_date
    """
)
# Only invoices that ended one way or the other, by themselves.
_ENDED = text(
    """
    SELECT holdout, count(*) FILTER (WHERE status = 'recovered') AS paid, count(*) AS ended
      FROM recovery_cases
     WHERE merchant_id = :merchant AND first_failed_at >= now() - interval '180 days'
       AND closed_why IN ('paid', 'voided', 'uncollectible', 'subscription_ended')
     GROUP BY holdout
    """
)
_IS_ANY = text("SELECT EXISTS (SELECT FROM recovery_cases WHERE merchant_id = :merchant)")


def at_risk(session: Session, merchant_id: str) -> list[AtRisk]:
    rows = session.execute(_AT_RISK, {"merchant": merchant_id}).mappings()
    return [AtRisk(**row) for row in rows]


def brought(session: Session, merchant_id: str, first: date, until: date) -> Sequence[Brought]:
    asked: dict[str, Any] = {"merchant": merchant_id, "first": first, "until": until}
    return [Brought(**row) for row in session.execute(_BROUGHT, asked).mappings()]


def ended(session: Session, merchant_id: str) -> dict[bool, Ended]:
    """By whether the customers are held out."""
    rows = session.execute(_ENDED, {"merchant": merchant_id})
    return {row.holdout: Ended(row.paid, row.ended) for row in rows}


def has_cases(session: Session, merchant_id: str) -> bool:
    return bool(session.scalar(_IS_ANY, {"merchant": merchant_id}))
