"""Who was held out: a table of first exposures, and merchant_settings.campaign_holdout_percent.

Safe while the old code runs: a table that it does not know, and a nullable column without default,
which rewrites no rows. Campaigns that the old code made hold out nobody, so nothing is missing.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table

revision = "0023_campaign_lift"
down_revision = "0022_replays"

TABLE = "campaign_exposures"
RULE = "ck_merchant_settings_holdout_in_range"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.create_table(
        TABLE,
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("campaign_id", sa.Text, primary_key=True),
        sa.Column("customer_id", sa.Text, primary_key=True),
        sa.Column("held_out", sa.Boolean, nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        _references("campaign_id", "campaigns"),
        _references("customer_id", "customers"),
    )
    op.create_index(
        op.f("ix_campaign_exposures_merchant_id_customer_id"), TABLE, ["merchant_id", "customer_id"]
    )
    tenant_table(TABLE)
    op.add_column("merchant_settings", sa.Column("campaign_holdout_percent", sa.BigInteger))
    op.create_check_constraint(
        op.f(RULE), "merchant_settings", "campaign_holdout_percent BETWEEN 0 AND 50"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_constraint(op.f(RULE), "merchant_settings")
    op.drop_column("merchant_settings", "campaign_holdout_percent")
    op.drop_table(TABLE)


def _references(column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["merchant_id", column],
        [f"{other}.merchant_id", f"{other}.id"],
        name=op.f(f"fk_{TABLE}_merchant_id_{column}_{other}"),
    )
