"""Refunds as a list: a page of it, or all of it for a file; and what they sum to."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.core.db import transaction
from mealquest.core.paging import EXPORT_BATCH, Keyset, Order, batches, cut, span_of_days
from mealquest.identity import service as identity
from mealquest.payments.refund_forms import RefundsForm
from mealquest.payments.refund_replies import RefundsPage
from mealquest.payments.refunding_queries import ROWS, rows_of
from mealquest.payments.replies import RefundRowView
from mealquest.tenancy import service as tenancy

_CONDITIONS = {
    "payment": " AND r.payment_id = :payment",
    "customer": " AND p.customer_id = :customer",
    "since": " AND r.created_at >= :since",
    "until": " AND r.created_at < :until",
}
_AFTER = {
    Order.NEWEST: " AND (r.created_at, r.id) < (:moment, :after)",
    Order.OLDEST: " AND (r.created_at, r.id) > (:moment, :after)",
}
_IN_ORDER = {
    Order.NEWEST: " ORDER BY r.created_at DESC, r.id DESC LIMIT :limit",
    Order.OLDEST: " ORDER BY r.created_at, r.id LIMIT :limit",
}
_SUM = text(
    """
    SELECT count(*), CAST(coalesce(sum(amount_minor), 0) AS bigint) FROM refunds
     WHERE merchant_id = :merchant AND created_at >= :since AND created_at < :until
    """
)


def listed(merchant_id: str, form: RefundsForm) -> RefundsPage:
    """A page of refunds. Days are the merchant's. Invalid: not a cursor of ours."""
    found, next_cursor = _page(merchant_id, form, form.cursor, form.limit)
    return RefundsPage(items=[RefundRowView.of(row) for row in found], next_cursor=next_cursor)


def every(merchant_id: str, form: RefundsForm) -> Iterator[list[RefundRowView]]:
    """All of the filter, in batches that are read as they are asked for."""
    read = batches(lambda cursor: _page(merchant_id, form, cursor, EXPORT_BATCH))
    return ([RefundRowView.of(row) for row in found] for found in read)


def refunded_between(
    session: Session, merchant_id: str, since: datetime | None, until: datetime | None
) -> tuple[int, int]:
    """How many refunds were made, and their sum in minor units."""
    row = session.execute(_SUM, {"merchant": merchant_id, "since": since, "until": until}).one()
    return row[0], row[1]


def _page(
    merchant_id: str, form: RefundsForm, cursor: str | None, limit: int
) -> tuple[Any, str | None]:
    with transaction(merchant_id) as session:
        zone = tenancy.settings_of(session, merchant_id).time_zone
        days = span_of_days(form.from_day, form.to_day, ZoneInfo(zone))
        given = {
            "payment": form.payment_txn_id,
            "customer": form.user_id and identity.named_user_id(merchant_id, form.user_id),
            "since": days.since,
            "until": days.until,
        }
        values: dict[str, Any] = {name: value for name, value in given.items() if value}
        statement = ROWS + "".join(_CONDITIONS[name] for name in values)
        if cursor:
            place = Keyset.decode(cursor)
            statement += _AFTER[form.order]
            values |= {"moment": place.moment, "after": place.id}
        values |= {"merchant": merchant_id, "limit": limit + 1}
        rows = session.execute(text(statement + _IN_ORDER[form.order]), values).all()
        found = rows_of(session, merchant_id, rows)
    return cut(found, limit, lambda row: Keyset(row.created_at, row.id).encode())
