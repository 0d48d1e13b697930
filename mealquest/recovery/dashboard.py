"""GET /api/dashboard: one merchant's figures, or for an operator those of all."""

from datetime import date, timedelta

from flask import current_app
from sqlalchemy.orm import Session

from mealquest.core.db import platform_transaction, transaction
from mealquest.recovery import dashboard_queries as queries
from mealquest.recovery import figures, plans
from mealquest.recovery.dashboard_queries import Shops
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
WEEK, MONTH = timedelta(days=7), timedelta(days=30)
ALWAYS = (date(2000, 1, 1), date(9999, 1, 1))


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
    with platform_transaction("the operator looks at every merchant") as session:
        first = queries.today(session).replace(day=1)
        sent = figures.of_days(session, None, first, ALWAYS[1]).emails_sent
        limit = current_app.config["SETTINGS"].monthly_limit
        return _view(session, None, UsedView(current=sent, limit=limit))


def _view(
    session: Session, account: MerchantAccount | None, used: UsedView
) -> RecoveryDashboardView:
    merchant_id = account.merchant_id if account else None
    logs = queries.newest_logs(session, merchant_id, LOGS)
    tasks = queries.newest_tasks(session, merchant_id, TASKS)
    until = queries.today(session) + timedelta(days=1)
    spans = [ALWAYS, (until - MONTH, until), (until - WEEK, until)]
    spans.append((until - 2 * WEEK, until - WEEK))
    ever, month, week, before = figures.of_spans(session, merchant_id, *spans)
    queue = queries.queue(session, merchant_id)
    shops = None if merchant_id else queries.shops(session)
    stats = StatsView(
        total_recovered=ever.recovered_cents,
        active_merchants=shops.active if shops else 1,
        pending_tasks=queue.pending,
        running_tasks=queue.running,
        success_rate=100 if week.rate is None else week.rate,
        success_of=week.ended,
        processing_rate=queries.logs_a_minute(session, merchant_id),
        last_processed_at=logs[0]["created_at"] if logs else None,
        trends=_trends(session, merchant_id, week, before, shops),
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


def _trends(
    session: Session, merchant_id: str | None, week: Days, before: Days, shops: Shops | None
) -> TrendsView:
    return TrendsView(
        recovered=change(week.recovered_cents, before.recovered_cents),
        merchants=change(shops.new, shops.new_before) if shops else None,
        tasks=change(*queries.tasks_of_weeks(session, merchant_id)) if merchant_id else None,
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
