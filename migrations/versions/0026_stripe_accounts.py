"""What Stripe knows a merchant as, and how its mails look.

Safe while the old code runs: new columns with defaults, on a small table. `oauth_state` stays
empty, for statements of operators that name it: states are kept hashed, in a table of their own.
"""

import sqlalchemy as sa
from alembic import op
from rls import operators_table

revision = "0026_stripe_accounts"
down_revision = "0025_candidates"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.add_column("merchants", sa.Column("stripe_connect_id", sa.Text(), nullable=True))
    op.add_column("merchants", sa.Column("stripe_user_id", sa.Text(), nullable=True))
    op.add_column("merchants", sa.Column("access_token", sa.Text(), nullable=True))
    op.add_column("merchants", sa.Column("refresh_token", sa.Text(), nullable=True))
    op.add_column("merchants", sa.Column("oauth_state", sa.Text(), nullable=True))
    op.add_column("merchants", sa.Column("connected_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("merchants", sa.Column("stripe_customer_id", sa.Text(), nullable=True))
    op.add_column("merchants", sa.Column("subscription_plan_id", sa.Text(), nullable=True))
    op.add_column(
        "merchants", sa.Column("plan_event_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column(
        "merchants", sa.Column("tier", sa.Text(), server_default=sa.text("'FREE'"), nullable=False)
    )
    op.add_column("merchants", sa.Column("billing_country", sa.Text(), nullable=True))
    op.add_column("merchants", sa.Column("billing_address", sa.Text(), nullable=True))
    op.add_column(
        "merchants",
        sa.Column("brand_color", sa.Text(), server_default=sa.text("'#000000'"), nullable=False),
    )
    op.add_column("merchants", sa.Column("logo_url", sa.Text(), nullable=True))
    op.add_column("merchants", sa.Column("from_name", sa.Text(), nullable=True))
    op.add_column("merchants", sa.Column("support_email", sa.Text(), nullable=True))
    op.create_unique_constraint(
        op.f("uq_merchants_stripe_connect_id"), "merchants", ["stripe_connect_id"]
    )
    op.create_unique_constraint(
        op.f("uq_merchants_stripe_customer_id"), "merchants", ["stripe_customer_id"]
    )
    op.alter_column("merchants", "id", server_default=sa.text("gen_random_uuid()::text"))
    op.alter_column("merchants", "name", server_default=sa.text("''"))
    operators_table("merchants")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("DROP POLICY operators ON merchants")
    op.alter_column("merchants", "name", server_default=None)
    op.alter_column("merchants", "id", server_default=None)
    op.drop_constraint(op.f("uq_merchants_stripe_customer_id"), "merchants", type_="unique")
    op.drop_constraint(op.f("uq_merchants_stripe_connect_id"), "merchants", type_="unique")
    op.drop_column("merchants", "support_email")
    op.drop_column("merchants", "from_name")
    op.drop_column("merchants", "logo_url")
    op.drop_column("merchants", "brand_color")
    op.drop_column("merchants", "billing_address")
    op.drop_column("merchants", "billing_country")
    op.drop_column("merchants", "tier")
    op.drop_column("merchants", "plan_event_at")
    op.drop_column("merchants", "subscription_plan_id")
    op.drop_column("merchants", "stripe_customer_id")
    op.drop_column("merchants", "connected_at")
    op.drop_column("merchants", "refresh_token")
    op.drop_column("merchants", "access_token")
    op.drop_column("merchants", "oauth_state")
    op.drop_column("merchants", "stripe_user_id")
    op.drop_column("merchants", "stripe_connect_id")
