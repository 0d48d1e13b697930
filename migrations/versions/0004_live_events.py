"""Keep live events, numbered per merchant; tickets for sockets, and who holds how many.

Safe while the old code runs: only new tables, which it does not know.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table
from sqlalchemy.dialects import postgresql

revision = "0004_live_events"
down_revision = "0003_audit_lists"

TABLES = ("live_streams", "live_events", "live_tickets", "live_presence")
NOW = sa.text("now()")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.create_table(
        "live_streams",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("pk_live_streams")),
    )
    _create_events()
    op.create_table(
        "live_tickets",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("claims", postgresql.JSONB(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "secret_hash", name=op.f("pk_live_tickets")),
    )
    op.create_table(
        "live_presence",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("process_id", sa.Text(), nullable=False),
        sa.Column("sockets", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "process_id", name=op.f("pk_live_presence")),
    )
    for table in TABLES:
        tenant_table(table)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for table in reversed(TABLES):
        op.drop_table(table)


def _create_events() -> None:
    op.create_table(
        "live_events",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "seq", name=op.f("pk_live_events")),
    )
    op.create_index(
        op.f("ix_live_events_merchant_id_event_id"),
        "live_events",
        ["merchant_id", "event_id"],
        unique=True,
    )
    op.create_index(
        op.f("ix_live_events_merchant_id_user_id_seq"),
        "live_events",
        ["merchant_id", "user_id", "seq"],
        postgresql_where=sa.text("user_id IS NOT NULL"),
    )
