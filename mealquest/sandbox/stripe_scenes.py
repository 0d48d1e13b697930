"""Stories of recovery in development: a payment fails, Stripe tries again, the payer pays."""

from typing import Any

from flask import current_app

from mealquest.core.db import transaction
from mealquest.sandbox import stripe_gateway as gateway
from mealquest.sandbox.errors import NoSandbox, NotConnected
from mealquest.sandbox.stripe_forms import CARD_OF, FailForm, StepForm
from mealquest.sandbox.stripe_replies import SandboxInvoice, SceneStepView, SceneView
from mealquest.tenancy import service as tenancy


def scene(merchant_id: str) -> SceneView:
    """What the sandbox has of this merchant. NoSandbox outside development; SandboxAway."""
    if not current_app.config["SETTINGS"].is_development:
        raise NoSandbox
    url, account = current_app.config["STRIPE_SANDBOX_URL"], _account(merchant_id)
    found = gateway.invoices(account) if url and account else []
    return SceneView(account=account, url=url, invoices=[SandboxInvoice.of(bill) for bill in found])


def fail(merchant_id: str, form: FailForm) -> SceneStepView:
    """A payer whose subscription renews today and whose card refuses.

    NoSandbox, NotConnected, PartOfUnit, SandboxAway.
    """
    bill = gateway.simulate(
        account=_connected(merchant_id),
        card=CARD_OF[form.reason],
        amount=form.minor,
        currency=form.currency.value,
        email=form.email,
    )
    return _view(bill)


def step(merchant_id: str, form: StepForm) -> SceneStepView:
    """Go on with one invoice. NoSandbox, NotConnected, SandboxAway: it waits for no money."""
    return _view(gateway.step(form.step.value, _connected(merchant_id), form.invoice_id))


def _view(bill: dict[str, Any]) -> SceneStepView:
    return SceneStepView(invoice_id=bill["id"], status=bill["status"])


def _connected(merchant_id: str) -> str:
    """There is a sandbox in development only, and not beside a real Stripe."""
    config = current_app.config
    if not config["STRIPE_SANDBOX_URL"] or not config["SETTINGS"].is_development:
        raise NoSandbox
    account = _account(merchant_id)
    if account is None:
        raise NotConnected
    return account


def _account(merchant_id: str) -> str | None:
    with transaction(merchant_id) as session:
        return tenancy.account_of(session, merchant_id).stripe_connect_id
