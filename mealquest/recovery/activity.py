"""The log of what happened, as a list: for one merchant, or for an operator over all of them."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select, tuple_

from mealquest.core.db import platform_transaction, transaction
from mealquest.core.everywhere import everywhere
from mealquest.core.paging import EXPORT_BATCH, Keyset, batches, cut, span_of_days
from mealquest.recovery.activity_forms import ActivityForm
from mealquest.recovery.dashboard_queries import newest_logs
from mealquest.recovery.dashboard_replies import ActivityView, UsageLogView
from mealquest.recovery.models import UsageLog


def listed(merchant_id: str, form: ActivityForm) -> ActivityView:
    """A page of it, newest first. Days are UTC's, as those of the figures are."""
    found, after = _page(merchant_id, form, form.cursor, form.limit)
    return ActivityView(items=[shown(row) for row in found], next_cursor=after)


def of_all(form: ActivityForm) -> ActivityView:
    """The newest of every merchant, of one metric where the form names one."""
    found = [row for rows in everywhere(lambda: _newest_here(form)) for row in rows]
    found.sort(key=lambda row: (row["created_at"], row["id"]), reverse=True)
    return ActivityView(items=[UsageLogView(**row) for row in found[: form.limit]])


def _newest_here(form: ActivityForm) -> Any:
    with platform_transaction("the operator looks at every merchant") as session:
        return newest_logs(session, None, form.limit, form.metric_type)


def every(merchant_id: str, form: ActivityForm) -> Iterator[list[UsageLogView]]:
    """All of the filter, in batches that are read as they are asked for."""
    read = batches(lambda cursor: _page(merchant_id, form, cursor, EXPORT_BATCH))
    return ([shown(row) for row in found] for found in read)


def shown(row: UsageLog) -> UsageLogView:
    return UsageLogView(
        id=row.id,
        merchant_id=row.merchant_id,
        metric_type=row.metric_type,
        amount=row.amount,
        created_at=row.created_at,
        reported_at=row.reported_at,
        opened_at=row.opened_at,
        clicked_at=row.clicked_at,
    )


def _page(
    merchant_id: str, form: ActivityForm, cursor: str | None, limit: int
) -> tuple[Any, str | None]:
    query = (
        select(UsageLog)
        .where(UsageLog.merchant_id == merchant_id)
        .order_by(UsageLog.created_at.desc(), UsageLog.id.desc())
        .limit(limit + 1)
    )
    if form.metric_type:
        query = query.where(UsageLog.metric_type == form.metric_type)
    days = span_of_days(form.from_day, form.to_day, ZoneInfo("UTC"))
    if days.since:
        query = query.where(UsageLog.created_at >= days.since)
    if days.until:
        query = query.where(UsageLog.created_at < days.until)
    if cursor:
        place = Keyset.decode(cursor)
        last = tuple_(UsageLog.created_at, UsageLog.id)
        query = query.where(last < (place.moment, place_id(place)))
    with transaction(merchant_id) as session:
        found = session.scalars(query).all()
    return cut(found, limit, lambda row: Keyset(row.created_at, str(row.id)).encode())


def place_id(place: Keyset) -> int:
    """The number that a place names; what is no number of ours comes before all."""
    return int(place.id) if place.id.isdecimal() and len(place.id) < 19 else 0
