"""Chain the audit: a number and a hash for every row, given by a job in the order of commits.

`xact` is the transaction that wrote a row. A job that looks below the oldest open transaction sees
rows in an order that nothing can slip into any more, and payments queue behind nobody for it.

Safe while the old code runs: it never names the new column, whose default is made by the database.
A constant default for the rows there are rewrites nothing; the index reads the table once, about a
second for a million rows, during which writers wait.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table

revision = "0019_audit_chain"
down_revision = "0018_privacy_exports"

FAULTS = ("MISSING", "CHANGED", "FOREIGN", "CUT_SHORT", "SLIPPED_IN")
AS_TEXT = {"native_enum": False, "length": 40}
ORDER = "ix_audit_log_merchant_id_xact_id"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.add_column(
        "audit_log", sa.Column("xact", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.alter_column(
        "audit_log",
        "xact",
        server_default=sa.text("(CAST(CAST(pg_current_xact_id() AS text) AS bigint))"),
    )
    op.create_index(op.f(ORDER), "audit_log", ["merchant_id", "xact", "id"])
    _create_chains()
    _create_seals()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_table("audit_seals")
    op.drop_table("audit_chains")
    op.drop_index(op.f(ORDER), table_name="audit_log")
    op.drop_column("audit_log", "xact")


def _create_chains() -> None:
    op.create_table(
        "audit_chains",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("sealed_xact", sa.BigInteger(), server_default=sa.text("-1"), nullable=False),
        sa.Column("sealed_id", sa.Text(), server_default="", nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("check_wanted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_seq", sa.BigInteger(), nullable=True),
        sa.Column("broken_seq", sa.BigInteger(), nullable=True),
        sa.Column("broken_why", sa.Enum(*FAULTS, **AS_TEXT, name="fault"), nullable=True),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("pk_audit_chains")),
    )
    tenant_table("audit_chains")


def _create_seals() -> None:
    op.create_table(
        "audit_seals",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("audit_id", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("merchant_id", "seq", name=op.f("pk_audit_seals")),
    )
    op.create_index(
        op.f("ix_audit_seals_merchant_id_audit_id"),
        "audit_seals",
        ["merchant_id", "audit_id"],
        unique=True,
    )
    tenant_table("audit_seals", append_only=True)
