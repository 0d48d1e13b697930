"""A voucher that a store gave into another store's wallet may be spent at the giver only.

Safe while the old code runs: it leaves the new column empty, and an empty one limits nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0036_vouchers_only_at"
down_revision = "0035_settling"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '500ms'")
    op.add_column("vouchers", sa.Column("only_at", sa.Text()))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '500ms'")
    op.drop_column("vouchers", "only_at")
