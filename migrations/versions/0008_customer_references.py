"""Find a customer by the short reference that is part of their code: add customers.reference.

Thirty bits of a hash of the id, computed by the database. Safe while the old code runs: it never
names the column. The table is rewritten under its lock, some seconds for a million customers.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008_customer_references"
down_revision = "0007_vouchers_by_giver"

REFERENCE = "hashtextextended(id, 0) & 1073741823"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.add_column(
        "customers",
        sa.Column(
            "reference", sa.BigInteger, sa.Computed(REFERENCE, persisted=True), nullable=False
        ),
    )
    op.create_index(
        op.f("ix_customers_merchant_id_reference"), "customers", ["merchant_id", "reference"]
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_index(op.f("ix_customers_merchant_id_reference"), "customers")
    op.drop_column("customers", "reference")
