"""Several candidates of a proposal, plans that wait for the strategist, and threads to be ended.

Safe while the old code runs: new columns have defaults or stay empty, and a turn without a chat is
written by new code only. An old worker that takes one leaves it to the end of its lease.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0025_candidates"
down_revision = "0024_birthdays"

A_PLAN_THAT_WAITS = "kind = 'PLAN' AND state IN ('WAITING', 'RUNNING')"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for name in ("candidates", "refused_candidates"):
        op.add_column(
            "proposals",
            sa.Column(name, JSONB, server_default=sa.text("'[]'"), nullable=False),
        )
    op.add_column("proposals", sa.Column("picked_by", sa.Text))
    op.add_column("proposals", sa.Column("picked_at", sa.DateTime(timezone=True)))
    for table in ("proposals", "strategy_sessions"):
        op.add_column(table, sa.Column("thread_due_at", sa.DateTime(timezone=True)))
        op.create_index(
            op.f(f"ix_{table}_merchant_id_thread_due_at"),
            table,
            ["merchant_id", "thread_due_at"],
            postgresql_where=sa.text("thread_due_at IS NOT NULL"),
        )
    _turns()


def _turns() -> None:
    table = "strategy_turns"
    op.add_column(
        table, sa.Column("kind", sa.String(40), server_default=sa.text("'CHAT'"), nullable=False)
    )
    op.add_column(table, sa.Column("request", JSONB))
    op.add_column(table, sa.Column("answer", JSONB))
    op.alter_column(table, "session_id", nullable=True)
    op.create_check_constraint(
        op.f(f"ck_{table}_a_chat_or_a_plan"),
        table,
        "(kind = 'CHAT') = (session_id IS NOT NULL) AND (kind = 'PLAN') = (request IS NOT NULL)",
    )
    op.create_index(
        op.f(f"ix_{table}_merchant_id"),
        table,
        ["merchant_id"],
        unique=True,
        postgresql_where=sa.text(A_PLAN_THAT_WAITS),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    table = "strategy_turns"
    op.drop_index(op.f(f"ix_{table}_merchant_id"), table)
    op.drop_constraint(op.f(f"ck_{table}_a_chat_or_a_plan"), table, type_="check")
    op.execute("DELETE FROM strategy_turns WHERE kind = 'PLAN'")
    op.alter_column(table, "session_id", nullable=False)
    for name in ("answer", "request", "kind"):
        op.drop_column(table, name)
    for other in ("strategy_sessions", "proposals"):
        op.drop_index(op.f(f"ix_{other}_merchant_id_thread_due_at"), other)
        op.drop_column(other, "thread_due_at")
    for name in ("picked_at", "picked_by", "refused_candidates", "candidates"):
        op.drop_column("proposals", name)
