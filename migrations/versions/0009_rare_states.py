"""Find what did not simply go well: the few payments of a state, the few audit rows of a status.

Safe while the old code runs: only indexes are added. They are small, as most payments are paid and
most acts succeed; building them reads both tables once, about a second each for a million rows,
during which writers wait.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009_rare_states"
down_revision = "0008_customer_references"

PAYMENTS = "ix_payments_merchant_id_status_created_at_id"
AUDIT = "ix_audit_log_merchant_id_action_status_occurred_at_id"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.create_index(
        op.f(PAYMENTS),
        "payments",
        ["merchant_id", "status", "created_at", "id"],
        postgresql_where=sa.text("status <> 'PAID'"),
    )
    op.create_index(
        op.f(AUDIT),
        "audit_log",
        ["merchant_id", "action", "status", "occurred_at", "id"],
        postgresql_where=sa.text("status <> 'SUCCESS'"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_index(op.f(AUDIT), table_name="audit_log")
    op.drop_index(op.f(PAYMENTS), table_name="payments")
