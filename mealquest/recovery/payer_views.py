"""What a payer sees without signing in: what is due, and how to refuse further mails."""

from flask import Response, after_this_request, current_app, redirect, request, url_for
from flask_babel import get_locale

from mealquest.core.clock import utc_now
from mealquest.core.wire import Flag, Input
from mealquest.recovery import payer, payer_links, suppressions, tracking
from mealquest.recovery.money_words import money
from mealquest.recovery.payer_replies import BrandedView, DueState, GoneView, LeaveView, PayView
from mealquest.recovery.suppression_forms import LeaveForm
from mealquest.web.frame import Call, Feature
from mealquest.web.security import CONTENT_SECURITY_POLICY
from mealquest.web.throttle import Throttle

feature = Feature("payer")
BY_PAYER = "a payer settles or refuses what was asked of them before"
# A transparent picture of one dot.
DOT = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)


class PayForm(Input):
    """`later`: Stripe had no page to go to when the payer wanted to go on."""

    pay_token: str  # whatever it is, a wrong one is not found
    later: Flag = False


class PayPage(PayView):
    later: bool = False


class OpenForm(Input):
    """A signed id of a usage log; what a bare one asks for is answered and not counted."""

    log_id: str


class ClickForm(Input):
    """All three are what a mail carries; anything else leads nowhere."""

    url: str = ""
    log_id: str = ""
    sig: str = ""


def _address(_form: Input) -> str:
    return request.remote_addr or "unknown"


_LOOKING = Throttle("payer-page", ("60/minute",), _address)
_GOING_ON = Throttle("payer-goes-on", ("20/minute",), _address)
_TRACKING = Throttle("mail-tracking", ("600/minute",), _address)  # programs of big mail services
_LEAVING = Throttle("unsubscribe", ("60/minute",), _address)


@feature.get(page="/pay/<pay_token>", template="recovery/pay", throttles=(_LOOKING,))
def pay(call: Call, form: PayForm) -> PayPage:
    """What is due, by the signed link of a mail: no sign-in, and it changes nothing."""
    _keep_private()
    found = payer.page(form.pay_token)
    _let_out(found)
    return PayPage(**dict(found), later=form.later)


@feature.post(
    page="/pay/<pay_token>/go",
    by_link=True,
    ungated=BY_PAYER,
    throttles=(_GOING_ON,),
    see_other=lambda view: _where(view),  # noqa: PLW0108 - stands below
)
def go_on(call: Call, form: PayForm) -> GoneView:
    """On to Stripe's own page of the invoice, asked for anew; back when there is none."""
    _keep_private()
    return payer.go_on(form.pay_token)


@feature.get(
    page="/unsubscribe/<leave_token>", template="recovery/unsubscribe", throttles=(_LEAVING,)
)
def leaving(call: Call, form: LeaveForm) -> LeaveView:
    """Ask whether to send no further mails; looking refuses nothing."""
    _keep_private()
    found = suppressions.leaving(form.leave_token)
    _let_out(found)
    return found


@feature.post(
    page="/unsubscribe/<leave_token>",
    by_link=True,
    ungated=BY_PAYER,
    template="recovery/unsubscribe",
    throttles=(_LEAVING,),
)
def leave(call: Call, form: LeaveForm) -> LeaveView:
    """Refuse further mails of a merchant: by the button of a mail program (RFC 8058) or by hand."""
    _keep_private()
    found = suppressions.leave(form.leave_token)
    _let_out(found)
    return found


@feature.get(api="/api/track/open/<log_id>", media="image/gif")
def opened(call: Call, form: OpenForm) -> Response:
    """A picture of one dot, whatever is asked; the first time, its mail counts as opened."""
    if _is_person():
        tracking.open_once(form.log_id)
    response = Response(DOT, mimetype="image/gif")
    response.headers["Cache-Control"] = "no-store, private, max-age=0"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # mails are read elsewhere
    return response


@feature.get(api="/api/track/click", throttles=(_TRACKING,), media="text/html", also=(302,))
def clicked(call: Call, form: ClickForm) -> Response:
    """From a mail on to where its link leads, and nowhere else; the first time counts."""
    found = payer_links.clicked(form.url, form.log_id, form.sig)
    if _is_person():
        tracking.click_once(*found)
    onward = redirect(form.url, code=302)
    onward.headers["Referrer-Policy"] = "no-referrer"
    return Response(onward.get_data(), onward.status_code, onward.headers)


@feature.word
def due_amount(view: PayView) -> str:
    """What is due, as the reader's language writes it; empty when it is not known."""
    if view.minor is None or not view.currency:
        return ""
    return money(view.minor, view.currency, str(get_locale() or "en"))


@feature.word
def minutes_ago(view: PayView) -> int:
    """How old what the page says is, in whole minutes."""
    return int((utc_now() - view.seen_at).total_seconds() // 60) if view.seen_at else 0


def _where(view: GoneView) -> str:
    return view.url or url_for("payer.pay.page", pay_token=view.token, later=1)


def _is_person() -> bool:
    purpose = f"{request.headers.get('Purpose', '')} {request.headers.get('Sec-Purpose', '')}"
    is_machine = tracking.is_machine(request.user_agent.string, purpose)
    return request.method == "GET" and not is_machine


def _keep_private() -> None:
    """The address is the credential: it goes to no other site, no cache and no search engine."""

    def private(response: Response) -> Response:
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
        response.headers["Cache-Control"] = "no-store, private"
        return response

    after_this_request(private)


def _let_out(view: BrandedView) -> None:
    """This page may show the merchant's logo, and its one form ends at Stripe."""
    logo = payer_links.origin_of(view.logo_url)
    sandbox = current_app.config.get("STRIPE_SANDBOX_URL")
    policy = CONTENT_SECURITY_POLICY
    if logo:
        policy = policy.replace("img-src 'self'", f"img-src 'self' {logo}")
    if isinstance(view, PayView) and view.state is DueState.DUE:
        beyond = f"https: {sandbox}" if sandbox else "https:"
        policy = policy.replace("form-action 'self'", f"form-action 'self' {beyond}")

    def let_out(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        return response

    after_this_request(let_out)
