"""Birthdays; gifts of principal and fragments that a refund takes back; payments paid twice.

Safe while the old code runs: it names neither the new tables nor the new columns, which are null or
have a constant default, so no rows are rewritten. The changed CHECK lets all through that the old
one did; the tables it looks at once are small. Old code cannot read a gift of a new kind: while
both run, a refund by the old code of a payment that earned one is refused, and nothing has changed.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table
from sqlalchemy.dialects.postgresql import JSONB

revision = "0024_birthdays"
down_revision = "0023_campaign_lift"

TABLE = "customer_birthdays"
AGAIN = "payments_paid_again"
NAMED = "(kind = 'BONUS') = (lot_id IS NOT NULL) AND (kind = 'VOUCHER') = (voucher_id IS NOT NULL)"
NAMED_NOW = NAMED + " AND (kind = 'FRAGMENT') = (fragment IS NOT NULL)"
NAMES = "ck_payment_gifts_names_what_was_given"
GRANTED = "ck_refunds_granted_is_principal"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.create_table(
        TABLE,
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("customer_id", sa.Text, primary_key=True),
        sa.Column("day_sealed", sa.Text, nullable=False),
        sa.Column("day_mark", sa.BigInteger, nullable=False),
        sa.Column("month_mark", sa.BigInteger, nullable=False),
        sa.Column(
            "set_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "customer_id"],
            ["customers.merchant_id", "customers.id"],
            name=op.f(f"fk_{TABLE}_merchant_id_customer_id_customers"),
        ),
    )
    for mark in ("day_mark", "month_mark"):
        columns = ["merchant_id", mark, "customer_id"]
        op.create_index(op.f(f"ix_{TABLE}_{'_'.join(columns)}"), TABLE, columns)
    tenant_table(TABLE)
    _paid_again()
    op.add_column("payment_gifts", sa.Column("fragment", sa.Text))
    _check("payment_gifts", NAMES, NAMED_NOW)
    op.add_column(
        "refunds",
        sa.Column("from_granted_minor", sa.BigInteger, server_default=sa.text("0"), nullable=False),
    )
    op.add_column(
        "refunds",
        sa.Column("fragments", JSONB, server_default=sa.text("'{}'"), nullable=False),
    )
    _check("refunds", GRANTED, "from_granted_minor BETWEEN 0 AND from_principal_minor")


def _paid_again() -> None:
    op.create_table(
        AGAIN,
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("payment_id", sa.Text, primary_key=True),
        sa.Column("external_txn_id", sa.Text, primary_key=True),
        sa.Column(
            "noticed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "payment_id"],
            ["payments.merchant_id", "payments.id"],
            name=op.f(f"fk_{AGAIN}_merchant_id_payment_id_payments"),
        ),
    )
    op.create_index(
        op.f(f"ix_{AGAIN}_merchant_id_noticed_at"), AGAIN, ["merchant_id", "noticed_at"]
    )
    tenant_table(AGAIN, append_only=True)


def downgrade() -> None:
    """Refused by the database once a payment has earned fragments."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_table(AGAIN)
    op.drop_constraint(op.f(GRANTED), "refunds")
    op.drop_column("refunds", "fragments")
    op.drop_column("refunds", "from_granted_minor")
    op.drop_constraint(op.f(NAMES), "payment_gifts")
    op.drop_column("payment_gifts", "fragment")
    op.create_check_constraint(op.f(NAMES), "payment_gifts", NAMED)
    op.drop_table(TABLE)


def _check(table: str, name: str, condition: str) -> None:
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
    op.create_check_constraint(op.f(name), table, condition)
