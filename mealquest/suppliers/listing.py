"""Partners' orders to look at: a page of them, all for a file, one with its history."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.core.paging import EXPORT_BATCH, Keyset, batches, cut, span_of_days
from mealquest.suppliers import queries
from mealquest.suppliers.errors import OrderNotFound
from mealquest.suppliers.forms import DeskForm, OrderPathForm, OrdersListForm, Use
from mealquest.suppliers.models import PartnerOrder
from mealquest.suppliers.queries import Pair, Wanted
from mealquest.suppliers.replies import (
    DeskView,
    DifferenceView,
    HistoryView,
    PartnerOrderDetail,
    PartnerOrdersPage,
    PartnerOrderView,
    PartnerView,
    major,
    order_values,
)
from mealquest.suppliers.shown_by import shown_by
from mealquest.tenancy import service as tenancy

HUNDRED, TENTH = Decimal(100), Decimal("0.1")


def desk(merchant_id: str, form: DeskForm) -> DeskView:
    """What the clerk's page needs before anything is asked."""
    who = shown_by(merchant_id, form)
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        found = queries.partners(session, merchant_id)
        differences = queries.differences(session, merchant_id)
    partners = [PartnerView.of(partner, currency) for partner in found]
    return DeskView(partners=partners, currency=currency, differences=differences, shown_by=who)


def listed(merchant_id: str, form: OrdersListForm) -> PartnerOrdersPage:
    """A page of orders. Invalid: not a cursor of ours."""
    found, next_cursor = _page(merchant_id, form, form.cursor, form.limit)
    with transaction(merchant_id) as session:
        differences = queries.differences(session, merchant_id)
    items = [PartnerOrderView.of(*pair) for pair in found]
    return PartnerOrdersPage(
        merchant_id=merchant_id, items=items, next_cursor=next_cursor, differences=differences
    )


def every(merchant_id: str, form: OrdersListForm) -> Iterator[list[PartnerOrderView]]:
    """All orders of the filter, in batches that are read as they are asked for."""
    read = batches(lambda cursor: _page(merchant_id, form, cursor, EXPORT_BATCH))
    return ([PartnerOrderView.of(*pair) for pair in found] for found in read)


def detail(merchant_id: str, form: OrderPathForm) -> PartnerOrderDetail:
    """One order with its differences and its history. OrderNotFound: there is none."""
    with transaction(merchant_id) as session:
        found = queries.one(session, merchant_id, form.partner_id, form.order_id)
        if found is None:
            raise OrderNotFound
        rows = queries.history(session, merchant_id, form.partner_id, form.order_id)
    order, partner = found
    history = [
        HistoryView(
            kind=row.kind,
            details=row.details,
            role=row.role,
            operator_id=row.operator_id,
            occurred_at=row.occurred_at,
        )
        for row in rows
    ]
    return PartnerOrderDetail(
        **order_values(order, partner),
        tolerance=major(partner.tolerance_minor, order.currency),
        differences=_differences(order),
        history=history,
    )


def _differences(order: PartnerOrder) -> list[DifferenceView]:
    known = {
        "order": order.amount_minor,
        "delivery": order.delivered_minor,
        "invoice": order.invoiced_minor,
    }
    pairs = (("delivery", "order"), ("invoice", "order"), ("invoice", "delivery"))
    return [
        _difference(of, to, left, right, order.currency)
        for of, to in pairs
        if (left := known[of]) is not None and (right := known[to]) is not None
    ]


def _difference(of: str, to: str, left: int, right: int, currency: Currency) -> DifferenceView:
    percent = ((left - right) * HUNDRED / right).quantize(TENTH) if right else None
    return DifferenceView(of=of, to=to, amount=major(left - right, currency), percent=percent)


def _page(
    merchant_id: str, form: OrdersListForm, cursor: str | None, limit: int
) -> tuple[Any, str | None]:
    after = Keyset.decode(cursor) if cursor else None
    with transaction(merchant_id) as session:
        zone = tenancy.settings_of(session, merchant_id).time_zone
        days = span_of_days(form.from_day, form.to_day, ZoneInfo(zone))
        wanted = Wanted(
            partner_id=form.partner_id,
            status=form.status,
            match=form.match,
            used=None if form.use is None else form.use is Use.USED,
            begins=form.query,
            since=days.since,
            until=days.until,
            order=form.order,
        )
        found = queries.page(session, merchant_id, wanted, after, limit + 1)
    return cut(found, limit, _place)


def _place(pair: Pair) -> str:
    return Keyset(pair[0].created_at, pair[0].id).encode()
