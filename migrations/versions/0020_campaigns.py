"""Campaigns: what they are, the events they listened for, their hits, and what a month cost.

Safe while the old code runs: four new tables that it does not know.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table
from sqlalchemy.dialects.postgresql import JSONB

revision = "0020_campaigns"
down_revision = "0019_audit_chain"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    _campaigns()
    _triggers()
    _hits()
    op.create_table(
        "campaign_months",
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("month", sa.Date, primary_key=True),
        _number("cost_minor"),
        _check("campaign_months", "not_negative", "cost_minor >= 0"),
    )
    for table in ("campaigns", "campaign_triggers", "campaign_hits", "campaign_months"):
        tenant_table(table)


def _campaigns() -> None:
    name = "campaigns"
    op.create_table(
        name,
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        _text("name"),
        sa.Column("status", sa.String(40), nullable=False),
        _whole("priority"),
        _text("event"),
        sa.Column("conditions", JSONB, nullable=False),
        sa.Column("action", JSONB, nullable=False),
        _whole("cap_units"),
        _whole("cost_units"),
        _number("used_units"),
        sa.Column("cap_minor", sa.BigInteger),
        sa.Column("customer_cap_minor", sa.BigInteger),
        sa.Column("day_cap_minor", sa.BigInteger),
        _number("spent_minor"),
        _number("hits"),
        sa.Column("customer_hits", sa.BigInteger),
        sa.Column("customer_days", sa.BigInteger),
        sa.Column("exclusive_group", sa.Text),
        _number("holdout_percent"),
        _time("ttl_until"),
        sa.Column("strategy_meta", JSONB),
        sa.Column("stopped_why", sa.String(40)),
        _text("created_by"),
        _time("created_at", server_default=sa.func.now(), nullable=False),
        _time("updated_at"),
        _check(
            name,
            "units_in_range",
            "cap_units >= 0 AND cost_units >= 0 AND used_units BETWEEN 0 AND cap_units",
        ),
        _check(
            name,
            "caps_positive",
            "cap_minor > 0 AND customer_cap_minor > 0 AND day_cap_minor > 0",
        ),
        _check(name, "spent_not_negative", "spent_minor >= 0"),
        _check(name, "frequency_positive", "customer_hits > 0 AND customer_days > 0"),
        _check(name, "holdout_in_range", "holdout_percent BETWEEN 0 AND 50"),
    )
    _index(name, ["merchant_id", "event"], where="status <> 'ARCHIVED'")
    _index(name, ["merchant_id", "created_at", "id"])


def _triggers() -> None:
    name = "campaign_triggers"
    op.create_table(
        name,
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        _text("customer_id"),
        _text("event"),
        sa.Column("context", JSONB, nullable=False),
        _text("source"),
        _text("asked_by"),
        sa.Column("payment_id", sa.Text),
        sa.Column("kill_switch", sa.Boolean, nullable=False),
        sa.Column("decisions", JSONB, server_default=sa.text("'{}'"), nullable=False),
        _time("created_at", server_default=sa.func.now(), nullable=False),
        _references(name, "customer_id", "customers"),
    )
    _index(name, ["merchant_id", "source"], where="source <> 'MANUAL'", unique=True)
    _index(name, ["merchant_id", "event", "created_at", "id"])
    _index(name, ["merchant_id", "customer_id", "created_at"])
    _index(name, ["merchant_id", "payment_id"], where="payment_id IS NOT NULL")


def _hits() -> None:
    name = "campaign_hits"
    op.create_table(
        name,
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        _text("campaign_id"),
        _text("trigger_id"),
        _text("customer_id"),
        _whole("units"),
        _whole("cost_minor"),
        sa.Column("given", JSONB, nullable=False),
        sa.Column("redeemed", JSONB, server_default=sa.text("'{}'"), nullable=False),
        _time("created_at", server_default=sa.func.now(), nullable=False),
        _references(name, "customer_id", "customers"),
        _references(name, "campaign_id", "campaigns"),
        _references(name, "trigger_id", "campaign_triggers"),
        _check(name, "not_negative", "units >= 0 AND cost_minor >= 0"),
    )
    _index(name, ["merchant_id", "trigger_id", "campaign_id"], unique=True)
    _index(name, ["merchant_id", "campaign_id", "created_at", "id"])
    _index(name, ["merchant_id", "campaign_id", "customer_id", "created_at"])
    _index(name, ["merchant_id", "customer_id", "created_at"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_table("campaign_months")
    op.drop_table("campaign_hits")
    op.drop_table("campaign_triggers")
    op.drop_table("campaigns")


def _text(name: str) -> sa.Column:
    return sa.Column(name, sa.Text, nullable=False)


def _whole(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _number(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger, server_default=sa.text("0"), nullable=False)


def _time(name: str, **options) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), **options)


def _check(table: str, name: str, rule: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(rule, name=op.f(f"ck_{table}_{name}"))


def _references(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["merchant_id", column],
        [f"{other}.merchant_id", f"{other}.id"],
        name=op.f(f"fk_{table}_merchant_id_{column}_{other}"),
    )


def _index(table: str, columns: list[str], *, where: str = "", unique: bool = False) -> None:
    op.create_index(
        op.f(f"ix_{table}_{'_'.join(columns)}"),
        table,
        columns,
        unique=unique,
        postgresql_where=sa.text(where) if where else None,
    )
