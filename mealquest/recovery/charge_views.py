"""Charging an open invoice by hand."""

from flask import url_for

from mealquest.core.principal import MANAGEMENT
from mealquest.recovery import charging
from mealquest.recovery.activity_forms import CaseForm
from mealquest.recovery.charging_replies import ChargedView, ChargeResult
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import translate as _

feature = Feature("charges")


def _told(view: ChargedView) -> str:
    words = {
        ChargeResult.PAID: _("The invoice is paid."),
        ChargeResult.DECLINED: _("The card was declined again."),
        ChargeResult.NOT_OPEN: _("The invoice is not open any more."),
    }
    return words[view.result]


@feature.post(
    api="/api/recovery/invoices/<invoice_id>/charge",
    page="/console/recovery/invoices/<invoice_id>/charge",
    roles=MANAGEMENT,
    scope=Scope.NAMED,
    gate=Operation.RECOVERY_CHARGE,
    idempotent=True,
    see_other=lambda view: url_for("recovery_cases.case.page", invoice_id=view.invoice_id),
    flash=_told,
)
def charge(call: Call, form: CaseForm) -> ChargedView:
    """Charge an invoice in recovery now, where Stripe does not and the card's network allows it."""
    return charging.charge(call.merchant_id, form.invoice_id, call.principal, call.keyed)
