"""Connecting a merchant's Stripe account: two taps from the console, and the way back."""

import secrets
from typing import Any
from urllib.parse import urlencode

import structlog
from flask import Response, redirect, request, url_for
from flask import session as cookie

from mealquest.core.principal import MANAGEMENT, Role
from mealquest.core.wire import NoInput
from mealquest.recovery import connect, connecting
from mealquest.recovery.connect_domain import Reason, Refused
from mealquest.recovery.connecting import Back
from mealquest.recovery.errors import ConfirmDisconnect, NoSuchMerchant
from mealquest.recovery.merchant_forms import BackForm, ConnectForm, DisconnectForm
from mealquest.recovery.merchant_replies import AuthorizeView, ConnectionView, DisconnectedView
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Face, Feature, Scope
from mealquest.web.look import translate as _

feature = Feature("connect")
ALLOWED = MANAGEMENT | {Role.OPERATOR}
PAGE = "/console/recovery/connect"
BROWSER = "stripe_connect"  # what only the browser that begins a connection knows

log = structlog.get_logger(__name__)


@feature.get(page=PAGE, roles=MANAGEMENT, scope=Scope.QUERY, template="recovery/connect")
def connection(call: Call, form: NoInput) -> ConnectionView:
    """Whether the merchant's Stripe account is connected."""
    return connect.connection(call.merchant_id)


@feature.post(
    api="/api/stripe/connect/authorize",
    page=PAGE,
    roles=ALLOWED,
    scope=Scope.BODY,
    gate=Operation.STRIPE_CONNECT,
    template="recovery/to_stripe",
    again="connect.connection",
)
def authorize(call: Call, form: ConnectForm) -> AuthorizeView:
    """Begin to connect; the answer says where the merchant agrees to it."""
    _require_own(call, form)
    browser = ""
    if "Authorization" not in request.headers and call.principal.role is not Role.OPERATOR:
        browser = cookie.setdefault(BROWSER, secrets.token_urlsafe(24))
    return connecting.authorize(call.merchant_id, call.principal, browser)


@feature.get(api="/api/stripe/connect/callback", also=(302,))
def come_back(call: Call, form: BackForm) -> Response:
    """The way back from Stripe: always on to the front page, which says how it went."""
    back = Back(
        code=_text(form.code),
        state=_text(form.state),
        error=_text(form.error),
        browser=cookie.get(BROWSER, ""),
    )
    try:
        connecting.come_back(back, call.principal)
    except Refused as refused:
        return _onward(error=refused.reason.value)
    except Exception as failure:
        log.error("connect failed", exc_info=failure)
        return _onward(error=Reason.FAILED.value)
    return _onward(connected="true")


@feature.post(
    api="/api/stripe/disconnect",
    page="/console/recovery/disconnect",
    roles=ALLOWED,
    scope=Scope.BODY,
    gate=Operation.STRIPE_DISCONNECT,
    again="connect.connection",
    see_other=lambda view: url_for("connect.connection.page"),
    flash=lambda view: _gone(view),  # noqa: PLW0108 - stands below
)
def disconnect(call: Call, form: DisconnectForm) -> DisconnectedView:
    """Let go of the Stripe account: reminders that wait are cancelled."""
    _require_own(call, form)
    if not form.confirm and (call.face is Face.PAGE or form.cancel_subscriptions):
        raise ConfirmDisconnect("confirm")
    return connect.disconnect(
        call.merchant_id, call.principal, cancel_subscriptions=form.cancel_subscriptions
    )


@feature.word
def connect_failure(said: str | None) -> str:
    """Why a connection did not come about; of what a stranger put in the address, nothing."""
    words = {
        Reason.DENIED: _("You did not allow it at Stripe."),
        Reason.BY_STRIPE: _("Stripe did not accept it. Begin again."),
        Reason.INCOMPLETE: _("Stripe’s answer was not complete. Begin again."),
        Reason.LATE: _("It took more than ten minutes, or was begun in another browser."),
        Reason.AWAY: _("Stripe did not answer. Begin again."),
        Reason.OTHER_MODE: _("It is an account for tests where real ones count, or vice versa."),
        Reason.TAKEN: _("Another shop has connected this account."),
        Reason.ANOTHER: _("Another account is connected. Disconnect it first."),
        Reason.FROZEN: _("The shop is read-only at the moment. Try again later."),
    }
    return words.get(said or "", _("Begin again."))  # type: ignore[call-overload, no-any-return]


def _require_own(call: Call, form: ConnectForm) -> None:
    """An operator names the merchant; anybody else has one, and no other is there for them."""
    if form.merchant_id not in (None, "", call.merchant_id):
        raise NoSuchMerchant


def _onward(**said: str) -> Response:
    response: Any = redirect("/?" + urlencode(said), code=302)
    return response  # type: ignore[no-any-return]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _gone(view: DisconnectedView) -> str:
    if view.deauthorized:
        return _(
            "Stripe is disconnected. Reminders that were cancelled: %(count)s.",
            count=view.deleted_tasks,
        )
    return _(
        "Stripe is disconnected here, but it did not answer: remove MealQuest in its settings too."
    )
