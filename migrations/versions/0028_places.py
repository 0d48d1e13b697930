"""Where merchants lie, and a gate in every database that lets their transactions in.

`enter_merchants` is called by the statement that opens a transaction. It takes, shared, the lock
that a move takes alone, and looks at the gate after that: the function is volatile, so its query
sees what was committed while it waited. Safe while the old code runs: it calls neither function,
and the policies of the platform role hide nothing as long as no gate is shut. They are changed one
table at a time, each committed: all in one transaction would close every table at once, and
payments with it. So what comes before may find itself done.
"""

import sqlalchemy as sa
from alembic import op
from rls import DIRECTORY, HERE, control_table
from sqlalchemy import Text

revision = "0028_places"
down_revision = "0027_recovery"

ENTER_MERCHANTS = """
CREATE OR REPLACE FUNCTION enter_merchants(merchants text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    named text[] := string_to_array(merchants, ',');
    one text;
BEGIN
    FOREACH one IN ARRAY named LOOP
        PERFORM pg_advisory_xact_lock_shared(hashtextextended(one, 7230028));
    END LOOP;
    SELECT merchant_id INTO one FROM tenant_gates
     WHERE merchant_id = ANY (named) AND state <> 'open' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'merchant % is not served here', one USING ERRCODE = 'MQ001';
    END IF;
END
$$
"""
ENTER_PLATFORM = """
CREATE OR REPLACE FUNCTION enter_platform() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7230029);
    PERFORM set_config('app.away', coalesce(
        (SELECT string_agg(merchant_id, ',') FROM tenant_gates WHERE state <> 'open'), ''), true);
END
$$
"""
GUARDED = """
SELECT c.relname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
 WHERE p.polname = 'platform' AND c.relnamespace = current_schema()::regnamespace
 ORDER BY c.relname
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '500ms'")
    op.create_table(
        "placements",
        sa.Column("merchant_id", Text(), nullable=False),
        sa.Column("place", Text(), nullable=False),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("merchant_id", name="pk_placements"),
        if_not_exists=True,
    )
    op.create_table(
        "tenant_gates",
        sa.Column("merchant_id", Text(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("merchant_id", name="pk_tenant_gates"),
        if_not_exists=True,
    )
    control_table("placements")
    control_table("tenant_gates")
    op.execute(ENTER_MERCHANTS)
    op.execute(ENTER_PLATFORM)
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '500ms'")
        for table in _guarded():
            rule = _rule(table)
            op.execute(f"ALTER POLICY platform ON {table} USING ({rule}) WITH CHECK ({rule})")
        op.execute("RESET lock_timeout")


def downgrade() -> None:
    for table in _guarded():
        op.execute(f"ALTER POLICY platform ON {table} USING (true) WITH CHECK (true)")
    op.execute("DROP FUNCTION enter_platform()")
    op.execute("DROP FUNCTION enter_merchants(text)")
    op.drop_table("tenant_gates")
    op.drop_table("placements")


def _guarded() -> list[str]:
    return list(op.get_bind().scalars(sa.text(GUARDED)))


def _rule(table: str) -> str:
    if table == "merchants":
        return DIRECTORY.format(column="id")
    return (DIRECTORY if table == "staff_phones" else HERE).format(column="merchant_id")
