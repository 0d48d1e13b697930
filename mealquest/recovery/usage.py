"""The ledger of what happened: a usage log and its day's figures, always in one transaction."""

from datetime import date
from typing import Any

from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core.db import last_of_all
from mealquest.recovery.domain import BILLABLE, Metric, ReportStatus, new_number
from mealquest.recovery.models import DailyMetric, UsageLog

_DAYS = "days of metrics"  # what a transaction adds, in its session
TODAY = func.date(text("now() AT TIME ZONE 'UTC'"))


def log(
    session: Session,
    merchant_id: str,
    metric: Metric,
    amount: int = 1,
    *,
    task_id: int | None = None,
    number: int | None = None,
) -> int:
    """Note what happened; a dunning mail counts among its day's mails. Returns the log's id, which
    is `number` where that was taken beforehand."""
    number = number or new_number()
    session.execute(
        insert(UsageLog).values(
            merchant_id=merchant_id,
            id=number,
            metric_type=metric,
            amount=amount,
            task_id=task_id,
            report_status=ReportStatus.PENDING if metric is BILLABLE else None,
        )
    )
    add_to_day(session, merchant_id, emails_sent=amount if metric is BILLABLE else 0)
    return number


def add_to_day(
    session: Session, merchant_id: str, *, day: date | None = None, **figures: int
) -> None:
    """Add to columns of the day's metrics, today's (UTC) without one. Nothing is lost when many
    add at once.

    Written right before the commit, day after day: everybody adds to the same few rows, which are
    locked so for a moment only, and by all in one order.
    """
    last_of_all(session, _write_days)
    of_day = session.info.setdefault(_DAYS, {}).setdefault((merchant_id, day or date.max), {})
    for name, amount in figures.items():
        of_day[name] = of_day.get(name, 0) + amount


def _write_days(session: Session) -> None:
    days: dict[tuple[str, date], dict[str, int]] = session.info.pop(_DAYS, {})
    columns = DailyMetric.__table__.c
    for (merchant_id, day), figures in sorted(days.items()):
        on = TODAY if day == date.max else day
        values: dict[str, Any] = {"merchant_id": merchant_id, "metric_date": on, **figures}
        fresh = insert(DailyMetric).values(**values)
        keys = ["merchant_id", "metric_date"]
        added = {name: columns[name] + fresh.excluded[name] for name in figures}
        session.execute(
            fresh.on_conflict_do_update(index_elements=keys, set_=added)
            if added
            else fresh.on_conflict_do_nothing(index_elements=keys)
        )
