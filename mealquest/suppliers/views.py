"""Partners' orders: the clerk's question, the list, one order, and what partners say by key."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, request, url_for
from pydantic import Field

from mealquest.core.principal import MANAGEMENT, MERCHANT, Role
from mealquest.core.spreadsheet import local
from mealquest.identity import service as identity
from mealquest.suppliers import service
from mealquest.suppliers.forms import (
    DeliveryForm,
    DeskForm,
    InvoiceForm,
    OrderPathForm,
    OrdersForm,
    OrdersListForm,
    VerifyOrderForm,
)
from mealquest.suppliers.replies import (
    DeskView,
    OrdersTakenView,
    PartnerOrderDetail,
    PartnerOrdersPage,
    PartnerOrderView,
    PartnerView,
    VerifyOrderView,
)
from mealquest.tenancy.service import Operation
from mealquest.web import credentials, lists, people
from mealquest.web.credentials import Credential, Machine
from mealquest.web.frame import Call, Feature, Reply, Scope
from mealquest.web.lists import Listing
from mealquest.web.look import translate as _
from mealquest.web.look import zone
from mealquest.web.throttle import Throttle

feature = Feature("suppliers")
PARTNER_TOO = MANAGEMENT | {Role.PARTNER}
LIST = "suppliers.orders.page"


class OrdersView(PartnerOrdersPage, Listing):
    partners: list[PartnerView] = Field(default_factory=list, exclude=True)


class OrderPage(PartnerOrderDetail):
    people: dict[str, str] = Field(default_factory=dict, exclude=True)
    may_change: bool = Field(False, exclude=True)


def _key_or_person() -> Credential | None:
    """A partner's key where one is sent; else whoever is signed in."""
    sent = request.headers.get(service.HEADER, "")
    if not sent:
        return credentials.presented()
    key = service.PartnerKey.parse(sent)
    machine = Machine(
        key.merchant_id,
        f"{key.merchant_id}:{key.key_id}:{key.hash[:16]}",  # a wrong secret counts for itself
        lambda session: service.partner_of_key(session, key),
    )
    return Credential(machine=machine)


def _who_tries_a_code(form: DeskForm) -> str | None:
    """Counted by whoever acts, and only when a whole code was scanned or typed."""
    return people.caller() if form.query and identity.parse_code(form.query) else None


@feature.get(
    page="/console/suppliers",
    roles=MERCHANT,
    template="suppliers/desk",
    throttles=(Throttle(*identity.CODE_TRIES, _who_tries_a_code),),
)
def desk(call: Call, form: DeskForm) -> DeskView | Reply:
    """The clerk's page: which order somebody shows, and at which partner it was paid."""
    view = service.desk(call.merchant_id, form)
    who = view.shown_by
    if len(who.found) != 1:
        return view
    named = url_for(
        "suppliers.desk.page",
        partnerId=form.partner_id,
        orderId=form.order_id,
        minSpend=form.min_spend,
        userId=who.found[0].uid,
    )
    return Reply(view, see_other=named)


@feature.post(
    api="/api/supplier/verify-order",
    page="/console/suppliers/verify",
    roles=MERCHANT,
    scope=Scope.BODY,
    gate=Operation.SUPPLIER_VERIFY,
    idempotent=True,
    key_optional=True,
    again="suppliers.desk",
    template="suppliers/answer",
)
def verify_order(call: Call, form: VerifyOrderForm) -> VerifyOrderView:
    """Whether a partner's order counts; a yes uses it up."""
    return service.verify(call.merchant_id, form, call.principal, call.key)


@feature.post(
    api="/api/supplier/orders",
    roles=PARTNER_TOO,
    scope=Scope.BODY,
    gate=Operation.SUPPLIER_ORDER_SET,
    presented=_key_or_person,
)
def take_orders(call: Call, form: OrdersForm) -> OrdersTakenView:
    """Up to 100 orders of a partner, all or none; what is known already changes nothing."""
    return service.take(call.merchant_id, form, call.principal)


@feature.get(
    api="/api/supplier/orders",
    page="/console/suppliers/orders",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="suppliers/orders",
)
def orders(call: Call, form: OrdersListForm) -> OrdersView:
    """Partners' orders by partner, state, use and agreement of the amounts, newest first."""
    page = service.listed(call.merchant_id, form)
    return OrdersView(
        **dict(page),
        **lists.links(call, form, LIST, page.next_cursor, csv="suppliers.orders_csv.page"),
        partners=service.partners(call.merchant_id).items,
    )


@feature.get(
    api="/api/supplier/orders.csv",
    page="/console/suppliers/orders.csv",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    media="text/csv",
)
def orders_csv(call: Call, form: OrdersListForm) -> Response:
    """The list of partners' orders as a CSV file, all pages of it."""
    here = zone()
    header = [_("Partner id"), _("Order"), _("Currency"), _("Amount"), _("Status")]
    header += [_("Delivered"), _("Invoiced"), _("Difference"), _("Match")]
    header += [_("Paid (%(zone)s)", zone=here.key), _("Verified"), _("Verified by"), _("Came in")]
    batches = service.every(call.merchant_id, form)
    rows: Iterator[Any] = ([_cells(row, here) for row in batch] for batch in batches)
    return lists.csv_file(call, "partner-orders", form, header, rows)


def _cells(row: PartnerOrderView, here: ZoneInfo) -> list[Any]:
    def at(value: Any) -> str:
        return local(value, here) if value else ""

    sums = [row.delivered_amount, row.invoiced_amount, row.difference, row.match]
    times = [at(row.paid_at), at(row.verified_at), row.verified_by, at(row.created_at)]
    order = [row.partner_id, row.order_id, row.currency, row.amount, row.status]
    return [*order, *sums, *times]


@feature.get(
    api="/api/supplier/orders/<partner_id>/<order_id>",
    page="/console/suppliers/orders/<partner_id>/<order_id>",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="suppliers/order",
)
def order(call: Call, form: OrderPathForm) -> OrderPage:
    """One order, how order, delivery and invoice agree, and everything that happened to it."""
    found = service.detail(call.merchant_id, form)
    ids = {row.operator_id for row in found.history} | {found.verified_by or ""}
    return OrderPage(
        **dict(found),
        people=people.names(call.merchant_id, ids),
        may_change=call.principal.role in MANAGEMENT,
    )


def _its_page(view: PartnerOrderView) -> str:
    return url_for("suppliers.order.page", partner_id=view.partner_id, order_id=view.order_id)


@feature.post(
    api="/api/supplier/orders/<partner_id>/<order_id>/delivery",
    page="/console/suppliers/orders/<partner_id>/<order_id>/delivery",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.SUPPLIER_ORDER_SET,
    again="suppliers.order",
    see_other=_its_page,
    flash=lambda view: _("The delivery is written down."),
)
def set_delivery(call: Call, form: DeliveryForm) -> PartnerOrderView:
    """Say what the delivery for an order was worth."""
    return service.set_delivered(call.merchant_id, form, call.principal)


@feature.post(
    api="/api/supplier/orders/<partner_id>/<order_id>/invoice",
    page="/console/suppliers/orders/<partner_id>/<order_id>/invoice",
    roles=PARTNER_TOO,
    scope=Scope.BODY,
    gate=Operation.SUPPLIER_ORDER_SET,
    presented=_key_or_person,
    again="suppliers.order",
    see_other=_its_page,
    flash=lambda view: _("The invoice is written down."),
)
def set_invoice(call: Call, form: InvoiceForm) -> PartnerOrderView:
    """Say what the partner's invoice asks for an order; the partner may say so too."""
    return service.set_invoiced(call.merchant_id, form, call.principal)
