"""Whose wallet paid, and what payments at other stores reserve of a wallet.

Safe while the old code runs: a nullable column without a default, which rewrites no rows (null:
the wallet of the payment's own store), and a new table that it does not know.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table
from sqlalchemy.dialects import postgresql

revision = "0034_shared_wallet"
down_revision = "0033_settlement"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '500ms'")
    op.add_column("payments", sa.Column("wallet_merchant_id", sa.Text()))
    op.create_table(
        "shared_holds",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("principal_minor", sa.BigInteger(), nullable=False),
        sa.Column("bonus_minor", sa.BigInteger(), nullable=False),
        sa.Column("silver_minor", sa.BigInteger(), nullable=False),
        sa.Column("lots", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint(
            "merchant_id", "store_id", "payment_id", name=op.f("pk_shared_holds")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "customer_id"],
            ["customers.merchant_id", "customers.id"],
            name=op.f("fk_shared_holds_merchant_id_customer_id_customers"),
        ),
        sa.CheckConstraint(
            "least(principal_minor, bonus_minor, silver_minor) >= 0",
            name=op.f("ck_shared_holds_not_negative"),
        ),
    )
    op.create_index(
        op.f("ix_shared_holds_merchant_id_customer_id"),
        "shared_holds",
        ["merchant_id", "customer_id"],
    )
    tenant_table("shared_holds")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '500ms'")
    op.drop_table("shared_holds")
    op.drop_column("payments", "wallet_merchant_id")
