"""What a proposed campaign would have done in the last 90 days.

Safe while the old code runs: a new table that it does not know.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table
from sqlalchemy.dialects.postgresql import JSONB

revision = "0022_replays"
down_revision = "0021_strategy"

TABLE = "campaign_replays"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.create_table(
        TABLE,
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("campaign", JSONB),
        sa.Column("result", JSONB),
        sa.Column("failure", sa.Text),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("attempts", sa.BigInteger, server_default=sa.text("0"), nullable=False),
        _time("run_at", server_default=sa.func.now(), nullable=False),
        _time("created_at", server_default=sa.func.now(), nullable=False),
        _time("done_at"),
        sa.CheckConstraint(
            "(state = 'WAITING') = (done_at IS NULL) AND (state <> 'DONE' OR result IS NOT NULL)",
            name=op.f(f"ck_{TABLE}_done_with_a_result"),
        ),
    )
    op.create_index(
        op.f(f"ix_{TABLE}_merchant_id_run_at"),
        TABLE,
        ["merchant_id", "run_at"],
        postgresql_where=sa.text("state = 'WAITING'"),
    )
    tenant_table(TABLE)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_table(TABLE)


def _time(name: str, **options) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), **options)
