"""GET /api/dashboard: one merchant's figures, or for an operator those of all."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any, TypeVar

from flask import current_app
from sqlalchemy.orm import Session

from mealquest.core.db import platform_transaction, transaction
from mealquest.core.everywhere import everywhere
from mealquest.recovery import dashboard_queries as queries
from mealquest.recovery import figures, plans
from mealquest.recovery.dashboard_queries import Queue, Shops
from mealquest.recovery.dashboard_replies import (
    MetricsView,
    RecoveryDashboardView,
    ShopView,
    StatsView,
    TaskLineView,
    TrendsView,
    UsageLogView,
    UsedView,
)
from mealquest.recovery.errors import NoSuchMerchant
from mealquest.recovery.figures import Days
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantAccount, MerchantNotFound

TASKS, LOGS = 5, 10  # newest rows shown
Sums = TypeVar("Sums", Days, Queue, Shops)
WEEK, MONTH = timedelta(days=7), timedelta(days=30)
ALWAYS = (date(2000, 1, 1), date(9999, 1, 1))


@dataclass(frozen=True, slots=True)
class _Read:
    """What is read for a dashboard. `spans`: ever, a month, this week, the one before, and since
    the first of the month."""

    logs: Sequence[Any]
    tasks: Sequence[Any]
    spans: Sequence[Days]
    queue: Queue
    a_minute: int
    shops: Shops | None
    tasks_of_weeks: tuple[int, int] | None


def of_merchant(merchant_id: str) -> RecoveryDashboardView:
    """NoSuchMerchant."""
    with transaction(merchant_id) as session:
        try:
            account = tenancy.account_of(session, merchant_id)
        except MerchantNotFound:
            raise NoSuchMerchant from None
        used = plans.used(session, merchant_id)
        return _view(session, account, UsedView(current=used.current, limit=used.limit))


def of_all() -> RecoveryDashboardView:
    """Every merchant together. The mails of a month have no common limit: one plan's is shown."""
    found = _added_up(everywhere(_of_one_database))
    sent = found.spans[4].emails_sent
    limit = current_app.config["SETTINGS"].monthly_limit
    return _shown(found, None, UsedView(current=sent, limit=limit))


def _of_one_database() -> _Read:
    with platform_transaction("the operator looks at every merchant") as session:
        return _read(session, None)


def _view(session: Session, account: MerchantAccount, used: UsedView) -> RecoveryDashboardView:
    return _shown(_read(session, account.merchant_id), account, used)


def _read(session: Session, merchant_id: str | None) -> _Read:
    today = queries.today(session)
    until = today + timedelta(days=1)
    spans = [ALWAYS, (until - MONTH, until), (until - WEEK, until)]
    spans += [(until - 2 * WEEK, until - WEEK), (today.replace(day=1), ALWAYS[1])]
    return _Read(
        logs=queries.newest_logs(session, merchant_id, LOGS),
        tasks=queries.newest_tasks(session, merchant_id, TASKS),
        spans=figures.of_spans(session, merchant_id, *spans),
        queue=queries.queue(session, merchant_id),
        a_minute=queries.logs_a_minute(session, merchant_id),
        shops=None if merchant_id else queries.shops(session),
        tasks_of_weeks=queries.tasks_of_weeks(session, merchant_id) if merchant_id else None,
    )


def _shown(read: _Read, account: MerchantAccount | None, used: UsedView) -> RecoveryDashboardView:
    ever, month, week, before, _ = read.spans
    logs, tasks, queue, shops = read.logs, read.tasks, read.queue, read.shops
    stats = StatsView(
        total_recovered=ever.recovered_cents,
        active_merchants=shops.active if shops else 1,
        pending_tasks=queue.pending,
        running_tasks=queue.running,
        success_rate=100 if week.rate is None else week.rate,
        success_of=week.ended,
        processing_rate=read.a_minute,
        last_processed_at=logs[0]["created_at"] if logs else None,
        trends=_trends(week, before, shops, read.tasks_of_weeks),
        **_engagement(ever),
    )
    return RecoveryDashboardView(
        stats=stats,
        recent_tasks=[TaskLineView(**row) for row in tasks],
        recent_activity=[UsageLogView(**row) for row in logs],
        usage=used,
        metrics=_metrics(month) if account else None,
        merchant=_shop(account) if account else None,
    )


def _added_up(found: list[_Read]) -> _Read:
    """The newest rows and the sums over every database that answered."""
    first = found[0]
    return _Read(
        logs=_newest([row for one in found for row in one.logs], LOGS),
        tasks=_newest([row for one in found for row in one.tasks], TASKS),
        spans=[_sum(spans) for spans in zip(*(one.spans for one in found), strict=True)],
        queue=_sum([one.queue for one in found]),
        a_minute=sum(one.a_minute for one in found),
        shops=_sum([one.shops for one in found if one.shops]),
        tasks_of_weeks=first.tasks_of_weeks,
    )


def _newest(rows: list[Any], most: int) -> list[Any]:
    return sorted(rows, key=lambda row: (row["created_at"], row["id"]), reverse=True)[:most]


def _sum(figures: Sequence[Sums]) -> Sums:
    """Of objects that hold counts, and nothing else, field by field."""
    kind = type(figures[0])
    names = [one.name for one in fields(kind)]
    return kind(**{name: sum(getattr(one, name) for one in figures) for name in names})


def _trends(
    week: Days, before: Days, shops: Shops | None, tasks: tuple[int, int] | None
) -> TrendsView:
    return TrendsView(
        recovered=change(week.recovered_cents, before.recovered_cents),
        merchants=change(shops.new, shops.new_before) if shops else None,
        tasks=change(*tasks) if tasks else None,
    )


def _engagement(days: Days) -> dict[str, float]:
    return {
        "total_opens": days.opens,
        "total_clicks": days.clicks,
        "open_rate": days.open_rate,
        "ctr": days.ctr,
    }


def change(now: int, before: int) -> int | None:
    """Per cent more or less than before; None where there was nothing to compare with."""
    return round(100 * (now - before) / before) if before > 0 else None


def _metrics(days: Days) -> MetricsView:
    return MetricsView(
        total_recovered_cents=days.recovered_cents,
        total_emails_sent=days.emails_sent,
        days_tracked=days.tracked,
    )


def _shop(account: MerchantAccount) -> ShopView:
    return ShopView(
        id=account.merchant_id,
        email=account.email,
        tier=account.tier,
        stripe_connected=account.is_connected,
    )
