"""Files with everything about one customer, and what else it takes to erase somebody.

Adds privacy_exports and their chunks, idempotency_keys.customer_id and
outbound_messages.recipient_hash. Safe while the old code runs: it names none of them, the columns
are nullable without default, so no row is rewritten. What it writes meanwhile has no customer_id
and no recipient_hash, and goes by its age (90 and 7 days). The index over idempotency_keys has no
rows yet; building it reads the table once, during which keyed requests wait.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table
from sqlalchemy.dialects.postgresql import JSONB

revision = "0018_privacy_exports"
down_revision = "0017_contracts"

KEYS = "ix_idempotency_keys_merchant_id_customer_id"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.add_column("idempotency_keys", sa.Column("customer_id", sa.Text))
    op.create_index(
        op.f(KEYS),
        "idempotency_keys",
        ["merchant_id", "customer_id"],
        postgresql_where=sa.text("customer_id IS NOT NULL"),
    )
    op.add_column("outbound_messages", sa.Column("recipient_hash", sa.Text))
    op.create_index(
        op.f("ix_outbound_messages_recipient_hash"), "outbound_messages", ["recipient_hash"]
    )
    _exports()
    _chunks()


def _exports() -> None:
    op.create_table(
        "privacy_exports",
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        _number("rows_done"),
        _number("rows_total"),
        _number("step"),
        sa.Column("after", JSONB),
        sa.Column("requested_by", sa.Text, nullable=False),
        _number("attempts"),
        _time("run_at", server_default=sa.func.now(), nullable=False),
        _time("created_at", server_default=sa.func.now(), nullable=False),
        _time("ready_at"),
        _time("expires_at", nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "customer_id"],
            ["customers.merchant_id", "customers.id"],
            name=op.f("fk_privacy_exports_merchant_id_customer_id_customers"),
        ),
    )
    _index("privacy_exports", ["merchant_id", "created_at", "id"])
    _index("privacy_exports", ["merchant_id", "customer_id", "created_at", "id"])
    op.create_index(
        op.f("ix_privacy_exports_merchant_id_run_at"),
        "privacy_exports",
        ["merchant_id", "run_at"],
        postgresql_where=sa.text("state IN ('WAITING', 'RUNNING')"),
    )
    tenant_table("privacy_exports")


def _chunks() -> None:
    op.create_table(
        "privacy_export_chunks",
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("export_id", sa.Text, primary_key=True),
        sa.Column("entry", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "export_id"],
            ["privacy_exports.merchant_id", "privacy_exports.id"],
            name=op.f("fk_privacy_export_chunks_merchant_id_export_id_privacy_exports"),
        ),
    )
    tenant_table("privacy_export_chunks")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_table("privacy_export_chunks")
    op.drop_table("privacy_exports")
    op.drop_index(op.f("ix_outbound_messages_recipient_hash"), "outbound_messages")
    op.drop_column("outbound_messages", "recipient_hash")
    op.drop_index(op.f(KEYS), "idempotency_keys")
    op.drop_column("idempotency_keys", "customer_id")


def _number(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger, server_default=sa.text("0"), nullable=False)


def _time(name: str, **options) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), **options)


def _index(table: str, columns: list[str]) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, columns)
