"""Hold wallet parts and vouchers for payments that wait for money from outside.

Safe while the old code runs: new columns have constant defaults or are nullable, so no row is
rewritten and older INSERTs still work; the new table is not read by older code.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table
from sqlalchemy.dialects import postgresql

revision = "0002_holds"
down_revision = "0001_first_tables"

HELD = ("held_principal_minor", "held_bonus_minor", "held_silver_minor")
PAYMENT_COLUMNS = (
    sa.Column("lots", postgresql.JSONB(astext_type=sa.Text())),
    sa.Column("hold_expires_at", sa.DateTime(timezone=True)),
    sa.Column("provider", sa.Text()),
    sa.Column("payment_intent_id", sa.Text()),
    sa.Column("external_status", sa.String(40)),
    sa.Column("external_txn_id", sa.Text()),
    sa.Column("confirmed_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for name in HELD:
        op.add_column(
            "wallets", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
        )
    op.create_check_constraint(
        op.f("ck_wallets_held_in_range"),
        "wallets",
        "held_principal_minor BETWEEN 0 AND principal_minor"
        " AND held_bonus_minor BETWEEN 0 AND bonus_minor"
        " AND held_silver_minor BETWEEN 0 AND silver_minor",
    )
    op.add_column(
        "bonus_lots", sa.Column("held_minor", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.create_check_constraint(
        op.f("ck_bonus_lots_held_in_range"), "bonus_lots", "held_minor BETWEEN 0 AND left_minor"
    )
    for column in PAYMENT_COLUMNS:
        op.add_column("payments", column.copy())
    op.create_index(
        op.f("ix_payments_merchant_id_hold_expires_at"),
        "payments",
        ["merchant_id", "hold_expires_at"],
        postgresql_where=sa.text("status = 'PENDING_EXTERNAL'"),
    )
    _create_gateway_refunds()


def _create_gateway_refunds() -> None:
    op.create_table(
        "gateway_refunds",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("external_txn_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(40), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.Column(
            "run_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("done_at", sa.DateTime(timezone=True)),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_gateway_refunds")),
        sa.ForeignKeyConstraint(
            ["merchant_id", "payment_id"],
            ["payments.merchant_id", "payments.id"],
            name=op.f("fk_gateway_refunds_merchant_id_payment_id_payments"),
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_gateway_refunds_positive")),
    )
    op.create_index(
        op.f("ix_gateway_refunds_merchant_id_payment_id"),
        "gateway_refunds",
        ["merchant_id", "payment_id"],
    )
    op.create_index(
        op.f("ix_gateway_refunds_merchant_id_run_at"),
        "gateway_refunds",
        ["merchant_id", "run_at"],
        postgresql_where=sa.text("state = 'PENDING'"),
    )
    tenant_table("gateway_refunds")


def downgrade() -> None:
    op.drop_table("gateway_refunds")
    op.drop_index(op.f("ix_payments_merchant_id_hold_expires_at"), "payments")
    for column in PAYMENT_COLUMNS:
        op.drop_column("payments", column.name)
    op.drop_constraint(op.f("ck_bonus_lots_held_in_range"), "bonus_lots")
    op.drop_column("bonus_lots", "held_minor")
    op.drop_constraint(op.f("ck_wallets_held_in_range"), "wallets")
    for name in HELD:
        op.drop_column("wallets", name)
