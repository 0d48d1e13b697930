"""Read the audit along an index whatever it is filtered by, in the order that clients see.

Times become whole milliseconds, as they are on the wire: a cursor of a client then names one place.
Safe while the old code runs: it never names the column in an INSERT and reads it as before. The
table is rewritten under its lock, about two seconds for a million rows; the indexes are made in
the same breath, so the whole takes some seconds more. Writers wait that long.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003_audit_lists"
down_revision = "0002_holds"

BY_ACTION = "ix_audit_log_merchant_id_action_occurred_at_id"
BY_PERSON = "ix_audit_log_merchant_id_operator_id_occurred_at_id"
BY_STATUS = "ix_audit_log_merchant_id_status_occurred_at_id"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.alter_column(
        "audit_log",
        "occurred_at",
        type_=postgresql.TIMESTAMP(timezone=True, precision=3),
        existing_nullable=False,
        postgresql_using="date_trunc('milliseconds', occurred_at)",
    )
    op.create_index(op.f(BY_ACTION), "audit_log", ["merchant_id", "action", "occurred_at", "id"])
    op.create_index(
        op.f(BY_PERSON), "audit_log", ["merchant_id", "operator_id", "occurred_at", "id"]
    )
    op.create_index(
        op.f(BY_STATUS),
        "audit_log",
        ["merchant_id", "status", "occurred_at", "id"],
        postgresql_where=sa.text("status <> 'SUCCESS'"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for name in (BY_STATUS, BY_PERSON, BY_ACTION):
        op.drop_index(op.f(name), table_name="audit_log")
    op.alter_column(
        "audit_log",
        "occurred_at",
        type_=sa.DateTime(timezone=True),
        existing_nullable=False,
    )
