"""Invoices: issued from a payment, listed, looked at, printed, sent by mail."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from flask import Response, url_for
from pydantic import Field

from mealquest.core.principal import CASHIER, MERCHANT
from mealquest.core.spreadsheet import local
from mealquest.core.wire import Input, View
from mealquest.invoices import service
from mealquest.invoices.domain import InvoiceKind, MailState
from mealquest.invoices.forms import (
    InvoiceNumberForm,
    InvoicesForm,
    IssueForm,
    MailForm,
    NewInvoiceForm,
    PaperForm,
)
from mealquest.invoices.replies import InvoiceDetail, InvoicesPage, InvoiceView, MailedView
from mealquest.payments import service as payments
from mealquest.payments.service import PaymentStatus, PaymentView
from mealquest.tenancy.service import Operation
from mealquest.web import lists, people
from mealquest.web.frame import Call, Face, Feature, Reply, Scope
from mealquest.web.lists import Listing
from mealquest.web.look import translate as _
from mealquest.web.look import zone
from mealquest.web.throttle import Throttle

feature = Feature("invoices")
LIST = "invoices.invoices.page"


class InvoicesView(InvoicesPage, Listing):
    """The list with what its page needs besides."""

    people: dict[str, str] = Field(default_factory=dict, exclude=True)
    customer: str | None = Field(None, exclude=True)  # whose, when one was asked for


class InvoicePageView(InvoiceDetail):
    people: dict[str, str] = Field(default_factory=dict, exclude=True)


class NewInvoiceView(View):
    """A payment that has no invoice yet; `can_be` is false until it is paid."""

    payment: PaymentView
    can_be: bool


class StateWords(NamedTuple):
    label: str
    tone: str


@feature.post(
    api="/api/invoice/issue",
    page="/console/payments/<payment_txn_id>/invoice",
    roles=MERCHANT,
    scope=Scope.BODY,
    gate=Operation.INVOICE_ISSUE,
    again="invoices.new",
    see_other=lambda view: url_for("invoices.invoice.page", invoice_no=view.invoice_no),
)
def issue(call: Call, form: IssueForm) -> InvoiceView:
    """Issue the invoice of a settled payment, net of refunds; a second call answers the same."""
    return service.issue(call.merchant_id, form, call.principal)


def _who(_form: Input) -> str:
    return people.caller()


@feature.get(
    page="/console/payments/<payment_txn_id>/invoice", roles=MERCHANT, template="invoices/new"
)
def new(call: Call, form: NewInvoiceForm) -> NewInvoiceView | Reply:
    """Whom a payment's invoice is made out to; leads on to the invoice there is already."""
    payment = payments.payment(call.merchant_id, form.payment_txn_id, call.principal)
    number = service.number_of_payment(call.merchant_id, payment.payment_txn_id)
    view = NewInvoiceView(payment=payment, can_be=payment.status is PaymentStatus.PAID)
    if number is None:
        return view
    return Reply(view, see_other=url_for("invoices.invoice.page", invoice_no=number))


@feature.get(
    api="/api/invoice/list",
    page="/console/invoices",
    roles=CASHIER,
    scope=Scope.QUERY,
    template="invoices/invoices",
)
def invoices(call: Call, form: InvoicesForm) -> InvoicesView:
    """Invoices and credit notes by kind, customer and day; customers see their own."""
    page = service.listed(call.merchant_id, form, call.principal)
    if call.face is Face.API:
        return InvoicesView(**dict(page))
    asked = [form.user_id] if form.user_id else []
    known = people.names(call.merchant_id, [*asked, *(item.user_id for item in page.items)])
    following = page.page_info.next_cursor
    return InvoicesView(
        **dict(page),
        **lists.links(call, form, LIST, following, csv="invoices.invoices_csv.page"),
        people=known,
        customer=known.get(form.user_id or "", form.user_id),
    )


