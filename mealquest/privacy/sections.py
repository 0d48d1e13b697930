"""What an export is made of, a batch of rows at a time: lists as the API has them, then tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from sqlalchemy import Column, Row, func, select, tuple_
from sqlalchemy.orm import Session

from mealquest.core.clock import iso_millis
from mealquest.core.db import transaction
from mealquest.core.paging import MAX_LIMIT
from mealquest.core.principal import SYSTEM
from mealquest.core.wire import View, number
from mealquest.identity import service as identity
from mealquest.identity.service import PersonalKey
from mealquest.invoices import service as invoices
from mealquest.payments import service as payments
from mealquest.privacy.domain import BATCH
from mealquest.privacy.register import SHARES, Share, table
from mealquest.wallet import service as wallets

Record = dict[str, Any]
After = list[Any] | None  # the place behind which a section goes on, as JSON has it
Read = Callable[[str, str, After], tuple[list[Record], After]]


@dataclass(frozen=True, slots=True)
class Section:
    """One list of the export. `columns`: of its CSV beside the JSON, which tables have.

    `read` takes merchant, customer and the place to go on from; it opens its own transaction and
    answers the next place, None behind the last row.
    """

    name: str
    read: Read
    columns: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Its place in the ZIP, without the ending."""
        return f"records/{self.name}" if self.columns else self.name


def count(session: Session, merchant_id: str, customer_id: str) -> int:
    """About how many rows there will be; more may come while they are read."""
    total = 0
    for share in SHARES.values():
        rows = select(func.count()).select_from(table(share.table))
        times = 2 if share.table in _SHOWN_AS else 1
        total += times * (session.scalar(rows.where(share.about(merchant_id, customer_id))) or 0)
    return total


# --- lists as the API shows them ----------------------------------------------------------


def _payments(merchant_id: str, customer_id: str, after: After) -> tuple[list[Record], After]:
    form = payments.PaymentsForm(user_id=customer_id, limit=MAX_LIMIT, cursor=_cursor(after))
    page = payments.listed(merchant_id, form, SYSTEM)
    return _shown(page.items, page.next_cursor)


def _invoices(merchant_id: str, customer_id: str, after: After) -> tuple[list[Record], After]:
    form = invoices.InvoicesForm(user_id=customer_id, limit=MAX_LIMIT, cursor=_cursor(after))
    page = invoices.listed(merchant_id, form, SYSTEM)
    return _shown(page.items, page.page_info.next_cursor)


def _ledger(merchant_id: str, customer_id: str, after: After) -> tuple[list[Record], After]:
    form = wallets.LedgerForm(user_id=customer_id, limit=MAX_LIMIT, cursor=_cursor(after))
    page = wallets.ledger_page(merchant_id, form, SYSTEM)
    return _shown(page.items, page.page_info.next_cursor)


def _cursor(after: After) -> str | None:
    return str(after[0]) if after else None


def _shown(items: Sequence[View], cursor: str | None) -> tuple[list[Record], After]:
    rows = [item.model_dump(mode="json", by_alias=True) for item in items]
    return rows, [cursor] if cursor else None


# --- tables -------------------------------------------------------------------------------


def _columns(share: Share) -> list[Column[Any]]:
    return [column for column in table(share.table).columns if column.name not in share.hidden]


def _records(share: Share) -> Read:
    """Rows of a table in the order of its primary key, what is sealed opened."""
    here, columns = table(share.table), _columns(share)
    key = [column for column in here.primary_key if column.name != "merchant_id"]

    def read(merchant_id: str, customer_id: str, after: After) -> tuple[list[Record], After]:
        wanted = select(*here.columns).where(share.about(merchant_id, customer_id))
        if after:
            wanted = wanted.where(tuple_(*key) > tuple_(*after))
        with transaction(merchant_id) as session:
            rows = session.execute(wanted.order_by(*key).limit(BATCH)).all()
            sealed = share.sealed and rows
            personal = identity.personal_key(session, merchant_id, customer_id) if sealed else None
        records = [_record(share, columns, row, personal) for row in rows]
        last = [_plain(rows[-1]._mapping[column]) for column in key] if rows else None
        return records, last if len(rows) == BATCH else None

    return read


def _record(
    share: Share, columns: list[Column[Any]], row: Row[Any], key: PersonalKey | None
) -> Record:
    kept = row._mapping
    return {
        column.name: _opened(share, column.name, kept, key)
        if column.name in share.sealed
        else _plain(kept[column])
        for column in columns
    }


def _opened(
    share: Share, name: str, kept: Mapping[Any, Any], key: PersonalKey | None
) -> str | None:
    """The text under the seal; a phone that was never sealed under this key stays as it is kept."""
    text = kept[table(share.table).c[name]]
    if text is None or key is None or not key.seals(text):
        return None if text is None else str(text)
    by_name = {column.name: kept[column] for column in table(share.table).columns}
    return key.open(text, share.sealed[name].format(**by_name))


def _plain(value: Any) -> Any:
    """As JSON has it: times in UTC with milliseconds, numbers exact, enums by their value."""
    if isinstance(value, datetime):
        return iso_millis(value)
    if isinstance(value, Decimal):
        return number(value)
    return value.value if isinstance(value, Enum) else value


_SHOWN_AS = {"payments": _payments, "invoices": _invoices, "ledger_entries": _ledger}

LISTS = (
    Section("payments", _payments),
    Section("invoices", _invoices),
    Section("ledger", _ledger),
)
RECORDS = tuple(
    Section(share.table, _records(share), tuple(column.name for column in _columns(share)))
    for share in SHARES.values()
)
