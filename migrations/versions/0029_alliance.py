"""Alliances: what each store has set, with whom it agreed, and every act of consent.

Safe while the old code runs: new tables that it does not know.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0029_alliance"
down_revision = "0028_places"

CONFIGS, LINKS, ACTS = "alliance_configs", "alliance_links", "alliance_acts"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '500ms'")
    op.create_table(
        CONFIGS,
        _text("merchant_id"),
        _text("cluster_id"),
        sa.Column("stores", ARRAY(sa.Text()), nullable=False),
        _flag("wallet_shared", default="false"),
        _flag("tier_shared", default="false"),
        _now("updated_at"),
        _text("updated_by"),
        _text("wallet_merchant_id"),
        _flag("shares", default="false"),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f(f"pk_{CONFIGS}")),
    )
    tenant_table(CONFIGS)
    _links()
    _acts()


def _links() -> None:
    op.create_table(
        LINKS,
        _text("merchant_id"),
        _text("partner_id"),
        sa.Column("state", sa.String(40), nullable=False),
        _flag("offers"),
        _flag("offered"),
        _flag("shares"),
        _now("invited_at"),
        sa.Column("agreed_at", sa.DateTime(timezone=True)),
        sa.Column("shares_since", sa.DateTime(timezone=True)),
        sa.Column("left_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("merchant_id", "partner_id", name=op.f(f"pk_{LINKS}")),
        sa.CheckConstraint("merchant_id <> partner_id", name=op.f(f"ck_{LINKS}_of_two_stores")),
        sa.CheckConstraint(
            "NOT shares OR (offers AND offered AND state = 'AGREED')",
            name=op.f(f"ck_{LINKS}_shared_by_consent"),
        ),
        sa.CheckConstraint(
            "shares = (shares_since IS NOT NULL)", name=op.f(f"ck_{LINKS}_shares_since")
        ),
    )
    tenant_table(LINKS)


def _acts() -> None:
    op.create_table(
        ACTS,
        _text("merchant_id"),
        _text("id"),
        _text("partner_id"),
        sa.Column("act", sa.String(40), nullable=False),
        _text("by_merchant_id"),
        sa.Column("by_subject", sa.Text()),
        sa.Column("customer_id", sa.Text()),
        sa.Column("terms", JSONB(), nullable=False),
        _now("occurred_at"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f(f"pk_{ACTS}")),
    )
    for columns in (
        ["merchant_id", "occurred_at", "id"],
        ["merchant_id", "partner_id", "occurred_at", "id"],
    ):
        op.create_index(op.f(f"ix_{ACTS}_{'_'.join(columns)}"), ACTS, columns)
    op.create_index(
        op.f(f"ix_{ACTS}_merchant_id_customer_id"),
        ACTS,
        ["merchant_id", "customer_id"],
        postgresql_where=sa.text("customer_id IS NOT NULL"),
    )
    tenant_table(ACTS, append_only=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _flag(name: str, default: str | None = None) -> sa.Column[bool]:
    given = sa.text(default) if default else None
    return sa.Column(name, sa.Boolean(), server_default=given, nullable=False)


def _now(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '500ms'")
    for table in (ACTS, LINKS, CONFIGS):
        op.drop_table(table)
