"""Sums of days: what dashboards and digests show. They are read from one row a day and merchant,
so that they cost the same however much is logged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Days:
    """Sums over some days. `recovered_cents` adds minor units of every currency."""

    recovered_cents: int = 0
    emails_sent: int = 0
    opens: int = 0
    clicks: int = 0
    failures: int = 0
    recoveries: int = 0
    losses: int = 0
    tracked: int = 0  # days that have any figure

    @property
    def ended(self) -> int:
        """Invoices that left recovery: what a rate is a share of."""
        return self.recoveries + self.losses

    @property
    def rate(self) -> int | None:
        """Per cent of those that ended which were paid; None when none ended."""
        return round(100 * self.recoveries / self.ended) if self.ended else None

    @property
    def open_rate(self) -> float:
        """Per cent of the mails, one decimal."""
        return share(self.opens, self.emails_sent)

    @property
    def ctr(self) -> float:
        """Per cent of the opened mails whose link was followed, one decimal."""
        return share(self.clicks, self.opens)


@dataclass(frozen=True, slots=True)
class Money:
    currency: str
    amount_minor: int
    count: int = 0


_SPANS = """
    SELECT sums.*
      FROM unnest(CAST(:firsts AS date[]), CAST(:untils AS date[])) WITH ORDINALITY
           AS span (first, until, place)
     CROSS JOIN LATERAL (
            SELECT coalesce(sum(recovered_cents), 0)::bigint AS recovered_cents,
                   coalesce(sum(emails_sent), 0)::bigint AS emails_sent,
                   coalesce(sum(total_opens), 0)::bigint AS opens,
                   coalesce(sum(total_clicks), 0)::bigint AS clicks,
                   coalesce(sum(failures), 0)::bigint AS failures,
                   coalesce(sum(recoveries), 0)::bigint AS recoveries,
                   coalesce(sum(losses), 0)::bigint AS losses,
                   count(DISTINCT metric_date) AS tracked
              FROM daily_metrics
             WHERE metric_date >= span.first AND metric_date < span.until {0}) AS sums
     ORDER BY span.place
"""
_OF_ONE = text(_SPANS.format("AND merchant_id = :merchant"))
_OF_ALL = text(_SPANS.format(""))
_RECOVERED = text(
    """
    SELECT currency, sum(amount_minor)::bigint AS amount_minor, sum(count)::bigint AS count
      FROM daily_recoveries
     WHERE merchant_id = :merchant AND metric_date >= :first AND metric_date < :until
       AND brought_by <> 'out_of_band'
     GROUP BY currency ORDER BY sum(amount_minor) DESC, currency
    """
)


def share(part: int, whole: int) -> float:
    return round(100 * part / whole, 1) if whole else 0.0


def of_days(session: Session, merchant_id: str | None, first: date, until: date) -> Days:
    """Sums from one UTC day on and before another; of every merchant without one."""
    return of_spans(session, merchant_id, (first, until))[0]


def of_spans(session: Session, merchant_id: str | None, *spans: tuple[date, date]) -> list[Days]:
    """The same for several spans at once, in their order."""
    firsts, untils = zip(*spans, strict=True)
    asked: dict[str, Any] = {"firsts": list(firsts), "untils": list(untils)}
    if merchant_id is None:
        rows = session.execute(_OF_ALL, asked)
    else:
        rows = session.execute(_OF_ONE, asked | {"merchant": merchant_id})
    return [Days(**row) for row in rows.mappings()]


def recovered(session: Session, merchant_id: str, first: date, until: date) -> list[Money]:
    """Money that came back, by currency, the largest figure first."""
    asked = {"merchant": merchant_id, "first": first, "until": until}
    return [Money(**row) for row in session.execute(_RECOVERED, asked).mappings()]


def with_the_rest(sums: Sequence[Money], recovered_cents: int) -> list[Money]:
    """The same with what workers told of without a currency, which counts as US dollars."""
    rest = recovered_cents - sum(one.amount_minor for one in sums)
    if rest <= 0:
        return list(sums)
    known = next((one for one in sums if one.currency == "usd"), Money("usd", 0))
    others = [one for one in sums if one is not known]
    return [Money("usd", known.amount_minor + rest, known.count), *others]
