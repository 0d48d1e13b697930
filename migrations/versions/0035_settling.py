"""How stores settled what they owed each other, and what every day brought between them.

An entry between two stores is about no customer, so the ledger's column for one may be empty.
Safe while the old code runs: it writes a customer always, and does not know the new tables.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table
from sqlalchemy.dialects.postgresql import JSONB

revision = "0035_settling"
down_revision = "0034_shared_wallet"

SETTLEMENTS, DAYS, CLOSINGS = "settlements", "settlement_days", "settlement_closings"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '500ms'")
    op.alter_column("ledger_entries", "customer_id", nullable=True)
    _settlements()
    _days()
    op.create_table(
        CLOSINGS,
        _text("merchant_id"),
        sa.Column("closed_through", sa.Date(), nullable=False),
        sa.Column("closed_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f(f"pk_{CLOSINGS}")),
    )
    tenant_table(CLOSINGS)


def _settlements() -> None:
    op.create_table(
        SETTLEMENTS,
        _text("merchant_id"),
        _text("id"),
        _text("partner_id"),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("is_creditor", sa.Boolean(), nullable=False),
        sa.Column("currency", sa.String(40), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        _text("note"),
        sa.Column("recorded_by", sa.Text()),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f(f"pk_{SETTLEMENTS}")),
        sa.CheckConstraint("amount_minor > 0", name=op.f(f"ck_{SETTLEMENTS}_positive")),
        sa.CheckConstraint("merchant_id <> partner_id", name=op.f(f"ck_{SETTLEMENTS}_two")),
    )
    for columns in (
        ["merchant_id", "created_at", "id"],
        ["merchant_id", "partner_id", "created_at", "id"],
    ):
        op.create_index(op.f(f"ix_{SETTLEMENTS}_{'_'.join(columns)}"), SETTLEMENTS, columns)
    tenant_table(SETTLEMENTS, append_only=True)


def _days() -> None:
    op.create_table(
        DAYS,
        _text("merchant_id"),
        _text("partner_id"),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(40), nullable=False),
        sa.Column("opening_minor", sa.BigInteger(), nullable=False),
        sa.Column("owes_minor", sa.BigInteger(), nullable=False),
        sa.Column("owed_minor", sa.BigInteger(), nullable=False),
        sa.Column("closing_minor", sa.BigInteger(), nullable=False),
        sa.Column("lines", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "partner_id", "day", name=op.f(f"pk_{DAYS}")),
        sa.CheckConstraint(
            "closing_minor = opening_minor + owes_minor - owed_minor",
            name=op.f(f"ck_{DAYS}_adds_up"),
        ),
        sa.CheckConstraint("owes_minor >= 0 AND owed_minor >= 0", name=op.f(f"ck_{DAYS}_sides")),
    )
    columns = ["merchant_id", "day", "partner_id"]
    op.create_index(op.f(f"ix_{DAYS}_{'_'.join(columns)}"), DAYS, columns)
    tenant_table(DAYS)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '500ms'")
    for table in (CLOSINGS, DAYS, SETTLEMENTS):
        op.drop_table(table)
    op.execute(
        "DELETE FROM ledger_postings p USING ledger_entries e WHERE e.customer_id IS NULL"
        " AND p.merchant_id = e.merchant_id AND p.entry_id = e.id"
    )
    op.execute("DELETE FROM ledger_entries WHERE customer_id IS NULL")
    op.alter_column("ledger_entries", "customer_id", nullable=False)
