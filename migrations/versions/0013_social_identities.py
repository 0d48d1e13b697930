"""Let customers sign in by WeChat and Alipay: add social_identities.

Safe while the old code runs: a new table that the old code does not name; nothing else changes.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table

revision = "0013_social_identities"
down_revision = "0012_personal_keys"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.create_table(
        "social_identities",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.String(length=40), nullable=False),
        sa.Column("subject_hash", sa.Text(), nullable=False),
        sa.Column("union_hash", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column(
            "linked_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.Column(
            "last_login_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "merchant_id", "provider", "subject_hash", name=op.f("pk_social_identities")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "customer_id"],
            ["customers.merchant_id", "customers.id"],
            name=op.f("fk_social_identities_merchant_id_customer_id_customers"),
        ),
    )
    op.create_index(
        op.f("ix_social_identities_merchant_id_customer_id"),
        "social_identities",
        ["merchant_id", "customer_id"],
    )
    tenant_table("social_identities")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_table("social_identities")
