"""Giving money back: the API of refunds, the two steps of its page, and their list."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from flask import Response, url_for
from pydantic import Field

from mealquest.core.idempotency import KeyedRequest
from mealquest.core.principal import MANAGEMENT, MERCHANT
from mealquest.core.spreadsheet import local
from mealquest.payments import service
from mealquest.payments.domain import PaymentStatus
from mealquest.payments.refund_forms import RefundForm, RefundPreviewForm, RefundsForm
from mealquest.payments.refund_replies import RefundedView, RefundPreviewView, RefundsPage
from mealquest.payments.replies import PaymentRowView, RefundRowView
from mealquest.payments.views import StateWords, payment_state
from mealquest.tenancy.service import Operation, RefundPolicy
from mealquest.wallet.service import VoucherStatus
from mealquest.web import lists, people
from mealquest.web.frame import Call, Feature, Reply, Scope
from mealquest.web.lists import Listing
from mealquest.web.look import moment, money, principal, zone
from mealquest.web.look import translate as _

feature = Feature("payments")
REFUND = f"{feature.name}.refund"
PARTS = ("voucher", "bonus", "principal", "silver", "external")


class RefundsView(RefundsPage, Listing):
    """The list with what its page needs besides."""

    customer: str | None = Field(None, exclude=True)


def _payment_page(payment_id: str, *, repeated: bool) -> str:
    return url_for(
        "payments.payment.page",
        payment_id=payment_id,
        repeated="refund" if repeated else None,
    )


@feature.get(
    api="/api/payment/refund/preview",
    page="/console/payments/<payment_id>/refund",
    roles=MANAGEMENT,
    scope=Scope.QUERY,
    template="payments/refund",
)
def refund_form(call: Call, form: RefundPreviewForm) -> RefundPreviewView | Reply:
    """What a refund would move, and whether it can be made. Changes nothing.

    The page's address holds the key of the refund to be: loading it again, or coming back to it,
    can never give the money back twice.
    """
    request = None
    if form.idempotency_key:
        request = KeyedRequest(call.principal.actor, REFUND, form.idempotency_key, "")
    view = service.preview_refund(call.merchant_id, form, request)
    if view.done:
        return Reply(view, see_other=_payment_page(view.done.payment_txn_id, repeated=True))
    return view


@feature.post(
    api="/api/payment/refund",
    page="/console/payments/<payment_id>/refund",
    roles=MANAGEMENT,
    scope=Scope.PINNED,
    gate=Operation.PAYMENT_REFUND,
    idempotent=True,
    again="payments.refund_form",
    see_other=lambda view: _payment_page(view.payment_txn_id, repeated=view.replayed),
    flash=lambda view: _("%(sum)s given back.", sum=money(view.refunded_amount)),
)
def refund(call: Call, form: RefundForm) -> RefundedView:
    """Give a payment back, in whole or in part, once per key."""
    return service.refund(call.merchant_id, form, call.principal, call.keyed)


# --- lists --------------------------------------------------------------------------------


@feature.get(
    api="/api/refunds",
    page="/console/refunds",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="payments/refunds",
)
def refunds(call: Call, form: RefundsForm) -> RefundsView:
    """Refunds by day and customer, newest first."""
    page = service.refund_listing.listed(call.merchant_id, form)
    named = people.names(call.merchant_id, [form.user_id]) if form.user_id else {}
    return RefundsView(
        **dict(page),
        **lists.links(
            call,
            form,
            "payments.refunds.page",
            page.next_cursor,
            csv="payments.refunds_csv.page",
        ),
        customer=named.get(form.user_id or "", form.user_id),
    )


@feature.get(
    api="/api/refunds.csv",
    page="/console/refunds.csv",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    media="text/csv",
)
def refunds_csv(call: Call, form: RefundsForm) -> Response:
    """The list of refunds as a CSV file, all pages of it."""
    here = zone()
    header = [_("Time (%(zone)s)", zone=here.key), _("Refund"), _("Payment"), _("Customer")]
    header += [_("Customer id"), _("Currency"), _("Amount")]
    header += [_("Voucher"), _("Bonus"), _("Principal"), _("Change"), _("Paid outside")]
    header += [_("Taken back"), _("Still owed"), _("Rule"), _("Refunded by")]
    batches = service.refund_listing.every(call.merchant_id, form)
    rows: Iterator[Any] = ([_refund_cells(row, here) for row in batch] for batch in batches)
    return lists.csv_file(call, "refunds", form, header, rows)


def _refund_cells(row: RefundRowView, here: ZoneInfo) -> list[Any]:
    who = [row.refund_txn_id, row.payment_txn_id, row.display_name, row.user_id, row.currency]
    sums = [row.refunded_amount, *(getattr(row.parts, part) for part in PARTS)]
    sums += [row.clawback.reclaim_target - row.receivable, row.receivable]
    return [local(row.created_at, here), *who, *sums, row.policy, row.refunded_by]


# --- words --------------------------------------------------------------------------------


class Line(NamedTuple):
    """One thing that a refund does, and how much of it."""

    words: str
    amount: str


@feature.word
def refund_rule(policy: RefundPolicy) -> str:
    """The shop's rule in one sentence."""
    if policy is RefundPolicy.RESTORE:
        return _("Each part goes back to where it came from.")
    return _("Principal and bonus come back as principal, and the gifted share is taken back.")


