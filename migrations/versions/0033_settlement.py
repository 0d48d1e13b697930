"""What stores owe each other because their customers share a wallet.

Safe while the old code runs: a new table that it does not know.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table

revision = "0033_settlement"
down_revision = "0032_waiting_callbacks"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '500ms'")
    op.create_table(
        "settlement_positions",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("partner_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(40), nullable=False),
        sa.Column("position_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("held_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cap_minor", sa.BigInteger()),
        sa.PrimaryKeyConstraint("merchant_id", "partner_id", name=op.f("pk_settlement_positions")),
        sa.CheckConstraint("merchant_id <> partner_id", name=op.f("ck_settlement_positions_two")),
        sa.CheckConstraint(
            "held_minor >= 0 AND cap_minor >= 0",
            name=op.f("ck_settlement_positions_not_negative"),
        ),
    )
    tenant_table("settlement_positions")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '500ms'")
    op.drop_table("settlement_positions")
