"""Count what one person gave within a day: index vouchers by giver and time.

Safe while the old code runs: an index changes no result. The table is small when this runs; a
large one should get it with CREATE INDEX CONCURRENTLY beforehand, which IF NOT EXISTS respects.
"""

from alembic import op

revision = "0007_vouchers_by_giver"
down_revision = "0006_top_up_rules"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.create_index(
        op.f("ix_vouchers_merchant_id_granted_by_created_at"),
        "vouchers",
        ["merchant_id", "granted_by", "created_at"],
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_vouchers_merchant_id_granted_by_created_at"), "vouchers")
