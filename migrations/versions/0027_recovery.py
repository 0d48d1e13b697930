"""Recovery of failed payments: tasks, events, invoices in recovery, mails, usage and its sums.

Safe while the old code runs: new tables that it does not know. Tables that change with every task
or event are vacuumed early, because dead rows in them slow down every claim.
"""

import sqlalchemy as sa
from alembic import op
from rls import operators_table, tenant_table
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

revision = "0027_recovery"
down_revision = "0026_stripe_accounts"

TABLES = (
    "charge_attempts",
    "daily_metrics",
    "daily_recoveries",
    "dunning_gaps",
    "dunning_settings",
    "email_templates",
    "mail_suppressions",
    "processed_events",
    "recoveries",
    "recovery_cases",
    "recovery_entries",
    "recovery_mails",
    "recovery_syncs",
    "scheduled_tasks",
    "stripe_oauth_states",
    "usage_logs",
    "usage_months",
)
OPERATORS = ("scheduled_tasks", "usage_logs", "processed_events", "daily_metrics")
NUMBER = sa.text("recovery_number()")  # where a statement by hand leaves the id out
AUTOVACUUM = {"scheduled_tasks": 0.01, "processed_events": 0.01, "usage_logs": 0.05}

# As the application numbers: microseconds since 2026 times sixteen, rising within a session.
RECOVERY_NUMBER = """
CREATE FUNCTION recovery_number() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    last bigint := coalesce(nullif(current_setting('mealquest.number', true), ''), '0');
    number bigint := (floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint
                    - 1767225600000000) * 16 + floor(random() * 16)::bigint;
BEGIN
    number := greatest(number, last + 1);
    PERFORM set_config('mealquest.number', number::text, false);
    RETURN number;
END
$$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute(RECOVERY_NUMBER)
    _charge_attempts()
    _daily_metrics()
    _daily_recoveries()
    _dunning_gaps()
    _dunning_settings()
    _email_templates()
    _mail_suppressions()
    _processed_events()
    _recoveries()
    _recovery_cases()
    _recovery_entries()
    _recovery_mails()
    _recovery_syncs()
    _scheduled_tasks()
    _stripe_oauth_states()
    _usage_logs()
    _usage_months()
    for table in TABLES:
        tenant_table(table)
    for table in OPERATORS:
        operators_table(table)
    for table, share in AUTOVACUUM.items():
        op.execute(f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = {share})")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute("DROP FUNCTION recovery_number()")


def _charge_attempts() -> None:
    op.create_table(
        "charge_attempts",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_charge_attempts")),
    )
    op.create_index(
        op.f("ix_charge_attempts_merchant_id_card_attempted_at"),
        "charge_attempts",
        ["merchant_id", "card", "attempted_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_charge_attempts_merchant_id_invoice_id_attempted_at"),
        "charge_attempts",
        ["merchant_id", "invoice_id", "attempted_at"],
        unique=False,
    )


def _daily_metrics() -> None:
    op.create_table(
        "daily_metrics",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column(
            "metric_date",
            sa.Date(),
            server_default=sa.text("(now() AT TIME ZONE 'UTC')::date"),
            nullable=False,
        ),
        sa.Column("recovered_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("emails_sent", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total_opens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total_clicks", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("recoveries", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("losses", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "metric_date", name=op.f("pk_daily_metrics")),
    )


def _daily_recoveries() -> None:
    op.create_table(
        "daily_recoveries",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("metric_date", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "brought_by",
            sa.String(40),
            nullable=False,
        ),
        sa.Column("step", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("decline_class", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "amount_minor >= 0 AND count >= 0", name=op.f("ck_daily_recoveries_not_negative")
        ),
        sa.PrimaryKeyConstraint(
            "merchant_id",
            "metric_date",
            "currency",
            "brought_by",
            "step",
            "decline_class",
            name=op.f("pk_daily_recoveries"),
        ),
    )


def _dunning_gaps() -> None:
    op.create_table(
        "dunning_gaps",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("stripe_customer_id", sa.Text(), nullable=False),
        sa.Column("last_mail_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "stripe_customer_id", name=op.f("pk_dunning_gaps")),
    )


def _dunning_settings() -> None:
    op.create_table(
        "dunning_settings",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("steps", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.Column("quiet_from", sa.BigInteger(), nullable=True),
        sa.Column("quiet_until", sa.BigInteger(), nullable=True),
        sa.Column("gap_hours", sa.BigInteger(), server_default=sa.text("24"), nullable=False),
        sa.Column("most_mails", sa.BigInteger(), server_default=sa.text("4"), nullable=False),
        sa.Column("holdout_percent", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("gap_hours >= 24", name=op.f("ck_dunning_settings_gap_of_a_day")),
        sa.CheckConstraint(
            "holdout_percent BETWEEN 0 AND 20", name=op.f("ck_dunning_settings_holdout_in_range")
        ),
        sa.CheckConstraint(
            "most_mails BETWEEN 1 AND 4", name=op.f("ck_dunning_settings_most_mails_in_range")
        ),
        sa.CheckConstraint(
            "quiet_from BETWEEN 0 AND 23", name=op.f("ck_dunning_settings_quiet_from_an_hour")
        ),
        sa.CheckConstraint(
            "quiet_until BETWEEN 0 AND 23", name=op.f("ck_dunning_settings_quiet_until_an_hour")
        ),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("pk_dunning_settings")),
    )


def _email_templates() -> None:
    op.create_table(
        "email_templates",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("retry_attempt", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_email_templates")),
    )
    op.create_index(
        op.f("ix_email_templates_merchant_id_retry_attempt"),
        "email_templates",
        ["merchant_id", "retry_attempt"],
        unique=True,
    )


def _mail_suppressions() -> None:
    op.create_table(
        "mail_suppressions",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("address_hash", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("merchant_id", "address_hash", name=op.f("pk_mail_suppressions")),
    )


def _processed_events() -> None:
    op.create_table(
        "processed_events",
        sa.Column("merchant_id", sa.Text(), server_default=sa.text("'system'"), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column(
            "processed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("event_type", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=True),
        sa.Column(
            "status",
            sa.String(40),
            server_default=sa.text("'processed'"),
            nullable=False,
        ),
        sa.Column("livemode", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("action", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=True),
        sa.Column("payload", postgresql.JSONB(astext_type=Text()), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "event_id", name=op.f("pk_processed_events")),
    )
    op.create_index(
        op.f("ix_processed_events_merchant_id_account"),
        "processed_events",
        ["merchant_id", "account"],
        unique=False,
        postgresql_where=sa.text("status = 'unmatched'"),
    )
    op.create_index(
        op.f("ix_processed_events_merchant_id_processed_at"),
        "processed_events",
        ["merchant_id", "processed_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_processed_events_merchant_id_object_id"),
        "processed_events",
        ["merchant_id", "object_id"],
        unique=False,
    )


def _recoveries() -> None:
    op.create_table(
        "recoveries",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "brought_by",
            sa.String(40),
            nullable=False,
        ),
        sa.Column("step", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("decline_class", sa.Text(), nullable=True),
        sa.Column("recovered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("is_checked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_recoveries_not_negative")),
        sa.PrimaryKeyConstraint("merchant_id", "invoice_id", name=op.f("pk_recoveries")),
    )
    op.create_index(
        op.f("ix_recoveries_merchant_id_recovered_at_invoice_id"),
        "recoveries",
        ["merchant_id", "recovered_at", "invoice_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_recoveries_merchant_id_invoice_id"),
        "recoveries",
        ["merchant_id", "invoice_id"],
        unique=False,
        postgresql_where=sa.text("NOT is_checked"),
    )


def _recovery_cases() -> None:
    op.create_table(
        "recovery_cases",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.String(40),
            nullable=False,
        ),
        sa.Column(
            "closed_why",
            sa.String(40),
            nullable=True,
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stripe_customer_id", sa.Text(), nullable=True),
        sa.Column("subscription_id", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_due", sa.BigInteger(), nullable=False),
        sa.Column("attempt_count", sa.BigInteger(), nullable=False),
        sa.Column(
            "scheduled_attempt", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("billing_reason", sa.Text(), nullable=True),
        sa.Column("next_payment_attempt", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decline_code", sa.Text(), nullable=True),
        sa.Column("decline_class", sa.Text(), nullable=True),
        sa.Column("needs_action", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("holdout", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("mails_sent", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_mail_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("page_opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("charged_by_hand_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_event_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_event_id", sa.Text(), nullable=True),
        sa.Column("reminders_stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_status", sa.Text(), nullable=True),
        sa.Column("seen_remaining", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(status = 'open') = (closed_at IS NULL)",
            name=op.f("ck_recovery_cases_closed_once_not_open"),
        ),
        sa.CheckConstraint(
            "amount_due >= 0 AND mails_sent >= 0", name=op.f("ck_recovery_cases_not_negative")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "invoice_id", name=op.f("pk_recovery_cases")),
    )
    op.create_index(
        op.f("ix_recovery_cases_merchant_id_first_failed_at_invoice_id"),
        "recovery_cases",
        ["merchant_id", "first_failed_at", "invoice_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_recovery_cases_merchant_id_status_first_failed_at_invoice_id"),
        "recovery_cases",
        ["merchant_id", "status", "first_failed_at", "invoice_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_recovery_cases_merchant_id_stripe_customer_id"),
        "recovery_cases",
        ["merchant_id", "stripe_customer_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_recovery_cases_merchant_id_subscription_id"),
        "recovery_cases",
        ["merchant_id", "subscription_id"],
        unique=False,
        postgresql_where=sa.text("subscription_id IS NOT NULL"),
    )


def _recovery_entries() -> None:
    op.create_table(
        "recovery_entries",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("details", postgresql.JSONB(astext_type=Text()), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_recovery_entries")),
    )
    op.create_index(
        op.f("ix_recovery_entries_merchant_id_invoice_id_at_id"),
        "recovery_entries",
        ["merchant_id", "invoice_id", "at", "id"],
        unique=False,
    )


def _recovery_mails() -> None:
    op.create_table(
        "recovery_mails",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=True),
        sa.Column("stripe_customer_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_last", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "state",
            sa.String(40),
            nullable=False,
        ),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("usage_log_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_recovery_mails")),
    )
    op.create_index(
        op.f("ix_recovery_mails_merchant_id_invoice_id_created_at"),
        "recovery_mails",
        ["merchant_id", "invoice_id", "created_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_recovery_mails_merchant_id_stripe_customer_id_sent_at"),
        "recovery_mails",
        ["merchant_id", "stripe_customer_id", "sent_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_recovery_mails_merchant_id_task_id"),
        "recovery_mails",
        ["merchant_id", "task_id"],
        unique=True,
    )


def _recovery_syncs() -> None:
    op.create_table(
        "recovery_syncs",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("read_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("pk_recovery_syncs")),
    )


def _scheduled_tasks() -> None:
    op.create_table(
        "scheduled_tasks",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column(
            "id",
            sa.BigInteger(),
            autoincrement=False,
            server_default=NUMBER,
            nullable=False,
        ),
        sa.Column(
            "task_type",
            sa.String(40),
            nullable=False,
        ),
        sa.Column(
            "payload",
            postgresql.JSONB(astext_type=Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.String(40),
            server_default=sa.text("'pending'"),
            nullable=False,
        ),
        sa.Column(
            "run_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("is_due", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=True),
        sa.Column("dedupe_key", sa.Text(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("claim_token", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'completed', 'failed', 'cancelled')",
            name=op.f("ck_scheduled_tasks_status_known"),
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_scheduled_tasks_attempts_not_negative")),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_scheduled_tasks")),
    )
    op.create_index(
        op.f("ix_scheduled_tasks_merchant_id_created_at_id"),
        "scheduled_tasks",
        ["merchant_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_scheduled_tasks_merchant_id_dedupe_key"),
        "scheduled_tasks",
        ["merchant_id", "dedupe_key"],
        unique=True,
        postgresql_where=sa.text("status IN ('pending', 'running') AND dedupe_key IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_scheduled_tasks_merchant_id_invoice_id"),
        "scheduled_tasks",
        ["merchant_id", "invoice_id"],
        unique=False,
        postgresql_where=sa.text("status IN ('pending', 'running') AND invoice_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_scheduled_tasks_merchant_id_lease_until"),
        "scheduled_tasks",
        ["merchant_id", "lease_until"],
        unique=False,
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_index(
        op.f("ix_scheduled_tasks_merchant_id_run_at_id"),
        "scheduled_tasks",
        ["merchant_id", "run_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'pending' AND is_due"),
    )
    op.create_index(
        op.f("ix_scheduled_tasks_run_at"),
        "scheduled_tasks",
        ["run_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending' AND NOT is_due"),
    )
    op.create_index(
        op.f("ix_scheduled_tasks_merchant_id_status_created_at_id"),
        "scheduled_tasks",
        ["merchant_id", "status", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_scheduled_tasks_completed_at_merchant_id_id"),
        "scheduled_tasks",
        ["completed_at", "merchant_id", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'failed'"),
    )


def _stripe_oauth_states() -> None:
    op.create_table(
        "stripe_oauth_states",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("state_hash", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("session_hash", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "state_hash", name=op.f("pk_stripe_oauth_states")),
    )


def _usage_logs() -> None:
    op.create_table(
        "usage_logs",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column(
            "id",
            sa.BigInteger(),
            autoincrement=False,
            server_default=NUMBER,
            nullable=False,
        ),
        sa.Column(
            "metric_type",
            sa.String(40),
            nullable=False,
        ),
        sa.Column("amount", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "report_status",
            sa.String(40),
            nullable=True,
        ),
        sa.Column("report_attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("report_error", sa.Text(), nullable=True),
        sa.Column("task_id", sa.BigInteger(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("clicked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_usage_logs_amount_positive")),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_usage_logs")),
    )
    op.create_index(
        op.f("ix_usage_logs_merchant_id_created_at"),
        "usage_logs",
        ["merchant_id", "created_at"],
        unique=False,
        postgresql_where=sa.text(
            "metric_type = 'dunning_email_sent' AND reported_at IS NULL"
            " AND coalesce(report_status, 'pending') = 'pending'"
        ),
    )
    op.create_index(
        op.f("ix_usage_logs_merchant_id_created_at_id"),
        "usage_logs",
        ["merchant_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_usage_logs_merchant_id_metric_type_created_at_id"),
        "usage_logs",
        ["merchant_id", "metric_type", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_usage_logs_merchant_id_task_id"),
        "usage_logs",
        ["merchant_id", "task_id"],
        unique=True,
        postgresql_where=sa.text("metric_type = 'dunning_email_sent' AND task_id IS NOT NULL"),
    )


def _usage_months() -> None:
    op.create_table(
        "usage_months",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("sent", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("sent >= 0", name=op.f("ck_usage_months_sent_not_negative")),
        sa.PrimaryKeyConstraint("merchant_id", "month", name=op.f("pk_usage_months")),
    )
