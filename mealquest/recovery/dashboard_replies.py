"""What the dashboard and the activity of recovery answer, as the contract prints it."""

from typing import Any

from mealquest.core.wire import Listing, Timestamp, View


class TrendsView(View):
    """Per cent, the last seven days against the seven before; null where that says nothing."""

    recovered: int | None
    merchants: int | None
    tasks: int | None


class StatsView(View):
    """Figures over all time; rates are per cent. `success_rate` is of the last seven days."""

    total_recovered: int
    active_merchants: int
    pending_tasks: int
    running_tasks: int
    success_rate: int
    success_of: int  # invoices that left recovery in these days: what the rate is a share of
    processing_rate: int
    last_processed_at: Timestamp | None
    trends: TrendsView
    total_opens: int
    total_clicks: int
    open_rate: float
    ctr: float


class TaskLineView(View):
    id: int
    merchant_id: str
    task_type: str
    payload: Any
    status: str
    run_at: Timestamp
    created_at: Timestamp


class UsageLogView(View):
    id: int
    merchant_id: str
    metric_type: str
    amount: int
    created_at: Timestamp
    reported_at: Timestamp | None
    opened_at: Timestamp | None
    clicked_at: Timestamp | None


class UsedView(View):
    """Mails of this month (UTC) against the plan's limit."""

    current: int
    limit: int


class MetricsView(View):
    """Of the last 30 days, today included."""

    total_recovered_cents: int
    total_emails_sent: int
    days_tracked: int


class ShopView(View):
    id: str
    email: str | None
    tier: str
    stripe_connected: bool


class RecoveryDashboardView(View):
    """`metrics` and `merchant` are null for an operator who looks at every merchant."""

    stats: StatsView
    recent_tasks: list[TaskLineView]
    recent_activity: list[UsageLogView]
    usage: UsedView
    metrics: MetricsView | None
    merchant: ShopView | None


class ActivityView(Listing):
    items: list[UsageLogView]
