"""Customers by when they joined: the list, begun at one end of a span of days and cut at the other.

The list runs along the time of joining, so neither end costs anything to find.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from mealquest.core.db import transaction
from mealquest.core.paging import EXPORT_BATCH, Keyset, Order, Span, batches, span_of_days
from mealquest.identity import customers as listing
from mealquest.identity.forms import CustomersForm
from mealquest.identity.replies import CustomersPage, CustomerView
from mealquest.tenancy import service as tenancy

INSTANT = timedelta(microseconds=1)


def customers(merchant_id: str, form: CustomersForm) -> CustomersPage:
    """A page of the merchant's customers; `query` finds a name, a phone, its end, or an id.

    Invalid: not a cursor of ours.
    """
    if not (form.from_day or form.to_day):
        return listing.customers(merchant_id, form)
    with transaction(merchant_id) as session:
        zone = ZoneInfo(tenancy.settings_of(session, merchant_id).time_zone)
    span = span_of_days(form.from_day, form.to_day, zone)
    cursor = form.cursor or _first(span, form.order)
    page = listing.customers(merchant_id, form.model_copy(update={"cursor": cursor}))
    inside = [row for row in page.items if _is_in(row, span)]
    ends = len(inside) < len(page.items) and page.items[-1] not in inside
    return CustomersPage(
        merchant_id=merchant_id, items=inside, next_cursor=None if ends else page.next_cursor
    )


def every_customer(merchant_id: str, form: CustomersForm) -> Iterator[Sequence[CustomerView]]:
    """All customers the form finds, in batches that are read as they are asked for."""

    def read(cursor: str | None) -> tuple[Sequence[CustomerView], str | None]:
        page = customers(
            merchant_id, form.model_copy(update={"cursor": cursor, "limit": EXPORT_BATCH})
        )
        return page.items, page.next_cursor

    return batches(read)


def _first(span: Span, order: Order) -> str | None:
    """The place just before the span begins, in that order."""
    if order is Order.NEWEST:
        return Keyset(span.until, "").encode() if span.until else None
    return Keyset(span.since - INSTANT, "").encode() if span.since else None


def _is_in(row: CustomerView, span: Span) -> bool:
    return not (
        (span.since and row.created_at < span.since)
        or (span.until and row.created_at >= span.until)
    )
