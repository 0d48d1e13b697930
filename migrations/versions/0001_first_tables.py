"""Create the first tables: merchants, people, wallets, the ledger, payments, audit, outbox.

Safe while the old code runs: there is no older code and no older table.
"""

import sqlalchemy as sa
from alembic import op
from rls import APP, PLATFORM, control_table, tenant_table
from sqlalchemy.dialects import postgresql

revision = "0001_first_tables"
down_revision = None

TENANT = (
    "customers",
    "idempotency_keys",
    "merchant_settings",
    "outbox_events",
    "staff",
    "tenant_policies",
    "bonus_lots",
    "payments",
    "top_ups",
    "vouchers",
    "wallets",
)
APPEND_ONLY = ("audit_log", "ledger_entries", "ledger_postings")
CONTROL = ("lookup_keys", "outbound_messages", "phone_codes")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    _create_tables()
    op.execute(f"GRANT USAGE ON SCHEMA {_schema()} TO {APP}, {PLATFORM}")
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME"
        " USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    for table in TENANT:
        tenant_table(table)
    for table in APPEND_ONLY:
        tenant_table(table, append_only=True)
    for table in CONTROL:
        control_table(table)
    tenant_table("merchants", column="id")  # control tables, scoped all the same
    tenant_table("staff_phones")


def downgrade() -> None:
    for table in (*APPEND_ONLY[::-1], *TENANT[::-1], "staff_phones", "merchants", *CONTROL):
        op.execute(f"DROP TABLE {table} CASCADE")
    op.execute("DROP FUNCTION refuse_change()")


def _schema() -> str:
    return str(op.get_bind().execute(sa.text("SELECT current_schema()")).scalar_one())


