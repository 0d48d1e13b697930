"""What partners say of their orders, written down once however often it is said."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic.alias_generators import to_camel
from sqlalchemy import insert
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core.clock import iso_millis, utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import Invalid
from mealquest.core.ids import new_id
from mealquest.core.money import Currency, Money
from mealquest.core.principal import Principal, Role
from mealquest.core.telemetry import request_id
from mealquest.core.wire import number
from mealquest.suppliers import queries
from mealquest.suppliers.domain import HistoryKind, OrderStatus, may_become
from mealquest.suppliers.errors import (
    OrderNotFound,
    OrderUsed,
    PartnerNotFound,
    PartnerScopeDenied,
    StatusRefused,
)
from mealquest.suppliers.forms import DeliveryForm, OrderPathForm, OrdersForm
from mealquest.suppliers.models import PartnerOrder, PartnerOrderHistory
from mealquest.suppliers.replies import OrdersTakenView, PartnerOrderView
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation

ACTION = Operation.SUPPLIER_ORDER_SET
TOLD = ("amount_minor", "status", "paid_at", "delivered_minor", "invoiced_minor")


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of an order, in minor units; None says nothing of it."""

    partner_id: str
    order_id: str
    amount_minor: int
    status: OrderStatus
    paid_at: datetime | None = None
    delivered_minor: int | None = None
    invoiced_minor: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.partner_id, self.order_id


@dataclass
class Counts:
    created: int = 0
    updated: int = 0
    unchanged: int = 0


def take(merchant_id: str, form: OrdersForm, by: Principal) -> OrdersTakenView:
    """Write a batch of a partner's orders down, all or none.

    Raises:
        PartnerScopeDenied: a partner named another one.
        PartnerNotFound: there is no such partner.
        Invalid: another currency than the merchant's, or an order that is named twice.
        Conflict: a status that cannot follow, or another amount of an order that was used up.
    """
    partner_id = _partner_id(form, by)
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        said = [
            Said(
                partner_id,
                order.order_id,
                Money.of_major(order.amount, currency).minor,
                order.status,
                order.paid_at,
            )
            for order in form.orders
        ]
        if any(order.currency not in {None, currency} for order in form.orders):
            raise Invalid("currency must be the merchant's", code="CURRENCY_MISMATCH")
        if len({one.key for one in said}) < len(said):
            raise Invalid("orders must not name an order twice", code="ORDER_TWICE")
        counts = write(session, merchant_id, said, currency, by)
        tell(session, merchant_id, said, counts, by)
    return OrdersTakenView(partner_id=partner_id, **vars(counts))


def write(
    session: Session, merchant_id: str, said: list[Said], currency: Currency, by: Principal
) -> Counts:
    """Write down what is said of orders, which names each of them once.

    The partners' rows are locked first: so two that add the same order come one after the other.
    """
    wanted = {one.partner_id for one in said}
    if queries.lock_partners(session, merchant_id, wanted).keys() != wanted:
        raise PartnerNotFound
    known = queries.orders_of(session, merchant_id, (one.key for one in said), lock=True)
    counts = Counts()
    new: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for one in said:
        order = known.get(one.key)
        if order is None:
            counts.created += 1
            new.append(_new(merchant_id, one, currency))
            lines.append(_registered(new[-1], by))
        elif changed := changes(order, one):
            counts.updated += 1
            lines.append(_changed(order, changed, by))
        else:
            counts.unchanged += 1
    for table, rows in ((PartnerOrder, new), (PartnerOrderHistory, lines)):
        if rows:
            session.execute(insert(table), rows)
    return counts


def tell(
    session: Session, merchant_id: str, said: list[Said], counts: Counts, by: Principal
) -> None:
    """Leave an audit row of what was written down; none of what was known already."""
    if counts.created or counts.updated:
        partners = ", ".join(sorted({one.partner_id for one in said}))
        details = {"partnerId": partners, **vars(counts)}
        audit.record(session, merchant_id, ACTION, by, details)


def changes(order: PartnerOrder, said: Said) -> dict[str, Any]:
    """Columns that what is said would change, with their new values.

    Raises:
        OrderUsed: another amount, and the shop has relied on the one there is.
        StatusRefused: a status that cannot follow.
    """
    if order.verified_at and said.amount_minor != order.amount_minor:
        raise OrderUsed(order.order_id)
    if not may_become(order.status, said.status):
        raise StatusRefused(order.order_id, order.status, said.status)
    paid_at = said.paid_at or order.paid_at
    if said.status is OrderStatus.PAID and paid_at is None:
        paid_at = utc_now()
    new = {"amount_minor": said.amount_minor, "status": said.status, "paid_at": paid_at}
    if said.delivered_minor is not None:
        new["delivered_minor"] = said.delivered_minor
    if said.invoiced_minor is not None:
        new["invoiced_minor"] = said.invoiced_minor
    return {name: value for name, value in new.items() if getattr(order, name) != value}


