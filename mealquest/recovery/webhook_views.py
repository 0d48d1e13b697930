"""Where Stripe tells what happened: proved over the raw bytes, taken in, answered.

Nothing but a wrong signature is counted against an address: all merchants' events come from the
same few of Stripe's.
"""

import json

import structlog
from flask import Response, current_app, make_response, request

from mealquest.core.errors import Invalid
from mealquest.core.wire import NoInput
from mealquest.recovery import signature, webhooks
from mealquest.recovery.errors import (
    NoWebhookSecret,
    WebhookForged,
    WebhookNotSigned,
    WebhookUnreadable,
)
from mealquest.recovery.events import Event, NotAnEvent
from mealquest.recovery.webhook_replies import Received, WebhookResult
from mealquest.web import inputs
from mealquest.web.frame import Call, Feature, Signature
from mealquest.web.throttle import Throttles

feature = Feature("webhooks")
HEADER = "Stripe-Signature"
FORGED = ("60/minute",)  # wrong signatures, from one address
SETTLES = "tells of money that has moved already, so it passes a freeze"

log = structlog.get_logger(__name__)


def prove(body: bytes, header: str) -> None:
    """WebhookNotSigned, NoWebhookSecret, WebhookForged; TooManyRequests after many of those."""
    if not header:
        raise WebhookNotSigned
    secrets = current_app.config["STRIPE_WEBHOOK_SECRETS"]
    if not secrets:
        raise NoWebhookSecret
    if not signature.is_genuine(body, header, secrets):
        log.warning("webhook with a wrong signature", address=request.remote_addr)
        throttles: Throttles = current_app.extensions["throttles"]
        if throttles.enabled:
            throttles.spend(FORGED, "forged webhooks", request.remote_addr or "unknown")
        raise WebhookForged


def _later(body: bytes, header: str) -> None:
    """The handler proves it, for it refuses in plain text."""


@feature.post(
    api="/api/stripe/webhook", signed=Signature(HEADER, prove, is_first=True), ungated=SETTLES
)
def stripe(call: Call, form: NoInput) -> Received:
    """An event of Stripe's, signed over the raw body."""
    return Received(result=_take_in(inputs.body()))


@feature.post(
    api="/api/webhooks/stripe",
    signed=Signature(HEADER, _later, is_first=True),
    ungated=SETTLES,
    media="application/json",
)
def stripe_plainly(call: Call, form: NoInput) -> Response:
    """As `/api/stripe/webhook`; answers the bare result, and refuses in plain text."""
    body = inputs.body()
    try:
        prove(body, request.headers.get(HEADER, ""))
        answer = make_response(_take_in(body).as_json(), 200)
    except (Invalid, NoWebhookSecret) as wrong:
        answer = make_response(f"Webhook Error: {wrong.message}", 400)
        answer.mimetype = "text/plain"
    else:
        answer.mimetype = "application/json"
    return answer


def _take_in(body: bytes) -> WebhookResult:
    """WebhookUnreadable for what will never be an event. All else that fails is our failure."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise WebhookUnreadable("Invalid JSON body") from None
    try:
        return WebhookResult.of(webhooks.take_in(Event.of(said)))
    except NotAnEvent as wrong:
        raise WebhookUnreadable(str(wrong)) from None
