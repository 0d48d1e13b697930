"""Rights and row-level security of new tables, in one place so that no migration forgets a part.

Roles: the owner migrates; `mealquest_app` sees the merchants its transaction names;
`mealquest_platform` crosses merchants. FORCE makes the policies hold for the owner too.
"""

from alembic import op

APP = "mealquest_app"
PLATFORM = "mealquest_platform"
# A scalar sub-select, so PostgreSQL reads the setting once a statement and not once a row.
IN_SCOPE = (
    "{column} = ANY ((SELECT string_to_array(current_setting('app.merchant_ids', true), ','))"
    "::text[])"
)
# A merchant that was moved away, or has not arrived yet, has rows here that nobody may touch.
HERE = (
    "{column} <> ALL ((SELECT coalesce(string_to_array(current_setting('app.away', true), ','),"
    " '{{}}'))::text[])"
)
# Only these two are read for finding merchants wherever they are.
DIRECTORY = HERE + " OR (SELECT current_setting('app.directory', true)) = 'on'"


def tenant_table(table: str, *, append_only: bool = False, column: str = "merchant_id") -> None:
    """Scope `table` by merchant; append-only tables can be added to and read, nothing else."""
    scope = IN_SCOPE.format(column=column)
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {table} TO {APP} USING ({scope}) WITH CHECK ({scope})")
    here = HERE.format(column=column)
    op.execute(
        f"CREATE POLICY platform ON {table} TO {PLATFORM} USING ({here}) WITH CHECK ({here})"
    )
    rights = "SELECT, INSERT" if append_only else "SELECT, INSERT, UPDATE, DELETE"
    op.execute(f"GRANT {rights} ON {table} TO {APP}, {PLATFORM}")
    if append_only:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )


def operators_table(table: str) -> None:
    """A table that operators also read and mend by SQL of their own, as the owner."""
    op.execute(f"CREATE POLICY operators ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")


def control_table(table: str) -> None:
    """A table of no single merchant, read and written by the application as it is."""
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {APP}, {PLATFORM}")
