"""The sandbox gateway: where a customer pays in development, and where refunds go."""

from flask import url_for

from mealquest.payments.service import SIGNATURE
from mealquest.sandbox import service
from mealquest.sandbox.forms import AskedForm, DecisionForm, RefundForm
from mealquest.sandbox.replies import AskedView, RefundTakenView, SettledView
from mealquest.web.frame import Call, Feature, Signature

feature = Feature("sandbox")
PAGE = "/dev/gateway/pay/<merchant_id>/<payment_id>"


def _page_again(view: SettledView) -> str:
    return url_for(
        "sandbox.asked.page", merchant_id=view.merchant_id, payment_id=view.payment_id, sent="yes"
    )


@feature.get(page=PAGE, template="sandbox/pay")
def asked(call: Call, form: AskedForm) -> AskedView:
    """What the customer is asked to pay outside. Development only."""
    return service.asked(form)


@feature.post(page=PAGE, ungated="plays the gateway, development only", see_other=_page_again)
def decide(call: Call, form: DecisionForm) -> SettledView:
    """Pay or decline; the shop is told by a signed callback. Development only."""
    return service.decide(form)


@feature.post(
    api="/api/dev/gateway/refunds",
    signed=Signature(SIGNATURE, service.require_signature),
    ungated="plays the gateway, development only",
)
def refund(call: Call, form: RefundForm) -> RefundTakenView:
    """Take a refund, once per id. Development only."""
    return service.take_refund(form)
