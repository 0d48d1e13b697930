"""A row in every table of a merchant that has none yet, each text of it unmistakable."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Integer,
    LargeBinary,
    Numeric,
    RowMapping,
    Table,
    func,
    insert,
    select,
)
from sqlalchemy.orm import Session

from mealquest.core.db import Base, TableKind, platform_transaction

# Values that a table's own rules ask for, or that give no job anything to do for ever.
TAKEN: dict[str, Any] = {
    "gateway_refunds.state": "STUCK",
    "settlement_days.lines": [],
}
MOMENT = datetime(2026, 3, 1, 8, tzinfo=UTC)


def tenant_tables() -> list[Table]:
    """In an order in which rows can be written."""
    kinds = {m.local_table.name: m.class_.table_kind for m in Base.registry.mappers}
    return [t for t in Base.metadata.sorted_tables if kinds[t.name] is TableKind.TENANT]


def key_of(table: Table) -> str | None:
    """The column that says whose a row is; None where rows belong to no merchant."""
    if table.name == "merchants":
        return "id"
    return "merchant_id" if "merchant_id" in table.columns else None


def fill(merchant_id: str, word: str) -> None:
    """`word` begins every text that is written."""
    with platform_transaction("a test writes a row of every kind") as session:
        for table in tenant_tables():
            if not _count(session, table, merchant_id):
                session.execute(insert(table).values(_row(session, table, merchant_id, word)))


def empty_tables(merchant_id: str) -> list[str]:
    with platform_transaction("a test counts rows of every kind") as session:
        return [t.name for t in tenant_tables() if not _count(session, t, merchant_id)]


def _count(session: Session, table: Table, merchant_id: str) -> int:
    rows = select(func.count()).select_from(table).where(table.c.merchant_id == merchant_id)
    return session.scalar(rows) or 0


def _row(session: Session, table: Table, merchant_id: str, word: str) -> dict[str, Any]:
    row = {c.name: _value(table, c, word) for c in table.columns if _is_wanted(table, c)}
    for key in table.foreign_key_constraints:
        parent = _some_row(session, key.referred_table, merchant_id)
        row |= {each.parent.name: parent[each.column.name] for each in key.elements if parent}
    return row | {"merchant_id": merchant_id}


def _some_row(session: Session, table: Table, merchant_id: str) -> RowMapping | None:
    if "merchant_id" not in table.c:
        return None
    rows = select(table).where(table.c.merchant_id == merchant_id).limit(1)
    return session.execute(rows).mappings().one_or_none()


def _is_wanted(table: Table, column: Column[Any]) -> bool:
    if column.computed is not None:
        return False
    is_said = column.primary_key or f"{table.name}.{column.name}" in TAKEN
    return is_said or (not column.nullable and column.server_default is None)


def _value(table: Table, column: Column[Any], word: str) -> Any:
    name = f"{table.name}.{column.name}"
    if name in TAKEN:
        return TAKEN[name]
    text = f"{word}_{table.name}_{column.name}"
    kind = column.type
    if isinstance(kind, Enum):
        return kind.enums[0]
    known = {
        Boolean: False,
        JSON: {"about": text},
        DateTime: MOMENT,
        Date: MOMENT.date(),
        Integer: 1,
        Numeric: 1,
        LargeBinary: text.encode(),
    }
    return next((value for each, value in known.items() if isinstance(kind, each)), text)
