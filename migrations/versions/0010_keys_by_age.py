"""Find old idempotency keys by ranges of blocks, so that no payment is looked for by its age.

While the table's statistics were old, the planner took the tree over (merchant_id, created_at) to
find one key among all of a merchant's. Block ranges are no choice for that, serve the purge of old
keys as well, and cost the payment that adds a key next to nothing.

Safe while the old code runs: an index changes no result. Building it reads the table once, about a
second for a million rows, during which writers wait.
"""

from alembic import op

revision = "0010_keys_by_age"
down_revision = "0009_rare_states"

NAME = "ix_idempotency_keys_merchant_id_created_at"
COLUMNS = ["merchant_id", "created_at"]


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_index(op.f(NAME), table_name="idempotency_keys")
    op.create_index(op.f(NAME), "idempotency_keys", COLUMNS, postgresql_using="brin")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_index(op.f(NAME), table_name="idempotency_keys")
    op.create_index(op.f(NAME), "idempotency_keys", COLUMNS)
