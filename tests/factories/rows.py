"""The rows of all tables as a few short texts, to prove that something changed nothing."""

from sqlalchemy import Table, text

from mealquest.core.db import Base, platform_transaction

# Tables that a request which is refused may well write to.
ABOUT_REQUESTS = frozenset({"audit_log", "staff_sessions", "live_presence"})


def digest(merchant_id: str | None = None, *, but: frozenset[str] = frozenset()) -> dict[str, str]:
    """How many rows each table has and a hash of them; of one merchant's rows when it is named."""
    tables = [table for name, table in Base.metadata.tables.items() if name not in but]
    parts = [_of(table, merchant_id) for table in tables if merchant_id is None or _key(table)]
    with platform_transaction("a test compares all rows of before and after") as session:
        rows = session.execute(text(" UNION ALL ".join(parts)), {"merchant": merchant_id})
        return {row.name: f"{row.rows} rows {row.hash}" for row in rows}


def _of(table: Table, merchant_id: str | None) -> str:
    mine = f" WHERE {_key(table)} = :merchant" if merchant_id is not None else ""
    return (
        f"SELECT '{table.name}' AS name, count(*) AS rows,"
        " md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS hash"
        f" FROM (SELECT * FROM {table.name}{mine}) t"
    )


def _key(table: Table) -> str | None:
    """The column that says whose a row is; None where rows belong to no merchant."""
    if table.name == "merchants":
        return "id"
    return "merchant_id" if "merchant_id" in table.columns else None
