"""Nothing that concerns a customer is forgotten: every table and every column is accounted for."""

from mealquest import models
from mealquest.privacy.register import NOT_SHARED, SHARES, table

TABLES = set(models.Base.metadata.tables)


def test_every_table_is_shared_or_says_why_not():
    assert SHARES.keys() | NOT_SHARED.keys() == TABLES
    assert not SHARES.keys() & NOT_SHARED.keys()


def test_a_table_that_names_a_customer_is_shared_or_is_a_secret_or_fleeting():
    named = {
        name
        for name in TABLES
        if {"customer_id", "user_id"} & set(table(name).columns.keys()) or _leads(name)
    }
    assert named - SHARES.keys() == {
        "customer_keys",
        "customer_name_terms",
        "idempotency_keys",
        "privacy_export_chunks",
        "shared_holds",
    }


def _leads(name: str) -> bool:
    """Whether a foreign key of the table leads to a customer, by whatever way."""
    targets = {key.column.table.name for key in table(name).foreign_keys} - {name}
    return "customers" in targets or any(_leads(target) for target in targets)


def test_what_a_share_says_of_columns_is_true():
    for share in SHARES.values():
        columns = set(table(share.table).columns.keys())
        assert {share.column, *share.sealed, *share.hidden} <= columns, share.table
        sealed = {name for name in columns if name.endswith("_sealed") or name == "sealed_name"}
        assert sealed <= share.sealed.keys(), f"{share.table}: say where {sealed} are sealed"
