"""Keep a merchant's application for a contract: add contract_applications.

Safe while the old code runs: a new table that older code does not read.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table

revision = "0017_contracts"
down_revision = "0016_suppliers"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.create_table(
        "contract_applications",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("company_name", sa.Text(), nullable=False),
        sa.Column("license_no", sa.Text(), nullable=False),
        sa.Column("settlement_account", sa.Text(), nullable=False),
        sa.Column("contact_phone", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("submitted_by", sa.Text(), nullable=False),
        sa.Column(
            "submitted_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("pk_contract_applications")),
    )
    tenant_table("contract_applications")


def downgrade() -> None:
    op.drop_table("contract_applications")