@feature.word
def refund_moves(view: RefundPreviewView) -> list[Line]:
    """What goes back where; the lines sum to the refund. Empty without an amount."""
    if not view.parts:
        return []
    parts = view.parts
    return _lines(
        view,
        (_("To the customer’s principal"), view.to_principal),
        (_("To the customer’s bonus"), view.to_bonus),
        (_("To the customer’s change"), parts.silver),
        (_("Back through the payment gateway"), parts.external),
        (_("Share of the voucher, which pays nothing out"), parts.voucher),
    )


@feature.word
def refund_takes(view: RefundPreviewView) -> list[Line]:
    """What is taken back of gifts; the lines sum to the target. Often empty."""
    if not (view.clawback and view.gifts):
        return []
    return _lines(
        view,
        (_("From the customer’s bonus"), view.clawback.from_bonus),
        (_("From the customer’s change"), view.gifts.from_silver),
        (_("From the customer’s principal"), view.clawback.from_principal),
        (_("Cannot be taken, and stays owed"), view.gifts.receivable),
    )


def _lines(view: RefundPreviewView, *lines: tuple[str, Decimal | None]) -> list[Line]:
    return [Line(words, money(amount, view.currency)) for words, amount in lines if amount]


@feature.word
def refund_remarks(view: RefundPreviewView) -> list[str]:
    """What somebody should know before the refund is made."""
    remarks = []
    if view.voucher:
        remarks.append(_voucher_remark(view.voucher.name, view.voucher.status))
    if view.expires_at_once:
        lost = money(view.expires_at_once, view.currency)
        remarks.append(_("%(sum)s of the bonus has expired since, and expires again.", sum=lost))
    if view.gifts and view.gifts.withdrawn_vouchers:
        remarks.append(_("Vouchers that this payment had earned are taken back."))
    if view.gifts and view.gifts.fragments:
        count = sum(view.gifts.fragments.values())
        remarks.append(_("%(count)s fragments that it had earned are taken back.", count=count))
    if view.customer_has_left:
        remarks.append(
            _("This customer has left. What goes to the wallet stays there: hand it over in cash.")
        )
    return remarks


def _voucher_remark(name: str, status: VoucherStatus) -> str:
    if status is VoucherStatus.EXPIRED:
        return _("The voucher “%(name)s” comes back, but its time is over.", name=name)
    return _("The voucher “%(name)s” can be used again.", name=name)


@feature.word
def no_refund_words(view: RefundPreviewView) -> str:
    """Why nothing of a payment can be given back; empty when something can."""
    if view.status is not PaymentStatus.PAID:
        return _("Nothing was taken for this payment, so nothing can be given back.")
    if not view.refundable_amount:
        return _("This payment was refunded in full.")
    return ""


@feature.word
def refund_line(refund: RefundRowView) -> str:
    """When a refund was made, and what it took back."""
    words = _("On %(when)s.", when=moment(refund.created_at))
    taken = refund.clawback.reclaim_target - refund.receivable
    if taken:
        sum_ = money(taken, refund.currency)
        words += " " + _("%(sum)s of gifts was taken back.", sum=sum_)
    if refund.voucher_id:
        words += " " + _("The voucher was given back.")
    return words


@feature.word
def payment_standing(view: PaymentRowView) -> StateWords:
    """As `payment_state`, and of a paid one whether it was given back."""
    if not view.refunded_amount:
        state: StateWords = payment_state(view.status)
        return state
    if view.refunded_amount == view.order_amount:
        return StateWords(_("Refunded"), "info")
    return StateWords(_("Partly refunded"), "info")


@feature.word
def staff_named(staff_id: str) -> str:
    """Somebody of the staff by name; by id when they have left."""
    who = principal()
    merchant_id = (who.merchant_id if who else None) or ""
    return people.names(merchant_id, [staff_id]).get(staff_id, staff_id)
