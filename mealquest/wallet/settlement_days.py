"""What every day brought between two stores: closed once it is over, worked out until then.

A day is the store's own. It is closed some minutes after its end, when nothing that began in it
can still be written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core.clock import utc_now
from mealquest.core.db import platform_transaction, transaction
from mealquest.core.money import Currency
from mealquest.tenancy import service as tenancy
from mealquest.wallet import settlement
from mealquest.wallet.models import EntryKind
from mealquest.wallet.settlement_models import SettlementClosing, SettlementDay

RIPE: Final = timedelta(minutes=10)  # a transaction lasts far less

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """What entries of one kind did to what a store owes its partner, minor units."""

    kind: EntryKind
    count: int
    owes_minor: int  # it owes so much more
    owed_minor: int  # it is owed so much more


@dataclass(frozen=True, slots=True)
class Day:
    """One day with one partner; `closing_minor` above zero: this store owes the partner."""

    partner_id: str
    day: date
    currency: Currency
    opening_minor: int
    owes_minor: int
    owed_minor: int
    closing_minor: int
    lines: tuple[Line, ...]
    is_closed: bool


def has_due() -> bool:
    with platform_transaction("the tick asks for every merchant at once") as session:
        return bool(_due(session, 1))


def close_due(limit: int = 200) -> int:
    """Close the days that are over, for up to `limit` stores; returns how many days it wrote."""
    with platform_transaction("days between stores end everywhere") as session:
        due = _due(session, limit)
    return sum(_try_to_close(merchant_id) for merchant_id in due)


def close_days(session: Session, merchant_id: str, now: datetime) -> int:
    """Write every day that is over and not written yet; days without a movement leave no row."""
    shop = tenancy.settings_of(session, merchant_id)
    zone = ZoneInfo(shop.time_zone)
    last = (now - RIPE).astimezone(zone).date() - timedelta(days=1)
    known = session.get(SettlementClosing, merchant_id, with_for_update=True)
    spans = _spans(session, merchant_id, known, zone, last)
    found = [
        _row(merchant_id, day) for day in _worked_out(session, merchant_id, spans, is_closed=True)
    ]
    if found:
        session.execute(insert(SettlementDay), found)
    if spans:
        _keep(session, merchant_id, spans[-1])
    return len(found)


def running(session: Session, merchant_id: str, now: datetime) -> list[Day]:
    """The days that are not closed yet, newest first; today's is one of them."""
    zone = ZoneInfo(tenancy.settings_of(session, merchant_id).time_zone)
    known = session.get(SettlementClosing, merchant_id)
    spans = _spans(session, merchant_id, known, zone, now.astimezone(zone).date())
    found = _worked_out(session, merchant_id, spans, is_closed=False)
    return sorted(found, key=lambda one: (one.day, one.partner_id), reverse=True)


def closed(
    session: Session,
    merchant_id: str,
    *,
    partner_id: str | None,
    first: date | None,
    last: date | None,
    after: tuple[date, str] | None,
    limit: int,
) -> list[Day]:
    """Days that are closed, newest first, from after the given row on."""
    statement = _CLOSED + "".join(
        clause
        for wanted, clause in (
            (partner_id, " AND partner_id = :partner"),
            (first, " AND day >= :first"),
            (last, " AND day <= :last"),
            (after, " AND (day, partner_id) < (:after_day, :after_partner)"),
        )
        if wanted is not None
    )
    values = {"merchant": merchant_id, "partner": partner_id, "first": first, "last": last}
    if after is not None:
        values |= {"after_day": after[0], "after_partner": after[1]}
    rows = session.execute(
        text(statement + " ORDER BY day DESC, partner_id DESC LIMIT :limit"),
        {name: value for name, value in values.items() if value is not None} | {"limit": limit},
    )
    return [_day(row) for row in rows]


# --- working a day out ---------------------------------------------------------------------


def _try_to_close(merchant_id: str) -> int:
    try:
        with transaction(merchant_id) as session:
            return close_days(session, merchant_id, utc_now())
    except Exception as failure:  # noqa: BLE001 - it stays due, and the other stores go on
        log.warning("days not closed", merchant_id=merchant_id, error=repr(failure)[:300])
        return 0


@dataclass(frozen=True, slots=True)
class _Span:
    day: date
    since: datetime
    until: datetime


def _spans(
    session: Session,
    merchant_id: str,
    known: SettlementClosing | None,
    zone: ZoneInfo,
    last: date,
) -> list[_Span]:
    """The days up to `last` that are not closed, each from where the one before it ended.

    So every movement is in one day and no more, also when the store changes its time zone.
    """
    if known:
        first, since = known.closed_through + timedelta(days=1), known.closed_until
    else:
        moment = session.scalar(_FIRST, {"merchant": merchant_id})
        if moment is None:
            return []
        first, since = moment.astimezone(zone).date(), moment
    found = []
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        until = max(since, _end_of(day, zone))
        found.append(_Span(day, since, until))
        since = until
    return found


def _end_of(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day + timedelta(days=1), time.min, zone)