def set_delivered(merchant_id: str, form: DeliveryForm, by: Principal) -> PartnerOrderView:
    """Say what a delivery was worth. OrderNotFound: there is no such order."""
    return _set_amount(merchant_id, form, "delivered_minor", by)


def set_invoiced(merchant_id: str, form: DeliveryForm, by: Principal) -> PartnerOrderView:
    """Say what the partner's invoice asks for. A partner may say so of own orders only."""
    if by.role is Role.PARTNER and form.partner_id != by.subject:
        raise PartnerScopeDenied
    return _set_amount(merchant_id, form, "invoiced_minor", by)


def line(
    merchant_id: str,
    about: tuple[str, str],
    kind: HistoryKind,
    details: dict[str, Any],
    by: Principal,
) -> dict[str, Any]:
    """Columns of a line of an order's history; `about`: the partner and the number."""
    partner_id, order_id = about
    return {
        "merchant_id": merchant_id,
        "id": new_id("poh"),
        "partner_id": partner_id,
        "order_id": order_id,
        "kind": kind,
        "details": details,
        "role": by.role.value,
        "operator_id": by.subject,
        "request_id": request_id.get(),
    }


def record(session: Session, line_: dict[str, Any]) -> None:
    session.execute(insert(PartnerOrderHistory).values(line_))


def lock_one(session: Session, merchant_id: str, form: OrderPathForm) -> PartnerOrder:
    key = (form.partner_id, form.order_id)
    order = queries.orders_of(session, merchant_id, [key], lock=True).get(key)
    if order is None:
        raise OrderNotFound
    return order


def _partner_id(form: OrdersForm, by: Principal) -> str:
    if by.role is Role.PARTNER:
        if form.partner_id not in {None, by.subject}:
            raise PartnerScopeDenied
        return by.subject
    if form.partner_id is None:
        raise Invalid("partnerId is required")
    return form.partner_id


def _new(merchant_id: str, said: Said, currency: Currency) -> dict[str, Any]:
    """Columns of an order that was not known."""
    return {
        "merchant_id": merchant_id,
        "id": new_id("po"),
        "partner_id": said.partner_id,
        "order_id": said.order_id,
        "amount_minor": said.amount_minor,
        "currency": currency,
        "status": said.status,
        "paid_at": said.paid_at or (utc_now() if said.status is OrderStatus.PAID else None),
        "delivered_minor": said.delivered_minor,
        "invoiced_minor": said.invoiced_minor,
    }


def _registered(order: dict[str, Any], by: Principal) -> dict[str, Any]:
    details = {
        _word(name): _shown(order[name], order["currency"])
        for name in TOLD
        if order[name] is not None
    }
    about = (order["partner_id"], order["order_id"])
    return line(order["merchant_id"], about, HistoryKind.REGISTERED, details, by)


def _changed(order: PartnerOrder, changed: dict[str, Any], by: Principal) -> dict[str, Any]:
    """Change the row; returns the line that tells of it."""
    details = {}
    for name, value in changed.items():
        before = _shown(getattr(order, name), order.currency)
        details[_word(name)] = {"from": before, "to": _shown(value, order.currency)}
        setattr(order, name, value)
    order.updated_at = utc_now()
    about = (order.partner_id, order.order_id)
    return line(order.merchant_id, about, HistoryKind.CHANGED, details, by)


def _set_amount(merchant_id: str, form: DeliveryForm, name: str, by: Principal) -> PartnerOrderView:
    with transaction(merchant_id) as session:
        order = lock_one(session, merchant_id, form)
        minor = Money.of_major(form.amount, order.currency).minor
        if minor != getattr(order, name):
            record(session, _changed(order, {name: minor}, by))
            details = {
                "partnerId": order.partner_id,
                "orderId": order.order_id,
                _word(name): number(form.amount),
            }
            audit.record(session, merchant_id, ACTION, by, details)
            session.flush()
        partner = queries.partner(session, merchant_id, order.partner_id)
        if partner is None:
            raise PartnerNotFound
        return PartnerOrderView.of(order, partner)


def _word(column: str) -> str:
    """What the wire calls a column: amount, deliveredAmount, paidAt."""
    return {"delivered_minor": "deliveredAmount", "invoiced_minor": "invoicedAmount"}.get(
        column, to_camel(column.removesuffix("_minor"))
    )


def _shown(value: Any, currency: Currency) -> Any:
    if isinstance(value, datetime):
        return iso_millis(value)
    if isinstance(value, OrderStatus) or value is None:
        return value
    return number(Money(value, currency).major)
