"""Let owners promise a bonus on top-ups: add top_up_rules.

Safe while the old code runs: a new table that older code does not read.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table

revision = "0006_top_up_rules"
down_revision = "0005_staff_sessions"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.create_table(
        "top_up_rules",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("from_minor", sa.BigInteger(), nullable=False),
        sa.Column("bonus_minor", sa.BigInteger(), nullable=False),
        sa.Column("valid_days", sa.BigInteger()),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_top_up_rules")),
        sa.CheckConstraint(
            "from_minor > 0 AND bonus_minor > 0 AND bonus_minor <= from_minor",
            name=op.f("ck_top_up_rules_amounts"),
        ),
        sa.CheckConstraint("valid_days > 0", name=op.f("ck_top_up_rules_valid_days")),
    )
    op.create_index(
        op.f("ix_top_up_rules_merchant_id_from_minor"),
        "top_up_rules",
        ["merchant_id", "from_minor"],
        unique=True,
    )
    tenant_table("top_up_rules")


def downgrade() -> None:
    op.drop_table("top_up_rules")