def _create_tables() -> None:
    op.create_table(
        "audit_log",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "SUCCESS",
                "DENIED",
                "FAILED",
                "BLOCKED",
                name="auditstatus",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("operator_id", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_audit_log")),
    )
    op.create_index(
        op.f("ix_audit_log_merchant_id_occurred_at_id"),
        "audit_log",
        ["merchant_id", "occurred_at", "id"],
        unique=False,
    )
    op.create_table(
        "customers",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("phone_hash", sa.Text(), nullable=True),
        sa.Column("phone_last4", sa.Text(), nullable=True),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("fragments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_epoch", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "tokens_valid_after",
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
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_customers")),
    )
    op.create_index(
        op.f("ix_customers_merchant_id_created_at_id"),
        "customers",
        ["merchant_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_customers_merchant_id_phone_hash"),
        "customers",
        ["merchant_id", "phone_hash"],
        unique=True,
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "merchant_id", "actor", "route", "key", name=op.f("pk_idempotency_keys")
        ),
    )
    op.create_index(
        op.f("ix_idempotency_keys_merchant_id_created_at"),
        "idempotency_keys",
        ["merchant_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "lookup_keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lookup_keys")),
    )
    op.create_table(
        "merchant_settings",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "currency",
            sa.Enum(
                "CNY",
                "USD",
                "EUR",
                "GBP",
                "HKD",
                "SGD",
                "JPY",
                name="currency",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column(
            "refund_policy",
            sa.Enum("CLAWBACK", "RESTORE", name="refundpolicy", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column("budget_cap_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "kill_switch_enabled", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("cluster_id", sa.Text(), nullable=False),
        sa.Column(
            "onboarded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "budget_cap_minor > 0", name=op.f("ck_merchant_settings_budget_cap_positive")
        ),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("pk_merchant_settings")),
    )
    op.create_table(
        "merchants",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merchants")),
    )
    op.create_table(
        "outbound_messages",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("sms", "email", name="messagekind", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "sent",
                "failed",
                "kept",
                name="messagestate",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "run_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbound_messages")),
    )
    op.create_index(
        op.f("ix_outbound_messages_run_at"),
        "outbound_messages",
        ["run_at"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_table(
        "outbox_events",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "run_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_outbox_events")),
    )
    op.create_index(
        op.f("ix_outbox_events_merchant_id_run_at"),
        "outbox_events",
        ["merchant_id", "run_at"],
        unique=False,
        postgresql_where=sa.text("delivered_at IS NULL"),
    )
    op.create_table(
        "phone_codes",
        sa.Column("phone_hash", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries_left", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("choice_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("phone_hash", name=op.f("pk_phone_codes")),
    )
    op.create_table(
        "staff",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "CUSTOMER",
                "CLERK",
                "MANAGER",
                "OWNER",
                "OPERATOR",
                "OWNER_PENDING",
                "SYSTEM",
                name="role",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_epoch", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "tokens_valid_after",
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
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_staff")),
    )
    op.create_table(
        "staff_phones",
        sa.Column("phone_hash", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("phone_hash", "merchant_id", name=op.f("pk_staff_phones")),
    )
    op.create_table(
        "tenant_policies",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("write_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("ws_enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "limits",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("pk_tenant_policies")),
    )
    op.create_table(
        "bonus_lots",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("granted_minor", sa.BigInteger(), nullable=False),
        sa.Column("left_minor", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "left_minor >= 0 AND left_minor <= granted_minor",
            name=op.f("ck_bonus_lots_left_in_range"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "customer_id"],
            ["customers.merchant_id", "customers.id"],
            name=op.f("fk_bonus_lots_merchant_id_customer_id_customers"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_bonus_lots")),
    )
    op.create_index(
        op.f("ix_bonus_lots_merchant_id_customer_id"),
        "bonus_lots",
        ["merchant_id", "customer_id"],
        unique=False,
        postgresql_where=sa.text("left_minor > 0"),
    )
    op.create_index(
        op.f("ix_bonus_lots_merchant_id_expires_at"),
        "bonus_lots",
        ["merchant_id", "expires_at"],
        unique=False,
        postgresql_where=sa.text("left_minor > 0 AND expires_at IS NOT NULL"),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "OPENING",
                "TOP_UP",
                "PAYMENT",
                "BONUS_EXPIRY",
                name="entrykind",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "currency",
            sa.Enum(
                "CNY",
                "USD",
                "EUR",
                "GBP",
                "HKD",
                "SGD",
                "JPY",
                name="currency",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "customer_id"],
            ["customers.merchant_id", "customers.id"],
            name=op.f("fk_ledger_entries_merchant_id_customer_id_customers"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_ledger_entries")),
    )
    op.create_index(
        op.f("ix_ledger_entries_merchant_id_created_at_id"),
        "ledger_entries",
        ["merchant_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_ledger_entries_merchant_id_customer_id_created_at_id"),
        "ledger_entries",
        ["merchant_id", "customer_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_ledger_entries_merchant_id_kind_reference"),
        "ledger_entries",
        ["merchant_id", "kind", "reference"],
        unique=True,
    )
    op.create_table(
        "payments",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("PAID", name="paymentstatus", native_enum=False, length=40),
            nullable=False,
        ),
        sa.Column(
            "currency",
            sa.Enum(
                "CNY",
                "USD",
                "EUR",
                "GBP",
                "HKD",
                "SGD",
                "JPY",
                name="currency",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("order_minor", sa.BigInteger(), nullable=False),
        sa.Column("voucher_minor", sa.BigInteger(), nullable=False),
        sa.Column("bonus_minor", sa.BigInteger(), nullable=False),
        sa.Column("principal_minor", sa.BigInteger(), nullable=False),
        sa.Column("silver_minor", sa.BigInteger(), nullable=False),
        sa.Column("external_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("voucher_id", sa.Text(), nullable=True),
        sa.Column("quote", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("taken_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "refunded_minor >= 0 AND refunded_minor <= order_minor",
            name=op.f("ck_payments_refund_in_range"),
        ),
        sa.CheckConstraint(
            "voucher_minor + bonus_minor + principal_minor + silver_minor + external_minor"
            " = order_minor AND order_minor > 0",
            name=op.f("ck_payments_parts_sum_to_order"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "customer_id"],
            ["customers.merchant_id", "customers.id"],
            name=op.f("fk_payments_merchant_id_customer_id_customers"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_payments")),
    )
    op.create_index(
        op.f("ix_payments_merchant_id_created_at_id"),
        "payments",
        ["merchant_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_payments_merchant_id_customer_id_created_at_id"),
        "payments",
        ["merchant_id", "customer_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "top_ups",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("bonus_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "method",
            sa.Enum(
                "CASH",
                "CARD",
                "TRANSFER",
                "OTHER",
                name="topupmethod",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("taken_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "amount_minor > 0 AND bonus_minor >= 0", name=op.f("ck_top_ups_amounts")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "customer_id"],
            ["customers.merchant_id", "customers.id"],
            name=op.f("fk_top_ups_merchant_id_customer_id_customers"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_top_ups")),
    )
    op.create_index(
        op.f("ix_top_ups_merchant_id_created_at_id"),
        "top_ups",
        ["merchant_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "vouchers",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column(
            "type",
            sa.Enum(
                "ITEM_WARRANT",
                "NO_THRESHOLD_VOUCHER",
                "DISCOUNT_CARD",
                name="vouchertype",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value_minor", sa.BigInteger(), nullable=False),
        sa.Column("min_spend_minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_rate", sa.Numeric(precision=5, scale=4), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "ACTIVE", "USED", "EXPIRED", name="voucherstatus", native_enum=False, length=40
            ),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.Column("used_by", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "discount_rate > 0 AND discount_rate < 1", name=op.f("ck_vouchers_rate_in_range")
        ),
        sa.CheckConstraint(
            "value_minor >= 0 AND min_spend_minor >= 0", name=op.f("ck_vouchers_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "customer_id"],
            ["customers.merchant_id", "customers.id"],
            name=op.f("fk_vouchers_merchant_id_customer_id_customers"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_vouchers")),
    )
    op.create_index(
        op.f("ix_vouchers_merchant_id_customer_id"),
        "vouchers",
        ["merchant_id", "customer_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_vouchers_merchant_id_expires_at"),
        "vouchers",
        ["merchant_id", "expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'ACTIVE'"),
    )
    op.create_table(
        "wallets",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column(
            "currency",
            sa.Enum(
                "CNY",
                "USD",
                "EUR",
                "GBP",
                "HKD",
                "SGD",
                "JPY",
                name="currency",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("principal_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bonus_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("silver_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "principal_minor >= 0 AND bonus_minor >= 0 AND silver_minor >= 0",
            name=op.f("ck_wallets_not_negative"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "customer_id"],
            ["customers.merchant_id", "customers.id"],
            name=op.f("fk_wallets_merchant_id_customer_id_customers"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "customer_id", name=op.f("pk_wallets")),
    )
    op.create_table(
        "ledger_postings",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_ledger_postings_positive")),
        sa.CheckConstraint("source <> destination", name=op.f("ck_ledger_postings_two_ends")),
        sa.ForeignKeyConstraint(
            ["merchant_id", "entry_id"],
            ["ledger_entries.merchant_id", "ledger_entries.id"],
            name=op.f("fk_ledger_postings_merchant_id_entry_id_ledger_entries"),
        ),
        sa.PrimaryKeyConstraint("merchant_id", "entry_id", "line", name=op.f("pk_ledger_postings")),
    )
    op.create_index(
        op.f("ix_ledger_postings_merchant_id_destination_entry_id"),
        "ledger_postings",
        ["merchant_id", "destination", "entry_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_ledger_postings_merchant_id_source_entry_id"),
        "ledger_postings",
        ["merchant_id", "source", "entry_id"],
        unique=False,
    )
