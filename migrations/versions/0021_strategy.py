"""The strategist: proposals, what became of templates, and chats with their messages and turns.

Safe while the old code runs: five new tables that it does not know.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table
from sqlalchemy.dialects.postgresql import JSONB

revision = "0021_strategy"
down_revision = "0020_campaigns"

TABLES = (
    "strategy_sessions",
    "strategy_messages",
    "strategy_turns",
    "proposals",
    "strategy_configs",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    _sessions()
    _messages()
    _turns()
    _proposals()
    op.create_table(
        "strategy_configs",
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("template_id", sa.Text, primary_key=True),
        _text("branch_id"),
        _state("status"),
        sa.Column("last_proposal_id", sa.Text),
        sa.Column("last_campaign_id", sa.Text),
        _stamp("updated_at"),
    )
    for table in TABLES:
        tenant_table(table)


def _sessions() -> None:
    name = "strategy_sessions"
    op.create_table(
        name,
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        _count("message_seq"),
        _text("created_by"),
        _stamp("created_at"),
        _stamp("updated_at"),
        _time("ended_at"),
    )
    _index(name, ["merchant_id"], where="ended_at IS NULL", unique=True)


def _messages() -> None:
    name = "strategy_messages"
    op.create_table(
        name,
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        _state("role"),
        _state("type"),
        _text("text"),
        sa.Column("proposal_id", sa.Text),
        sa.Column("card", JSONB),
        _stamp("created_at"),
        _of_a_session(name),
    )


def _turns() -> None:
    name = "strategy_turns"
    op.create_table(
        name,
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        _text("session_id"),
        _state("state"),
        sa.Column("status", sa.String(40)),
        _text("content"),
        _list("reasons"),
        sa.Column("first_seq", sa.BigInteger, nullable=False),
        sa.Column("last_seq", sa.BigInteger),
        sa.Column("proposal_id", sa.Text),
        _text("asked_by"),
        _state("asked_role"),
        _stamp("created_at"),
        _time("deadline_at", nullable=False),
        _time("lease_until"),
        _count("attempts"),
        _of_a_session(name),
    )
    live = "state IN ('WAITING', 'RUNNING')"
    _index(name, ["merchant_id", "session_id"], where=live, unique=True)


def _proposals() -> None:
    name = "proposals"
    op.create_table(
        name,
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        _state("status"),
        _text("title"),
        _text("intent"),
        _text("template_id"),
        _text("branch_id"),
        sa.Column("strategy_meta", JSONB, nullable=False),
        sa.Column("campaign", JSONB, nullable=False),
        _list("difference"),
        _list("dropped_fields"),
        _text("content_hash"),
        sa.Column("session_id", sa.Text),
        _text("created_by"),
        _stamp("created_at"),
        sa.Column("decided_by", sa.Text),
        _time("decided_at"),
        sa.Column("reject_reason", sa.Text),
        sa.Column("campaign_id", sa.Text),
        _check(
            name,
            "decided_once_it_is_not_pending",
            "(status = 'PENDING') = (decided_at IS NULL)",
        ),
        _check(name, "has_a_campaign", "status <> 'APPROVED' OR campaign_id IS NOT NULL"),
    )
    pending = "status = 'PENDING' AND session_id IS NOT NULL"
    _index(name, ["merchant_id", "session_id"], where=pending, unique=True)
    _index(name, ["merchant_id", "created_at", "id"])
    _index(name, ["merchant_id", "status", "created_at", "id"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_table("strategy_configs")
    op.drop_table("proposals")
    op.drop_table("strategy_turns")
    op.drop_table("strategy_messages")
    op.drop_table("strategy_sessions")


def _text(name: str) -> sa.Column:
    return sa.Column(name, sa.Text, nullable=False)


def _state(name: str) -> sa.Column:
    return sa.Column(name, sa.String(40), nullable=False)


def _count(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger, server_default=sa.text("0"), nullable=False)


def _list(name: str) -> sa.Column:
    return sa.Column(name, JSONB, server_default=sa.text("'[]'"), nullable=False)


def _time(name: str, **options) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), **options)


def _stamp(name: str) -> sa.Column:
    return _time(name, server_default=sa.func.now(), nullable=False)


def _check(table: str, name: str, rule: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(rule, name=op.f(f"ck_{table}_{name}"))


def _of_a_session(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["merchant_id", "session_id"],
        ["strategy_sessions.merchant_id", "strategy_sessions.id"],
        name=op.f(f"fk_{table}_merchant_id_session_id_strategy_sessions"),
    )


def _index(table: str, columns: list[str], *, where: str = "", unique: bool = False) -> None:
    op.create_index(
        op.f(f"ix_{table}_{'_'.join(columns)}"),
        table,
        columns,
        unique=unique,
        postgresql_where=sa.text(where) if where else None,
    )
