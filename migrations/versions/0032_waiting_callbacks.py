"""Acts that wait for a merchant that is closed for a moment, and since when a merchant is frozen.

Safe while the old code runs: a new table that it does not know, and two columns without a default,
which rewrite no rows. A merchant that the old code freezes is frozen since an unknown time.
"""

import sqlalchemy as sa
from alembic import op
from rls import control_table

revision = "0032_waiting_callbacks"
down_revision = "0031_legacy"

WAITS = sa.text("state = 'waiting'")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '500ms'")
    op.add_column("tenant_policies", sa.Column("frozen_at", sa.DateTime(timezone=True)))
    op.add_column("tenant_policies", sa.Column("frozen_by", sa.Text()))
    op.create_table(
        "waiting_callbacks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "run_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_waiting_callbacks"),
    )
    op.create_index(
        "ix_waiting_callbacks_merchant_id_id",
        "waiting_callbacks",
        ["merchant_id", "id"],
        postgresql_where=WAITS,
    )
    op.create_index(
        "ix_waiting_callbacks_merchant_id_fingerprint",
        "waiting_callbacks",
        ["merchant_id", "fingerprint"],
        unique=True,
        postgresql_where=WAITS,
    )
    op.create_index(
        "ix_waiting_callbacks_settled_at",
        "waiting_callbacks",
        ["settled_at"],
        postgresql_where=sa.text("state <> 'waiting'"),
    )
    control_table("waiting_callbacks")


def downgrade() -> None:
    op.drop_table("waiting_callbacks")
    op.drop_column("tenant_policies", "frozen_by")
    op.drop_column("tenant_policies", "frozen_at")
