"""Payments that ask for money from outside: the gateway's callback, giving up, what pages say."""

from datetime import datetime
from typing import NamedTuple

from flask import url_for
from markupsafe import Markup

from mealquest.core.clock import utc_now
from mealquest.core.principal import MANAGEMENT, MERCHANT
from mealquest.core.qr import svg
from mealquest.payments import service
from mealquest.payments.domain import GatewayRefundState, PaymentStatus
from mealquest.payments.forms import CallbackForm, PaymentIdForm
from mealquest.payments.gateway import SIGNATURE
from mealquest.payments.replies import CallbackKept, GatewayRefundView, OutsideView, PaymentView
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Feature, Scope, Signature
from mealquest.web.look import moment, money
from mealquest.web.look import translate as _

feature = Feature("payments")


@feature.post(
    api="/api/payment/callback",
    scope=Scope.BODY,
    signed=Signature(SIGNATURE, service.require_signature),
    ungated="settles money that has moved already, so it passes a freeze",
)
def callback(call: Call, form: CallbackForm) -> OutsideView | CallbackKept:
    """What the payment gateway reports about money from outside, signed over the raw body.

    `accepted` alone: the merchant is closed for a moment, and the report is settled right after.
    """
    return service.take_callback(form)


@feature.post(
    api="/api/payments/<payment_id>/cancel",
    page="/console/payments/<payment_id>/cancel",
    roles=MERCHANT,
    scope=Scope.BODY,
    gate=Operation.PAYMENT_CANCEL,
    again="payments.payment",
    see_other=lambda view: url_for("payments.payment.page", payment_id=view.payment_txn_id),
    flash=lambda view: _("Given up. What was held is free again."),
)
def cancel(call: Call, form: PaymentIdForm) -> OutsideView:
    """Give up a payment that waits for money from outside; what it held is free again."""
    return service.cancel(call.merchant_id, form.payment_id, call.principal)


@feature.post(
    api="/api/payments/<payment_id>/retry-refund",
    page="/console/payments/<payment_id>/retry-refund",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.PAYMENT_REFUND,
    again="payments.payment",
    see_other=lambda view: url_for("payments.payment.page", payment_id=view.payment_txn_id),
    flash=lambda view: _("The refund is sent once more."),
)
def retry_refund(call: Call, form: PaymentIdForm) -> PaymentView:
    """Send a refund through the gateway again that was given up."""
    service.send_again(call.merchant_id, form.payment_id, call.principal)
    return service.payment(call.merchant_id, form.payment_id, call.principal)


class Story(NamedTuple):
    """What happened to a payment, and what to do about it."""

    title: str
    text: str


@feature.word
def payment_story(view: PaymentView) -> Story | None:
    """None for a payment that the wallet covered: there is nothing to tell."""
    if view.external_payment is None:
        return None
    asked = money(view.external_payment.payable_amount, view.currency)
    return {
        PaymentStatus.PAID: Story(
            _("The rest has come"),
            _("%(sum)s came from outside, and what was held was taken.", sum=asked),
        ),
        PaymentStatus.PENDING_EXTERNAL: Story(
            _("%(sum)s is to be paid outside", sum=asked),
            _("Until it comes, what the wallet gives is held: it can be spent on nothing else."),
        ),
        PaymentStatus.EXTERNAL_FAILED: Story(
            _("The payment outside was refused"),
            _("Nothing was taken, and what was held is free again. Take the order once more."),
        ),
        PaymentStatus.EXTERNAL_EXPIRED: Story(
            _("Nobody paid the rest in time"),
            _("Nothing was taken, and what was held is free again. Take the order once more."),
        ),
        PaymentStatus.CANCELLED: Story(
            _("This payment was given up"),
            _(
                "Nothing was taken, and what was held is free again. Money that still comes from"
                " outside is sent back."
            ),
        ),
        PaymentStatus.EXTERNAL_REFUND_DUE: Story(
            _("%(sum)s came too late", sum=asked),
            _("The payment had ended. Nothing was taken from the wallet, and the money is back.")
            if all(refund.done_at for refund in view.gateway_refunds)
            else _(
                "The payment had ended. Nothing was taken from the wallet, and the money goes back."
            ),
        ),
    }[view.status]


@feature.word
def refund_story(refund: GatewayRefundView) -> str:
    """How far money on its way back has come."""
    if refund.state is GatewayRefundState.DONE and refund.done_at:
        return _("Sent back on %(when)s.", when=moment(refund.done_at))
    if refund.state is GatewayRefundState.STUCK:
        return _(
            "Given up after %(tries)s tries. Ask the gateway, then send it again.",
            tries=refund.attempts,
        )
    if refund.attempts:
        when = moment(refund.next_try_at) if refund.next_try_at else ""
        return _(
            "Tried %(tries)s times so far; it is tried again by itself, next on %(when)s.",
            tries=refund.attempts,
            when=when,
        )
    return _("It is being sent.")


@feature.word
def time_left(until: datetime) -> str:
    """How long from now, in whole minutes, seconds at the end."""
    seconds = int((until - utc_now()).total_seconds())
    if seconds > 90:
        return _("%(minutes)s minutes left", minutes=seconds // 60)
    return _("%(seconds)s seconds left", seconds=max(0, seconds))


@feature.word
def qr_code(text: str, label: str) -> Markup:
    """The text as a picture to scan, drawn without anything that the page's policy forbids."""
    return Markup(svg(text, label))  # noqa: S704 - both are escaped there
