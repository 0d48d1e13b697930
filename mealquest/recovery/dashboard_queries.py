"""What stands on a dashboard beside the sums of days. Each statement costs the same however many
logs there are: it reads along an index, and no further than it needs.

Over every merchant, the newest rows are found by one step along an index for each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.recovery.domain import Metric

BUSIEST = 600  # logs of the last hour that are counted one by one


@dataclass(frozen=True, slots=True)
class Queue:
    pending: int
    running: int


@dataclass(frozen=True, slots=True)
class Shops:
    """Connected merchants: all, and those of the last seven days and of the seven before."""

    active: int
    new: int
    new_before: int


def _merchants(table: str) -> str:
    return f"""
    WITH RECURSIVE turn (merchant_id) AS (
        (SELECT merchant_id FROM {table} ORDER BY merchant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT n.merchant_id FROM {table} AS n WHERE n.merchant_id > turn.merchant_id
                 ORDER BY n.merchant_id LIMIT 1)
          FROM turn WHERE turn.merchant_id IS NOT NULL
    )"""  # noqa: S608 - names of our own


_LOG = "id, merchant_id, metric_type, amount, created_at, reported_at, opened_at, clicked_at"
_TASK = "id, merchant_id, task_type, payload, status, run_at, created_at"
_NEWEST = " ORDER BY created_at DESC, id DESC LIMIT :limit"


def _newest(columns: str, table: str, also: str = "") -> tuple[Any, Any]:
    """The statements for one merchant, and for all of them."""
    asked = f"SELECT {columns} FROM {table} WHERE merchant_id = "  # noqa: S608
    one = f"{asked}:merchant{also}{_NEWEST}"
    each = f"{asked}turn.merchant_id{also}{_NEWEST}"
    every = f"{_merchants(table)} SELECT head.* FROM turn CROSS JOIN LATERAL ({each}) AS head"  # noqa: S608
    return text(one), text(every + _NEWEST)


_LOGS, _LOGS_OF_ALL = _newest(_LOG, "usage_logs")
_OF_A_METRIC, _OF_A_METRIC_OF_ALL = _newest(_LOG, "usage_logs", " AND metric_type = :metric")
_TASKS, _TASKS_OF_ALL = _newest(_TASK, "scheduled_tasks")

_QUEUE = """
    SELECT (SELECT count(*) FROM scheduled_tasks WHERE {0}status = 'pending' AND is_due)
         + (SELECT count(*) FROM scheduled_tasks WHERE {0}status = 'pending' AND NOT is_due)
           AS pending,
           (SELECT count(*) FROM scheduled_tasks WHERE {0}status = 'running') AS running
"""
_QUEUE_OF_ONE = text(_QUEUE.format("merchant_id = :merchant AND "))
_QUEUE_OF_ALL = text(_QUEUE.format(""))

_HOUR = """
    SELECT count(*), extract(epoch FROM now() - min(created_at)) AS seconds
      FROM (SELECT created_at FROM usage_logs
             WHERE merchant_id = {0} AND created_at > now() - interval '1 hour'
             ORDER BY created_at DESC LIMIT :busiest) AS newest
"""
_HOUR_OF_ONE = text(_HOUR.format(":merchant"))
_HOURS = " SELECT hour.* FROM turn CROSS JOIN LATERAL ({0}) AS hour"
_HOUR_OF_ALL = text(_merchants("usage_logs") + _HOURS.format(_HOUR.format("turn.merchant_id")))

_TASKS_OF_WEEKS = text(
    """
    SELECT count(*) FILTER (WHERE created_at >= now() - interval '7 days') AS week,
           count(*) FILTER (WHERE created_at < now() - interval '7 days') AS week_before
      FROM scheduled_tasks
     WHERE merchant_id = :merchant AND created_at >= now() - interval '14 days'
    """
)

_SHOPS = text(
    """
    SELECT count(*) AS active,
           count(*) FILTER (WHERE connected_at >= now() - interval '7 days') AS new,
           count(*) FILTER (WHERE connected_at >= now() - interval '14 days'
                              AND connected_at < now() - interval '7 days') AS new_before
      FROM merchants WHERE stripe_connect_id IS NOT NULL
    """
)

_MAILED_BY_DAY = text(
    """
    SELECT metric_date AS day, emails_sent, failures, recoveries, losses, total_opens AS opens
      FROM daily_metrics
     WHERE merchant_id = :merchant AND metric_date >= :first AND metric_date < :until
     ORDER BY metric_date
    """
)


def newest_logs(
    session: Session, merchant_id: str | None, limit: int, metric: Metric | None = None
) -> Sequence[Any]:
    if metric is None:
        return _rows(session, merchant_id, _LOGS, _LOGS_OF_ALL, limit=limit)
    asked = {"limit": limit, "metric": metric.value}
    return _rows(session, merchant_id, _OF_A_METRIC, _OF_A_METRIC_OF_ALL, **asked)


def newest_tasks(session: Session, merchant_id: str | None, limit: int) -> Sequence[Any]:
    return _rows(session, merchant_id, _TASKS, _TASKS_OF_ALL, limit=limit)


def queue(session: Session, merchant_id: str | None) -> Queue:
    return Queue(**_rows(session, merchant_id, _QUEUE_OF_ONE, _QUEUE_OF_ALL)[0])


def logs_a_minute(session: Session, merchant_id: str | None) -> int:
    """Logs of the last hour by the minute. Of a merchant with very many in it, of the newest."""
    rows = _rows(session, merchant_id, _HOUR_OF_ONE, _HOUR_OF_ALL, busiest=BUSIEST)
    return round(sum(_a_minute(row["count"], float(row["seconds"] or 0)) for row in rows))


def _a_minute(count: int, seconds: float) -> float:
    return count / 60 if count < BUSIEST else count / max(seconds / 60, 1.0)


def tasks_of_weeks(session: Session, merchant_id: str) -> tuple[int, int]:
    """Tasks that were made in the last seven days, and in the seven before."""
    row = session.execute(_TASKS_OF_WEEKS, {"merchant": merchant_id}).one()
    return row.week, row.week_before


def shops(session: Session) -> Shops:
    return Shops(**session.execute(_SHOPS).mappings().one())


def by_day(session: Session, merchant_id: str, first: date, until: date) -> Sequence[Any]:
    """Figures of each day that has any."""
    asked = {"merchant": merchant_id, "first": first, "until": until}
    return session.execute(_MAILED_BY_DAY, asked).mappings().all()


def today(session: Session) -> date:
    found: date = session.scalars(text("SELECT (now() AT TIME ZONE 'UTC')::date")).one()
    return found


def now(session: Session) -> datetime:
    found: datetime = session.scalars(text("SELECT now()")).one()
    return found


def _rows(
    session: Session, merchant_id: str | None, one: Any, every: Any, **asked: Any
) -> Sequence[Any]:
    if merchant_id:
        return session.execute(one, {"merchant": merchant_id, **asked}).mappings().all()
    return session.execute(every, asked).mappings().all()
