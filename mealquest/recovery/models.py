"""Rows of the queue, of events and of what is counted."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.core.db import TenantRow, stamp, stored
from mealquest.recovery.domain import (
    BroughtBy,
    EventStatus,
    Metric,
    ReportStatus,
    TaskStatus,
    TaskType,
)


def number() -> Mapped[int]:
    """A key out of `domain.new_number`; a statement by hand may leave it out."""
    return mapped_column(
        primary_key=True, autoincrement=False, server_default=text("recovery_number()")
    )


def counted() -> Mapped[int]:
    return mapped_column(server_default=text("0"))


class ScheduledTask(TenantRow):
    """One unit of work and its deadline. `merchant_id` is `system` for the platform's own.

    Claimed for a lease that its worker renews; `claim_token` fences off a worker that lost it.
    `dedupe_key` is unique among live tasks. `is_due` is set once `run_at` has come: claims look
    only at due tasks, merchant by merchant, however many wait for a later day.
    """

    __tablename__ = "scheduled_tasks"
    __table_args__ = (
        CheckConstraint(
            "status IN ('pending', 'running', 'completed', 'failed', 'cancelled')",
            name="status_known",
        ),
        CheckConstraint("attempts >= 0", name="attempts_not_negative"),
        Index(
            None,
            "merchant_id",
            "run_at",
            "id",
            postgresql_where=text("status = 'pending' AND is_due"),
        ),
        Index(None, "run_at", postgresql_where=text("status = 'pending' AND NOT is_due")),
        Index(None, "merchant_id", "lease_until", postgresql_where=text("status = 'running'")),
        Index(
            None,
            "merchant_id",
            "dedupe_key",
            unique=True,
            postgresql_where=text("status IN ('pending', 'running') AND dedupe_key IS NOT NULL"),
        ),
        Index(
            None,
            "merchant_id",
            "invoice_id",
            postgresql_where=text("status IN ('pending', 'running') AND invoice_id IS NOT NULL"),
        ),
        Index(None, "merchant_id", "created_at", "id"),
        Index(None, "merchant_id", "status", "created_at", "id"),
        Index(
            None, "completed_at", "merchant_id", "id", postgresql_where=text("status = 'failed'")
        ),
    )

    id: Mapped[int] = number()
    task_type: Mapped[TaskType] = mapped_column(stored(TaskType))
    payload: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    status: Mapped[TaskStatus] = mapped_column(stored(TaskStatus), server_default=text("'pending'"))
    run_at: Mapped[datetime] = stamp()
    is_due: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = stamp()
    attempts: Mapped[int] = counted()
    invoice_id: Mapped[str | None]
    dedupe_key: Mapped[str | None]
    claimed_at: Mapped[datetime | None]
    claimed_by: Mapped[str | None]
    claim_token: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    last_error: Mapped[str | None]
    outcome: Mapped[str | None]
    completed_at: Mapped[datetime | None]


class UsageLog(TenantRow):
    """What happened, append-only but for its report to Stripe's meter and a mail's first open and
    click. One billable row a task."""

    __tablename__ = "usage_logs"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_positive"),
        Index(
            None,
            "merchant_id",
            "task_id",
            unique=True,
            postgresql_where=text("metric_type = 'dunning_email_sent' AND task_id IS NOT NULL"),
        ),
        Index(
            None,
            "merchant_id",
            "created_at",
            postgresql_where=text(
                "metric_type = 'dunning_email_sent' AND reported_at IS NULL"
                " AND coalesce(report_status, 'pending') = 'pending'"
            ),
        ),
        Index(None, "merchant_id", "created_at", "id"),
        Index(None, "merchant_id", "metric_type", "created_at", "id"),
    )

    id: Mapped[int] = number()
    metric_type: Mapped[Metric] = mapped_column(stored(Metric))
    amount: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime] = stamp()
    reported_at: Mapped[datetime | None]
    # Null for what is not billable.
    report_status: Mapped[ReportStatus | None] = mapped_column(stored(ReportStatus))
    report_attempts: Mapped[int] = counted()
    report_error: Mapped[str | None]
    task_id: Mapped[int | None]
    opened_at: Mapped[datetime | None]
    clicked_at: Mapped[datetime | None]


class UsageMonth(TenantRow):
    """Mails sent in one month (UTC). Its row lock makes the limit exact."""

    __tablename__ = "usage_months"
    __table_args__ = (CheckConstraint("sent >= 0", name="sent_not_negative"),)

    month: Mapped[date] = mapped_column(primary_key=True)  # its first day
    sent: Mapped[int] = counted()
    told_at: Mapped[datetime | None]  # when the merchant heard that the limit is reached


class ProcessedEvent(TenantRow):
    """A Stripe event that was taken in, with what it led to, in the transaction of its effect.

    `created_at` is Stripe's time. `payload` is the whole event while it is unmatched; of an event
    that ends an invoice it is the few figures that a failure which comes later needs.
    """

    __tablename__ = "processed_events"
    __table_args__ = (
        Index(None, "merchant_id", "processed_at"),
        Index(None, "merchant_id", "account", postgresql_where=text("status = 'unmatched'")),
        Index(None, "merchant_id", "object_id"),
    )

    event_id: Mapped[str] = mapped_column(primary_key=True)
    processed_at: Mapped[datetime] = stamp()
    created_at: Mapped[datetime]
    account: Mapped[str | None]
    event_type: Mapped[str]
    object_id: Mapped[str | None]
    status: Mapped[EventStatus] = mapped_column(stored(EventStatus))
    livemode: Mapped[bool]
    action: Mapped[str]
    reason: Mapped[str]
    task_id: Mapped[int | None]
    payload: Mapped[dict[str, Any] | None]


class DailyMetric(TenantRow):
    """Figures of one UTC day; sums of them are what dashboards and digests show.

    `recovered_cents` adds minor units whatever their currency; `daily_recoveries` has them apart.
    """

    __tablename__ = "daily_metrics"

    metric_date: Mapped[date] = mapped_column(primary_key=True)
    recovered_cents: Mapped[int] = counted()
    emails_sent: Mapped[int] = counted()
    total_opens: Mapped[int] = counted()
    total_clicks: Mapped[int] = counted()
    failures: Mapped[int] = counted()  # invoices that came into recovery
    recoveries: Mapped[int] = counted()  # and those that were paid
    losses: Mapped[int] = counted()


class DailyRecovery(TenantRow):
    """Recovered money of one UTC day by currency, what brought it, step and class of decline."""

    __tablename__ = "daily_recoveries"
    __table_args__ = (CheckConstraint("amount_minor >= 0 AND count >= 0", name="not_negative"),)

    metric_date: Mapped[date] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    brought_by: Mapped[BroughtBy] = mapped_column(stored(BroughtBy), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 0: no mail
    decline_class: Mapped[str] = mapped_column(primary_key=True)
    amount_minor: Mapped[int] = counted()
    count: Mapped[int] = counted()


class OauthState(TenantRow):
    """One started connection to Stripe: the state is stored hashed and taken once."""

    __tablename__ = "stripe_oauth_states"

    state_hash: Mapped[str] = mapped_column(primary_key=True)
    asked_by: Mapped[str]
    session_hash: Mapped[str | None]  # the browser that began it
    created_at: Mapped[datetime] = stamp()
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
