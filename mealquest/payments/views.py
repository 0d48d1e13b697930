"""Taking payments: the API of quote and verify, and the clerk's pages over the same handlers."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from flask import Response, request, url_for
from pydantic import Field

from mealquest.core.idempotency import KeyedRequest
from mealquest.core.principal import CASHIER, MERCHANT
from mealquest.core.spreadsheet import local
from mealquest.core.wire import Input, Key, NoInput, View
from mealquest.identity import service as identity
from mealquest.identity.service import StaffNotFound
from mealquest.payments import counter as desk
from mealquest.payments import service
from mealquest.payments.counter import CounterForm, CounterView, FirstSteps
from mealquest.payments.desk_replies import DeskView
from mealquest.payments.domain import PaymentStatus
from mealquest.payments.forms import PaymentsForm, QuoteForm, VerifyForm
from mealquest.payments.replies import (
    PaymentRowView,
    PaymentsPage,
    PaymentView,
    QuoteView,
    VerifyView,
    VoucherOptionView,
)
from mealquest.realtime import service as realtime
from mealquest.realtime.service import EventsView
from mealquest.tenancy.service import Operation
from mealquest.wallet.service import VoucherVerdict
from mealquest.web import lists, people, preferences
from mealquest.web.frame import Call, Feature, Reply, Scope
from mealquest.web.lists import Listing
from mealquest.web.look import money, name_of, new_key, principal, zone
from mealquest.web.look import translate as _
from mealquest.web.respond import wants_fragment
from mealquest.web.throttle import Throttle
from mealquest.web.wording import page_words

feature = Feature("payments")
LIST = "payments.payments.page"
PARTS = ("voucher", "bonus", "principal", "silver", "external")
VERIFY = f"{feature.name}.verify"


class PaymentPageForm(Input):
    payment_id: Key


class PaymentsView(PaymentsPage, Listing):
    """The list with what its page needs besides."""

    customer: str | None = Field(None, exclude=True)  # whose payments, when one was asked for
    since: datetime | None = Field(None, exclude=True)
    until: datetime | None = Field(None, exclude=True)


class HomeView(View):
    """The owner's desk; JSON leaves out what only the page shows."""

    desk: DeskView
    items: Sequence[PaymentRowView]
    events: EventsView = Field(exclude=True)
    first_steps: FirstSteps | None = Field(None, exclude=True)  # until the first payment
    next_url: str | None = Field(None, exclude=True)


@feature.get(
    api="/api/desk",
    page="/console/",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="payments/home",
)
def home(call: Call, form: NoInput) -> HomeView:
    """Today's takings against the same weekday, what is owed, and what needs attention."""
    newest = service.recent(call.merchant_id, call.principal, limit=5)
    return HomeView(
        desk=service.desk(call.merchant_id),
        items=newest.items,
        events=realtime.recent_events(call.merchant_id, call.principal, 8),
        first_steps=None if newest.items else desk.first_steps(call.merchant_id),
    )


def _who_tries_a_code(form: CounterForm) -> str | None:
    """Counted by whoever acts, and only when a whole code was scanned or typed."""
    return people.caller() if not form.user_id and identity.parse_code(form.query) else None


@feature.get(
    page="/console/counter",
    roles=MERCHANT,
    template="payments/counter",
    throttles=(Throttle(*identity.CODE_TRIES, _who_tries_a_code),),
)
def counter(call: Call, form: CounterForm) -> CounterView | Reply:
    """The clerk's page: who pays, how much, and what that would use.

    Its address holds the key of the payment to be: loading it again, or coming back to it, can
    never take a second one.
    """
    preferences.keep("counter", form.mode, desk.MODES)
    if not form.user_id:
        found = desk.find(call.merchant_id, form.query)
        only_one = form.query and len(found.customers) == 1
        goes_on = only_one and (found.is_code or not wants_fragment())
        return Reply(found, see_other=_counter_of(found.customers[0].uid)) if goes_on else found
    if not form.idempotency_key:
        return Reply(CounterView(), see_other=_counter_of(form.user_id, form.amount))
    request = KeyedRequest(call.principal.actor, VERIFY, form.idempotency_key, "")
    return desk.look_up(call.merchant_id, form, request)


def _counter_of(user_id: str, amount: str = "") -> str:
    return url_for(
        "payments.counter.page", userId=user_id, amount=amount or None, idempotencyKey=new_key()
    )


def _receipt(view: VerifyView) -> str:
    """The payment's page, which says so when the payment was not taken by this request."""
    return url_for(
        "payments.payment.page",
        payment_id=view.payment_txn_id,
        repeated="yes" if view.replayed else None,
    )


@feature.post(
    api="/api/payment/quote",
    roles=CASHIER,
    scope=Scope.PINNED,
    own_user=True,
    ungated="reads only",
)
def quote(call: Call, form: QuoteForm) -> QuoteView:
    """What an order would use. Changes nothing, so it passes a freeze."""
    return service.quote(call.merchant_id, form)


@feature.post(
    api="/api/payment/verify",
    page="/console/payments",
    roles=CASHIER,
    scope=Scope.PINNED,
    gate=Operation.PAYMENT_VERIFY,
    idempotent=True,
    own_user=True,
    again="payments.counter",
    see_other=_receipt,
)
def verify(call: Call, form: VerifyForm) -> VerifyView:
    """Take an order from wallet and voucher, once per key; with the state when it is asked for."""
    form = form.with_state_if(request.args.get("includeState"))
    return service.verify(call.merchant_id, form, call.principal, call.keyed)


