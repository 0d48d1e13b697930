"""A page to watch recovery work: let a payment fail, let Stripe try again, let the payer pay."""

from flask import url_for

from mealquest.core.principal import MANAGEMENT
from mealquest.core.wire import NoInput
from mealquest.sandbox import stripe_scenes as scenes
from mealquest.sandbox.stripe_forms import ChargedIn, FailForm, Failure, StepForm
from mealquest.sandbox.stripe_replies import SceneStepView, SceneView
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import translate as _

feature = Feature("sandbox_stripe")
PAGE = "/console/recovery/sandbox"
PLAYS = "plays Stripe and its customers, development only"


def _page_again(_view: SceneStepView) -> str:
    return url_for("sandbox_stripe.scene.page")


@feature.get(page=PAGE, roles=MANAGEMENT, scope=Scope.QUERY, template="sandbox/stripe")
def scene(call: Call, form: NoInput) -> SceneView:
    """The sandbox Stripe and its invoices of this merchant. Development only."""
    return scenes.scene(call.merchant_id)


@feature.post(
    page=PAGE,
    roles=MANAGEMENT,
    scope=Scope.BODY,
    ungated=PLAYS,
    again="sandbox_stripe.scene",
    see_other=_page_again,
    flash=lambda _view: _("The payment has failed. Stripe tells MealQuest now."),
)
def fail(call: Call, form: FailForm) -> SceneStepView:
    """Let the renewal of a subscription fail. Development only."""
    return scenes.fail(call.merchant_id, form)


@feature.post(
    page=f"{PAGE}/<invoice_id>",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    ungated=PLAYS,
    again="sandbox_stripe.scene",
    see_other=_page_again,
    flash=lambda view: (
        _("The invoice is paid.") if view.status == "paid" else _("The card has refused again.")
    ),
)
def step(call: Call, form: StepForm) -> SceneStepView:
    """Let Stripe try again, or let the payer pay. Development only."""
    return scenes.step(call.merchant_id, form)


@feature.word
def failures() -> list[tuple[str, str]]:
    return [(reason.value, decline_words(reason)) for reason in Failure]


@feature.word
def decline_words(code: str | None) -> str:
    """Why a card refused; a code that the page does not offer stands for itself."""
    words = {
        Failure.INSUFFICIENT_FUNDS: _("Not enough money on the card"),
        Failure.EXPIRED_CARD: _("The card has expired"),
        Failure.AUTHENTICATION_REQUIRED: _("The bank wants the payer to confirm"),
        Failure.PROCESSING_ERROR: _("The bank could not process it"),
        Failure.DO_NOT_HONOR: _("The bank gives no reason"),
        Failure.LOST_CARD: _("The card was reported lost"),
        Failure.STOLEN_CARD: _("The card was reported stolen"),
    }
    return {reason.value: text for reason, text in words.items()}.get(code or "", code or "")


@feature.word
def sandbox_state(status: str) -> tuple[str, str]:
    """What an invoice's state is called, and the tone of its badge."""
    words = {
        "open": (_("Unpaid"), "warning"),
        "paid": (_("Paid"), "success"),
        "void": (_("Voided"), "neutral"),
        "uncollectible": (_("Written off"), "neutral"),
    }
    return words.get(status, (status, "neutral"))


@feature.word
def charged_in() -> list[tuple[str, str]]:
    return [(currency.value, currency.value.upper()) for currency in ChargedIn]
