"""Keep the sign-ins of staff, so that each can be seen and ended on its own.

Safe while the old code runs: a new table that older code neither reads nor writes. Tokens issued
before name no session and count as they did.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table

revision = "0005_staff_sessions"
down_revision = "0004_live_events"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.create_table(
        "staff_sessions",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column(
            "last_seen_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_staff_sessions")),
        sa.ForeignKeyConstraint(
            ["merchant_id", "staff_id"],
            ["staff.merchant_id", "staff.id"],
            name=op.f("fk_staff_sessions_merchant_id_staff_id_staff"),
        ),
    )
    op.create_index(
        op.f("ix_staff_sessions_merchant_id_staff_id_created_at"),
        "staff_sessions",
        ["merchant_id", "staff_id", "created_at"],
    )
    tenant_table("staff_sessions")


def downgrade() -> None:
    op.drop_table("staff_sessions")
