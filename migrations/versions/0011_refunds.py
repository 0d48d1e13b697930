"""Give money back: refunds, what payments earned, what customers owe; and which refund a gateway
refund belongs to.

Safe while the old code runs: three new tables that older code does not read, and a nullable column
without a default, which rewrites no rows.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table
from sqlalchemy.dialects import postgresql

revision = "0011_refunds"
down_revision = "0010_keys_by_age"

PARTS = ("voucher", "bonus", "principal", "silver", "external")
RECLAIMED = ("reclaim", "from_bonus", "from_silver", "from_principal", "receivable")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.add_column("gateway_refunds", sa.Column("refund_id", sa.Text()))
    _refunds()
    _payment_gifts()
    _receivables()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_table("receivables")
    op.drop_table("payment_gifts")
    op.drop_table("refunds")
    op.drop_column("gateway_refunds", "refund_id")


def _refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(40), nullable=False),
        sa.Column("policy", sa.String(40), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        *(sa.Column(f"{name}_minor", sa.BigInteger(), nullable=False) for name in PARTS),
        *(
            sa.Column(f"{name}_minor", sa.BigInteger(), server_default="0", nullable=False)
            for name in RECLAIMED
        ),
        sa.Column("lots", postgresql.JSONB(), nullable=False),
        sa.Column("voucher_id", sa.Text()),
        sa.Column("withdrawn", postgresql.JSONB(), nullable=False),
        sa.Column("refunded_by", sa.Text(), nullable=False),
        _created_at(),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_refunds")),
        _of_payment("refunds"),
        sa.CheckConstraint(
            "voucher_minor + bonus_minor + principal_minor + silver_minor + external_minor"
            " = amount_minor AND amount_minor > 0",
            name=op.f("ck_refunds_parts_sum_to_amount"),
        ),
        sa.CheckConstraint(
            "least(voucher_minor, bonus_minor, principal_minor, silver_minor, external_minor) >= 0",
            name=op.f("ck_refunds_not_negative"),
        ),
        sa.CheckConstraint(
            "from_bonus_minor + from_silver_minor + from_principal_minor + receivable_minor"
            " = reclaim_minor AND least(from_bonus_minor, from_silver_minor,"
            " from_principal_minor, receivable_minor) >= 0",
            name=op.f("ck_refunds_reclaim_adds_up"),
        ),
    )
    op.create_index(
        op.f("ix_refunds_merchant_id_payment_id"), "refunds", ["merchant_id", "payment_id"]
    )
    op.create_index(
        op.f("ix_refunds_merchant_id_created_at_id"),
        "refunds",
        ["merchant_id", "created_at", "id"],
    )
    tenant_table("refunds", append_only=True)


def _payment_gifts() -> None:
    op.create_table(
        "payment_gifts",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("claimed_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lot_id", sa.Text()),
        sa.Column("voucher_id", sa.Text()),
        sa.Column("granted_by", sa.Text(), nullable=False),
        _created_at(),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_payment_gifts")),
        _of_payment("payment_gifts"),
        sa.CheckConstraint(
            "amount_minor >= 0 AND claimed_minor >= 0", name=op.f("ck_payment_gifts_not_negative")
        ),
        sa.CheckConstraint(
            "(kind = 'BONUS') = (lot_id IS NOT NULL)"
            " AND (kind = 'VOUCHER') = (voucher_id IS NOT NULL)",
            name=op.f("ck_payment_gifts_names_what_was_given"),
        ),
    )
    op.create_index(
        op.f("ix_payment_gifts_merchant_id_payment_id"),
        "payment_gifts",
        ["merchant_id", "payment_id"],
    )
    tenant_table("payment_gifts")


def _receivables() -> None:
    op.create_table(
        "receivables",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("refund_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(40), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("settled_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("written_off_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("settled_by", sa.Text()),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        _created_at(),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_receivables")),
        sa.ForeignKeyConstraint(
            ["merchant_id", "customer_id"],
            ["customers.merchant_id", "customers.id"],
            name=op.f("fk_receivables_merchant_id_customer_id_customers"),
        ),
        _of_payment("receivables"),
        sa.ForeignKeyConstraint(
            ["merchant_id", "refund_id"],
            ["refunds.merchant_id", "refunds.id"],
            name=op.f("fk_receivables_merchant_id_refund_id_refunds"),
        ),
        sa.CheckConstraint(
            "amount_minor > 0 AND settled_minor >= 0 AND written_off_minor >= 0"
            " AND settled_minor + written_off_minor <= amount_minor",
            name=op.f("ck_receivables_settled_in_range"),
        ),
        sa.CheckConstraint(
            "(state = 'OPEN') = (settled_minor + written_off_minor < amount_minor)",
            name=op.f("ck_receivables_open_while_something_is_owed"),
        ),
    )
    op.create_index(
        op.f("ix_receivables_merchant_id_created_at_id"),
        "receivables",
        ["merchant_id", "created_at", "id"],
    )
    op.create_index(
        op.f("ix_receivables_merchant_id_customer_id"),
        "receivables",
        ["merchant_id", "customer_id"],
    )
    op.create_index(
        op.f("ix_receivables_merchant_id_payment_id"),
        "receivables",
        ["merchant_id", "payment_id"],
    )
    tenant_table("receivables")


def _created_at() -> sa.Column:
    return sa.Column(
        "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
    )


def _of_payment(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["merchant_id", "payment_id"],
        ["payments.merchant_id", "payments.id"],
        name=op.f(f"fk_{table}_merchant_id_payment_id_payments"),
    )