@feature.get(
    api="/api/payments/<payment_id>",
    page="/console/payments/<payment_id>",
    roles=CASHIER,
    scope=Scope.QUERY,
    template="payments/payment",
)
def payment(call: Call, form: PaymentPageForm) -> PaymentView:
    """One payment with its parts and postings; a customer sees only their own."""
    return service.payment(call.merchant_id, form.payment_id, call.principal)


@feature.get(
    api="/api/payments",
    page="/console/payments",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="payments/payments",
)
def payments(call: Call, form: PaymentsForm) -> PaymentsView:
    """Payments by state, customer and day, newest first."""
    page = service.listed(call.merchant_id, form, call.principal)
    names = people.names(call.merchant_id, [form.user_id]) if form.user_id else {}
    return PaymentsView(
        **dict(page),
        **lists.links(call, form, LIST, page.next_cursor, csv="payments.payments_csv.page"),
        customer=names.get(form.user_id or "", form.user_id),
        since=form.since,
        until=form.until,
    )


@feature.get(
    api="/api/payments.csv",
    page="/console/payments.csv",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    media="text/csv",
)
def payments_csv(call: Call, form: PaymentsForm) -> Response:
    """The list of payments as a CSV file, all pages of it."""
    here = zone()
    header = [_("Time (%(zone)s)", zone=here.key), _("Payment"), _("Customer"), _("Customer id")]
    header += [_("State"), _("Currency"), _("Amount"), *(part_label(part) for part in PARTS)]
    header += [_("Refunded"), _("Taken by")]
    batches = service.every(call.merchant_id, form, call.principal)
    rows: Iterator[Any] = ([_cells(row, here) for row in batch] for batch in batches)
    return lists.csv_file(call, "payments", form, header, rows)


def _cells(row: PaymentRowView, here: ZoneInfo) -> list[Any]:
    who = [row.payment_txn_id, row.display_name, row.user_id]
    parts = [getattr(row.deduction, part) for part in PARTS]
    sums = [row.order_amount, *parts, row.refunded_amount]
    return [local(row.created_at, here), *who, row.status, row.currency, *sums, row.taken_by]


@feature.word
def verdict_words(option: VoucherOptionView) -> str:
    """Why a voucher is not used for this order; empty for the one that is."""
    name = option.voucher.name
    return {
        VoucherVerdict.ELIGIBLE: _(
            "“%(name)s” would take %(sum)s off.", name=name, sum=money(option.worth)
        ),
        VoucherVerdict.EXPIRED: _("“%(name)s” has expired.", name=name),
        VoucherVerdict.HELD: _("“%(name)s” is kept for a payment that waits.", name=name),
        VoucherVerdict.NOT_ACTIVE: _("“%(name)s” was used before.", name=name),
        VoucherVerdict.BELOW_MIN_SPEND: _(
            "“%(name)s” needs an order of at least %(sum)s.",
            name=name,
            sum=money(option.voucher.min_spend),
        ),
        VoucherVerdict.WORTH_NOTHING: _("“%(name)s” takes nothing off this order.", name=name),
    }.get(option.verdict, "")


@feature.word
def part_label(part: str, voucher_name: str | None = None) -> str:
    """One of the sources that pay an order."""
    if part == "voucher" and voucher_name:
        return _("Voucher “%(name)s”", name=voucher_name)
    return {
        "voucher": _("Voucher"),
        "bonus": _("Bonus"),
        "principal": _("Principal"),
        "silver": _("Change"),
        "external": _("Paid outside"),
    }[part]


class StateWords(NamedTuple):
    label: str
    tone: str


@feature.word
def payment_state(status: PaymentStatus) -> StateWords:
    """What a payment's state is called, and the tone of its badge."""
    return {
        PaymentStatus.PAID: StateWords(_("Paid"), "success"),
        PaymentStatus.PENDING_EXTERNAL: StateWords(_("Waits for the rest"), "pending"),
        PaymentStatus.EXTERNAL_FAILED: StateWords(_("Not paid: refused outside"), "danger"),
        PaymentStatus.EXTERNAL_EXPIRED: StateWords(_("Not paid: out of time"), "danger"),
        PaymentStatus.CANCELLED: StateWords(_("Not paid: given up"), "neutral"),
        PaymentStatus.EXTERNAL_REFUND_DUE: StateWords(_("Not paid: money goes back"), "warning"),
    }[status]


@feature.word
def payment_states() -> list[tuple[str, str]]:
    """Every state of a payment, as options of a filter."""
    return [(status.value, payment_state(status).label) for status in PaymentStatus]


@feature.word
def problem_words(message: str) -> str:
    return page_words(message)


@feature.word
def taken_by(view: PaymentRowView) -> str:
    """Who took a payment: a name of the staff, their id when they have left, or the customer."""
    if view.taken_by == view.user_id:
        return _("The customer")
    who = principal()
    merchant_id = (who.merchant_id if who else None) or ""
    try:
        person, _epoch = identity.staff_principal(merchant_id, view.taken_by)
    except StaffNotFound:
        return view.taken_by
    return name_of(person)
