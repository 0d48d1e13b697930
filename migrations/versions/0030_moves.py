"""Moves of merchants between databases: what each has come to, and what its owner is told.

`tenant_moves` and `merchant_migrations` are of home, `move_marks` goes with a merchant's rows: a
mark that is seen on the other side proves that everything written before it is there too. Safe
while the old code runs: new tables that it does not know.
"""

import sqlalchemy as sa
from alembic import op
from rls import control_table, tenant_table
from sqlalchemy.dialects import postgresql

revision = "0030_moves"
down_revision = "0029_alliance"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '500ms'")
    op.create_table(
        "tenant_moves",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("step", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("figures", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("report", postgresql.JSONB(), nullable=True),
        sa.Column("started_by", sa.Text(), nullable=False),
        _moment("started_at", server_default=sa.text("now()"), nullable=False),
        _moment("updated_at", server_default=sa.text("now()"), nullable=False),
        _moment("due_at", server_default=sa.text("now()"), nullable=False),
        _moment("moved_at", nullable=True),
        _moment("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_tenant_moves"),
    )
    op.create_index(
        "ix_tenant_moves_merchant_id",
        "tenant_moves",
        ["merchant_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "merchant_migrations",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("phase", sa.String(length=40), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        _moment("updated_at", server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", name="pk_merchant_migrations"),
    )
    op.create_table(
        "move_marks",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "name", name="pk_move_marks"),
    )
    control_table("tenant_moves")
    control_table("merchant_migrations")
    tenant_table("move_marks")


def downgrade() -> None:
    for table in ("move_marks", "merchant_migrations", "tenant_moves"):
        op.drop_table(table)


def _moment(name: str, **options: object) -> sa.Column[sa.DateTime]:
    return sa.Column(name, sa.DateTime(timezone=True), **options)
