"""A payment gateway of our own for development: a page to pay at, and refunds that it takes."""

from flask import current_app

from mealquest.core.ids import new_id
from mealquest.core.principal import SYSTEM
from mealquest.core.wire import number
from mealquest.payments import service as payments
from mealquest.payments.service import PaymentNotFound
from mealquest.sandbox import gateway
from mealquest.sandbox.errors import NoSandbox
from mealquest.sandbox.forms import AskedForm, Decision, DecisionForm, RefundForm
from mealquest.sandbox.replies import AskedView, RefundTakenView, SettledView
from mealquest.tenancy import service as tenancy


def require_sandbox() -> None:
    """NoSandbox in staging and production."""
    if not current_app.config["SETTINGS"].is_development:
        raise NoSandbox


def require_signature(body: bytes, signature: str) -> None:
    """A refund must be signed as a callback is. NoSandbox, Unauthenticated."""
    require_sandbox()
    payments.require_signature(body, signature)


def asked(form: AskedForm | DecisionForm) -> AskedView:
    """What the customer is asked for. NoSandbox, MerchantNotFound, PaymentNotFound."""
    require_sandbox()
    shop = tenancy.settings(form.merchant_id).name
    payment = payments.payment(form.merchant_id, form.payment_id, SYSTEM)
    if payment.external_payment is None:
        raise PaymentNotFound
    return AskedView(
        merchant_id=form.merchant_id,
        payment_id=form.payment_id,
        shop=shop,
        amount=payment.external_payment.payable_amount,
        currency=payment.currency,
        status=payment.status,
    )


def decide(form: DecisionForm) -> SettledView:
    """Pay or decline, at any time: a gateway does not know whether the shop still waits.

    Each time is a report of its own, as from a gateway that repeats itself. Raises as `asked`;
    ShopRefused when the product does not take the report.
    """
    wanted = asked(form)
    pays = form.decision is Decision.PAY
    answer = gateway.report(
        {
            "merchantId": form.merchant_id,
            "paymentTxnId": form.payment_id,
            "externalTxnId": f"sandbox_{form.payment_id}",
            "status": "SUCCESS" if pays else "FAILED",
            "paidAmount": number(wanted.amount) if pays else 0,
            "callbackId": new_id("cb"),
        }
    )
    return SettledView(
        merchant_id=form.merchant_id, payment_id=form.payment_id, status=answer["status"]
    )


def take_refund(form: RefundForm) -> RefundTakenView:
    return RefundTakenView(refund_id=form.refund_id)