def _worked_out(
    session: Session, merchant_id: str, spans: Sequence[_Span], *, is_closed: bool
) -> list[Day]:
    """Days with a movement; each begins with what the partner's last one ended with."""
    rows = session.execute(_CLOSINGS, {"merchant": merchant_id})
    positions: dict[str, int] = {row.partner_id: row.closing_minor for row in rows}
    found = []
    for span in spans:
        for partner_id, moved in _moved(session, merchant_id, span).items():
            lines = tuple(Line(EntryKind(r.kind), r.entries, r.owes, r.owed) for r in moved)
            owes, owed = sum(line.owes_minor for line in lines), sum(x.owed_minor for x in lines)
            opening = positions.get(partner_id, 0)
            positions[partner_id] = closing = opening + owes - owed
            currency = Currency(moved[0].currency)
            found.append(
                Day(partner_id, span.day, currency, opening, owes, owed, closing, lines, is_closed)
            )
    return found


def _moved(session: Session, merchant_id: str, span: _Span) -> dict[str, list[Row[Any]]]:
    values = {"merchant": merchant_id, "since": span.since, "until": span.until}
    by_partner: dict[str, list[Row[Any]]] = {}
    for row in session.execute(_MOVED, values):
        by_partner.setdefault(row.partner, []).append(row)
    return by_partner


def _row(merchant_id: str, day: Day) -> dict[str, Any]:
    return {
        "merchant_id": merchant_id,
        "partner_id": day.partner_id,
        "day": day.day,
        "currency": day.currency,
        "opening_minor": day.opening_minor,
        "owes_minor": day.owes_minor,
        "owed_minor": day.owed_minor,
        "closing_minor": day.closing_minor,
        "lines": [
            [line.kind.value, line.count, line.owes_minor, line.owed_minor] for line in day.lines
        ],
    }


def _day(row: Row[Any]) -> Day:
    lines: Sequence[Any] = row.lines
    return Day(
        row.partner_id,
        row.day,
        Currency(row.currency),
        row.opening_minor,
        row.owes_minor,
        row.owed_minor,
        row.closing_minor,
        tuple(Line(EntryKind(kind), count, owes, owed) for kind, count, owes, owed in lines),
        is_closed=True,
    )


def _keep(session: Session, merchant_id: str, last: _Span) -> None:
    values = {"closed_through": last.day, "closed_until": last.until}
    session.execute(
        insert(SettlementClosing)
        .values(merchant_id=merchant_id, **values)
        .on_conflict_do_update(index_elements=["merchant_id"], set_=values)
    )


def _due(session: Session, limit: int) -> list[str]:
    return list(session.scalars(_DUE, {"limit": limit, "ripe": RIPE}))


# --- statements ---------------------------------------------------------------------------

_LENGTH = len(settlement.PREFIX)
_MOVED = text(
    f"""
    SELECT partner, kind, min(currency) AS currency, count(DISTINCT id) AS entries,
           CAST(sum(owes) AS bigint) AS owes, CAST(sum(owed) AS bigint) AS owed
      FROM (SELECT e.id, e.kind, e.currency,
                   substr(CASE WHEN p.destination LIKE 'settlement:%' THEN p.destination
                               ELSE p.source END, {_LENGTH + 1}) AS partner,
                   CASE WHEN p.destination LIKE 'settlement:%' THEN p.amount_minor ELSE 0 END
                       AS owes,
                   CASE WHEN p.destination LIKE 'settlement:%' THEN 0 ELSE p.amount_minor END
                       AS owed
              FROM ledger_entries e
              JOIN ledger_postings p ON p.merchant_id = e.merchant_id AND p.entry_id = e.id
             WHERE e.merchant_id = :merchant
               AND e.created_at >= :since AND e.created_at < :until
               AND (p.source LIKE 'settlement:%' OR p.destination LIKE 'settlement:%')) AS ends
     GROUP BY partner, kind ORDER BY partner, kind
    """  # noqa: S608 - the length of a prefix of ours
)
_FIRST = text(
    """
    SELECT min(e.created_at)
      FROM ledger_entries e
     WHERE e.merchant_id = :merchant AND e.id IN (
           SELECT entry_id FROM ledger_postings
            WHERE merchant_id = :merchant AND source >= 'settlement:' AND source < 'settlement;'
            UNION ALL
           SELECT entry_id FROM ledger_postings
            WHERE merchant_id = :merchant
              AND destination >= 'settlement:' AND destination < 'settlement;')
    """
)
_CLOSINGS = text(
    """
    SELECT DISTINCT ON (partner_id) partner_id, closing_minor FROM settlement_days
     WHERE merchant_id = :merchant ORDER BY partner_id, day DESC
    """
)
_CLOSED = """
    SELECT partner_id, day, currency, opening_minor, owes_minor, owed_minor, closing_minor, lines
      FROM settlement_days WHERE merchant_id = :merchant"""
_DUE = text(
    """
    SELECT DISTINCT p.merchant_id
      FROM settlement_positions p
      JOIN merchant_settings s ON s.merchant_id = p.merchant_id
      LEFT JOIN settlement_closings c ON c.merchant_id = p.merchant_id
     WHERE coalesce(c.closed_through, '-infinity')
         < CAST((now() - :ripe) AT TIME ZONE s.time_zone AS date) - 1
       AND (c.closed_through IS NOT NULL OR p.position_minor <> 0 OR EXISTS (
            SELECT FROM ledger_postings l WHERE l.merchant_id = p.merchant_id
               AND (l.source = 'settlement:' || p.partner_id
                    OR l.destination = 'settlement:' || p.partner_id)))
     LIMIT :limit
    """
)
