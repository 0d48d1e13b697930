"""Give every customer a key of their own: customer_keys, sealed names, terms to find them by.

Safe while the old code runs: it names none of the new columns and tables, and
customers.display_name gets a default and keeps its rows. Customers that the old code made, before
or meanwhile, are read in clear until they are sealed, which needs the application's keys and is no
part of a migration: `flask --app app customers seal` does it at once, the daily housekeeping does
it anyway. The old code shows customers of the new code without a name. A later migration drops
display_name.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table

revision = "0012_personal_keys"
down_revision = "0011_refunds"

UNSEALED = "sealed_name IS NULL AND deleted_at IS NULL"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.alter_column("customers", "display_name", server_default=sa.text("''"))
    op.add_column("customers", sa.Column("sealed_name", sa.Text))
    op.add_column("customers", sa.Column("cancelled_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_customers_unsealed",
        "customers",
        ["merchant_id", "id"],
        postgresql_where=sa.text(UNSEALED),
    )
    op.create_table(
        "customer_keys",
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("customer_id", sa.Text, primary_key=True),
        sa.Column("wrapped", sa.Text),
        _time("created_at", server_default=sa.func.now(), nullable=False),
        _time("destroyed_at"),
        sa.CheckConstraint(
            "(wrapped IS NULL) = (destroyed_at IS NOT NULL)",
            name=op.f("ck_customer_keys_gone_or_not"),
        ),
        _of_customer("customer_keys"),
    )
    op.create_table(
        "customer_name_terms",
        sa.Column("merchant_id", sa.Text, primary_key=True),
        sa.Column("term", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("customer_id", sa.Text, primary_key=True),
        _of_customer("customer_name_terms"),
    )
    op.create_index(
        op.f("ix_customer_name_terms_merchant_id_customer_id"),
        "customer_name_terms",
        ["merchant_id", "customer_id"],
    )
    tenant_table("customer_keys")
    tenant_table("customer_name_terms")


def downgrade() -> None:
    """Names and phones that were sealed meanwhile are lost with the keys."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_table("customer_name_terms")
    op.drop_table("customer_keys")
    op.drop_index("ix_customers_unsealed", "customers")
    op.drop_column("customers", "cancelled_at")
    op.drop_column("customers", "sealed_name")
    op.alter_column("customers", "display_name", server_default=None)


def _time(name: str, **options) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), **options)


def _of_customer(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["merchant_id", "customer_id"],
        ["customers.merchant_id", "customers.id"],
        name=op.f(f"fk_{table}_merchant_id_customer_id_customers"),
    )
