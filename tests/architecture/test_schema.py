"""Tenant first: what the schema must look like, asked of the models and of the database."""

import psycopg
import pytest
from sqlalchemy import ForeignKeyConstraint, UniqueConstraint

from mealquest import models
from mealquest.core.db import TableKind

MAPPERS = sorted(models.Base.registry.mappers, key=lambda mapper: mapper.local_table.name)
TENANT = [m.local_table for m in MAPPERS if m.class_.table_kind is TableKind.TENANT]
SCOPED_CONTROL = {"merchants", "staff_phones"}
# Read across merchants, by the clock: what becomes due (docs/decisions/0026).
BY_TIME = {
    "ix_scheduled_tasks_completed_at_merchant_id_id",
    "ix_scheduled_tasks_run_at",
}
APPEND_ONLY = {
    "alliance_acts",
    "audit_log",
    "audit_seals",
    "invoice_refunds",
    "invoices",
    "ledger_entries",
    "ledger_postings",
    "refunds",
    "partner_order_history",
}


@pytest.mark.parametrize("mapper", MAPPERS, ids=lambda m: m.local_table.name)
def test_every_table_says_its_kind(mapper) -> None:
    assert mapper.class_.table_kind in TableKind


@pytest.mark.parametrize("table", TENANT, ids=lambda t: t.name)
def test_every_key_of_a_tenant_table_starts_with_the_merchant(table) -> None:
    def leads(columns) -> bool:
        return next(iter(columns)).name == "merchant_id"

    assert leads(table.primary_key.columns)
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint | ForeignKeyConstraint):
            assert leads(constraint.columns), constraint
    for index in table.indexes:
        assert leads(index.columns) or index.name in BY_TIME, index.name


@pytest.mark.parametrize("table", TENANT, ids=lambda t: t.name)
def test_no_tenant_column_is_numbered_by_a_sequence(table) -> None:
    for column in table.columns:
        assert "nextval" not in str(column.server_default), column


@pytest.fixture
def owner(app):
    with psycopg.connect(app.config["MIGRATION_URL"]) as connection:
        yield connection


def test_row_level_security_is_forced_on_every_tenant_table(owner) -> None:
    names = [table.name for table in TENANT] + sorted(SCOPED_CONTROL)
    rows = owner.execute(
        "SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class"
        " WHERE relname = ANY(%s) AND relkind = 'r'",
        [names],
    ).fetchall()
    assert dict(rows) == dict.fromkeys(names, True)


def test_the_application_role_cannot_pass_row_level_security(owner) -> None:
    row = owner.execute(
        "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = 'mealquest_app'"
    ).fetchone()
    assert row == (False, False)


def test_without_a_merchant_named_the_application_sees_no_tenant_row(app, owner) -> None:
    from tests.factories.wallet import make_wallet

    wallet = make_wallet()
    owner.execute("SET ROLE mealquest_app")
    for table in [t.name for t in TENANT] + sorted(SCOPED_CONTROL):
        assert owner.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
    owner.execute("SELECT set_config('app.merchant_ids', %s, true)", [wallet.merchant_id])
    assert owner.execute("SELECT count(*) FROM wallets").fetchone() == (1,)


def test_the_application_role_does_not_inherit_the_platform_role(owner) -> None:
    row = owner.execute(
        "SELECT pg_has_role('mealquest_app', 'mealquest_platform', 'usage')"
    ).fetchone()
    assert row == (False,)


@pytest.mark.parametrize("table", sorted(APPEND_ONLY))
def test_an_append_only_table_has_no_right_to_change_it(owner, table) -> None:
    for role in ("mealquest_app", "mealquest_platform"):
        for right in ("UPDATE", "DELETE", "TRUNCATE"):
            row = owner.execute("SELECT has_table_privilege(%s, %s, %s)", [role, table, right])
            assert row.fetchone() == (False,), (role, right)


def test_the_models_and_the_migrations_agree(app) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from mealquest.core.db import db

    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, models.Base.metadata) == []