@feature.get(
    api="/api/invoices.csv",
    page="/console/invoices.csv",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    media="text/csv",
)
def invoices_csv(call: Call, form: InvoicesForm) -> Response:
    """The list of invoices and credit notes as a CSV file, all pages of it."""
    here = zone()
    header = [_("Issued (%(zone)s)", zone=here.key), _("Number"), _("Kind"), _("Corrects invoice")]
    header += [_("Payment"), _("Customer id"), _("Made out to"), _("Tax number"), _("Currency")]
    header += [_("Order"), _("Refunded before"), _("Total"), _("Proof (SHA-256)")]
    batches = service.every(call.merchant_id, form, call.principal)
    rows: Iterator[Any] = ([_cells(row, here) for row in batch] for batch in batches)
    return lists.csv_file(call, "invoices", form, header, rows)


def _cells(row: InvoiceView, here: ZoneInfo) -> list[Any]:
    what = [row.invoice_no, row.kind, row.corrects_invoice_no, row.payment_txn_id, row.user_id]
    whom = [_("[erased]"), None] if row.personal_data_erased else [row.title, row.tax_no]
    order = -row.order_amount if row.kind is InvoiceKind.CREDIT_NOTE else row.order_amount
    sums = [order, -row.refunded_amount or row.refunded_amount, row.amount]
    return [local(row.issued_at, here), *what, *whom, row.currency, *sums, row.content_hash]


@feature.get(
    api="/api/invoices/<invoice_no>",
    page="/console/invoices/<invoice_no>",
    roles=CASHIER,
    scope=Scope.QUERY,
    template="invoices/invoice",
)
def invoice(call: Call, form: InvoiceNumberForm) -> InvoicePageView:
    """One invoice or credit note with its mails; a customer sees only their own."""
    found = service.invoice(call.merchant_id, form.invoice_no, call.principal)
    known = {} if call.face is Face.API else people.names(call.merchant_id, [found.user_id])
    return InvoicePageView(**dict(found), people=known)


@feature.get(
    api="/api/invoices/<invoice_no>/pdf",
    page="/console/invoices/<invoice_no>/pdf",
    roles=CASHIER,
    scope=Scope.QUERY,
    media="application/pdf",
    throttles=(Throttle("invoice-paper", ("60/minute",), _who),),
)
def pdf(call: Call, form: PaperForm) -> Response:
    """The invoice on paper, in the shop's language or the one asked for; drawing takes a while."""
    drawn = service.paper(call.merchant_id, form.invoice_no, form.lang, call.principal)
    response = Response(drawn.content, mimetype="application/pdf")
    response.headers["Content-Disposition"] = f'inline; filename="{drawn.file_name}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


@feature.post(
    api="/api/invoices/<invoice_no>/mail",
    page="/console/invoices/<invoice_no>/mail",
    roles=MERCHANT,
    scope=Scope.BODY,
    gate=Operation.INVOICE_MAIL,
    idempotent=True,
    again="invoices.invoice",
    throttles=(Throttle("invoice-mail", ("60/hour",), _who),),
    see_other=lambda view: url_for("invoices.invoice.page", invoice_no=view.invoice_no),
    flash=lambda view: _("The mail to %(address)s is on its way.", address=view.mail.recipient),
)
def mail(call: Call, form: MailForm) -> MailedView:
    """Send an invoice by mail, to the address given or its own, once per key."""
    return service.mail_again(call.merchant_id, form, call.principal, call.keyed)


# --- words of the pages -------------------------------------------------------------------


@feature.word
def invoice_kind(kind: InvoiceKind) -> str:
    return {
        InvoiceKind.INVOICE: _("Invoice"),
        InvoiceKind.CREDIT_NOTE: _("Credit note"),
    }[kind]


@feature.word
def invoice_kinds() -> list[tuple[str, str]]:
    """Both kinds, as options of a filter."""
    return [
        (InvoiceKind.INVOICE.value, _("Invoices")),
        (InvoiceKind.CREDIT_NOTE.value, _("Credit notes")),
    ]


@feature.word
def invoice_mail_state(state: MailState) -> StateWords:
    """What became of a mail, and the tone of its badge."""
    return {
        MailState.QUEUED: StateWords(_("On its way"), "pending"),
        MailState.SENT: StateWords(_("Sent"), "success"),
        MailState.FAILED: StateWords(_("Not sent"), "danger"),
        MailState.KEPT: StateWords(_("Not sent"), "warning"),
    }[state]


@feature.word
def said_or_erased(text: str | None) -> str:
    """A personal detail, or that it is gone."""
    return _("[erased]") if text is None else text
