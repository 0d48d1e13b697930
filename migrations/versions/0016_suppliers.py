"""Keep suppliers' orders: add partners, their orders, the history of these, and uploaded lists.

Safe while the old code runs: new tables that older code does not read.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table
from sqlalchemy.dialects import postgresql

revision = "0016_suppliers"
down_revision = "0015_invoices"

JSON = postgresql.JSONB(astext_type=sa.Text())
SPREAD = (
    "GREATEST(amount_minor, delivered_minor, invoiced_minor)"
    " - LEAST(amount_minor, delivered_minor, invoiced_minor)"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    _create_partners()
    _create_orders()
    _create_history()
    _create_imports()


def _now(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)


def _of_partner(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["merchant_id", "partner_id"],
        ["supplier_partners.merchant_id", "supplier_partners.partner_id"],
        name=op.f(f"fk_{table}_merchant_id_partner_id_supplier_partners"),
    )


def _create_partners() -> None:
    op.create_table(
        "supplier_partners",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("partner_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tolerance_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("key_id", sa.Text()),
        sa.Column("key_hash", sa.Text()),
        sa.Column("key_made_at", sa.DateTime(timezone=True)),
        sa.Column("created_by", sa.Text(), nullable=False),
        _now("created_at"),
        sa.PrimaryKeyConstraint("merchant_id", "partner_id", name=op.f("pk_supplier_partners")),
        sa.CheckConstraint(
            "tolerance_minor >= 0", name=op.f("ck_supplier_partners_tolerance_not_negative")
        ),
    )
    op.create_index(
        op.f("ix_supplier_partners_merchant_id_key_id"),
        "supplier_partners",
        ["merchant_id", "key_id"],
        unique=True,
    )
    tenant_table("supplier_partners")


def _create_orders() -> None:
    op.create_table(
        "partner_orders",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("partner_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(40), nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True)),
        sa.Column("delivered_minor", sa.BigInteger()),
        sa.Column("invoiced_minor", sa.BigInteger()),
        sa.Column("spread_minor", sa.BigInteger(), sa.Computed(SPREAD, persisted=True)),
        sa.Column("verified_at", sa.DateTime(timezone=True)),
        sa.Column("verified_by", sa.Text()),
        _now("created_at"),
        _now("updated_at"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_partner_orders")),
        _of_partner("partner_orders"),
        sa.CheckConstraint(
            "amount_minor > 0 AND delivered_minor >= 0 AND invoiced_minor >= 0",
            name=op.f("ck_partner_orders_amounts"),
        ),
    )
    for columns in (
        ["merchant_id", "partner_id", "order_id"],
        ["merchant_id", "created_at", "id"],
        ["merchant_id", "partner_id", "created_at", "id"],
    ):
        name = op.f("ix_partner_orders_" + "_".join(columns))
        unique = columns[-1] == "order_id"
        op.create_index(name, "partner_orders", columns, unique=unique)
    op.create_index(
        "ix_partner_orders_differing",
        "partner_orders",
        ["merchant_id", "created_at", "id"],
        postgresql_where=sa.text("spread_minor > 0"),
    )
    tenant_table("partner_orders")


def _create_history() -> None:
    op.create_table(
        "partner_order_history",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("partner_id", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("details", JSON, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("operator_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        _now("occurred_at"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_partner_order_history")),
    )
    columns = ["merchant_id", "partner_id", "order_id", "id"]
    op.create_index(
        op.f("ix_partner_order_history_" + "_".join(columns)), "partner_order_history", columns
    )
    tenant_table("partner_order_history", append_only=True)


def _create_imports() -> None:
    op.create_table(
        "partner_order_imports",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("rows", JSON),
        sa.Column("result", JSON),
        sa.Column("created_by", sa.Text(), nullable=False),
        _now("created_at"),
        sa.Column("applied_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("merchant_id", "id", name=op.f("pk_partner_order_imports")),
    )
    op.create_index(
        op.f("ix_partner_order_imports_merchant_id_created_at"),
        "partner_order_imports",
        ["merchant_id", "created_at"],
    )
    tenant_table("partner_order_imports")


def downgrade() -> None:
    for table in (
        "partner_order_imports",
        "partner_order_history",
        "partner_orders",
        "supplier_partners",
    ):
        op.drop_table(table)
