"""Beside the socket: tickets for it, who is connected, and the last events in words."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flask import url_for
from flask_babel import ngettext
from pydantic import Field

from mealquest.core.errors import Unauthenticated
from mealquest.core.principal import CASHIER, MERCHANT
from mealquest.core.wire import NoInput
from mealquest.realtime import service
from mealquest.realtime.forms import EventsForm
from mealquest.realtime.replies import EventsView, LiveEventView, StatusView, TicketView
from mealquest.tenancy.service import Operation
from mealquest.web import credentials
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import money
from mealquest.web.look import translate as _

feature = Feature("realtime")


@feature.post(api="/api/ws/ticket", roles=CASHIER, ungated="the gate stands at the socket it opens")
def ticket(call: Call, form: NoInput) -> TicketView:
    """A ticket that opens one socket within half a minute, so that no URL holds a token."""
    credential = credentials.presented()
    if credential is None or credential.claims is None:
        raise Unauthenticated("Authorization is required")
    return service.issue_ticket(credential.claims)


@feature.get(
    api="/api/ws/status", roles=MERCHANT, scope=Scope.QUERY, gate=Operation.WS_STATUS_QUERY
)
def status(call: Call, form: NoInput) -> StatusView:
    """How many sockets of the merchant are open, in all processes."""
    return service.status(call.merchant_id)


class EventsPageView(EventsView):
    """The list with the addresses of what is older, and of its beginning."""

    next_url: str | None = Field(None, exclude=True)
    previous_url: str | None = Field(None, exclude=True)


@feature.get(api="/api/events", roles=CASHIER, scope=Scope.QUERY)
def events_for_apps(call: Call, form: EventsForm) -> EventsView:
    """The last events, newest first; a customer sees those about them."""
    return service.recent_events(call.merchant_id, call.principal, form.limit, form.before)


@feature.get(page="/console/events", roles=MERCHANT, template="realtime/events")
def events(call: Call, form: EventsForm) -> EventsPageView:
    """The last events, newest first, live."""
    view = service.recent_events(call.merchant_id, call.principal, form.limit, form.before)
    here = "realtime.events.page"
    older = url_for(here, limit=form.limit, before=view.next_before) if view.next_before else None
    newest = None if view.is_newest else url_for(here, limit=form.limit)
    return EventsPageView(**dict(view), next_url=older, previous_url=newest)


# --- an event in words --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EventLine:
    words: str
    icon: str
    tone: str = "neutral"
    url: str | None = None


@feature.word
def event_line(event: LiveEventView) -> EventLine:
    """What happened, for people; with the page where it can be looked at."""
    say = LINES.get(event.type)
    return say(event) if say else EventLine(event.type, "bell")


def _who(event: LiveEventView) -> str:
    return event.user_name or _("A customer")


def _sum(event: LiveEventView, *path: str) -> str | None:
    """The amount at a place of the payload, as people read it; None when there is none."""
    value: Any = event.payload
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return money(Decimal(str(value)))


def _payment_url(event: LiveEventView) -> str | None:
    payment_id = event.payload.get("paymentTxnId")
    return url_for("payments.payment.page", payment_id=payment_id) if payment_id else None


def _customer_url(event: LiveEventView) -> str | None:
    return url_for("wallet.customer.page", user_id=event.user_id) if event.user_id else None


def _payment(event: LiveEventView) -> EventLine:
    who, url = _who(event), _payment_url(event)
    amount = _sum(event, "quote", "orderAmount") or _sum(event, "orderAmount")
    match event.payload.get("status"):
        case "PENDING_EXTERNAL":
            rest = _sum(event, "quote", "payable") or _sum(event, "externalPayment", "amount")
            words = _("%(who)s still has to pay %(sum)s outside", who=who, sum=rest or "…")
            return EventLine(words, "clock", "pending", url)
        case "EXTERNAL_FAILED":
            words = _("%(who)s’s payment outside failed", who=who)
            return EventLine(words, "circle-x", "danger", url)
        case "EXTERNAL_REFUND_DUE":
            words = _("%(who)s paid outside too late; the money goes back", who=who)
            return EventLine(words, "alert-triangle", "warning", url)
    if amount is None:
        return EventLine(_("%(who)s paid outside", who=who), "cash", "success", url)
    return EventLine(_("%(who)s paid %(sum)s", who=who, sum=amount), "cash", "success", url)


def _refund(event: LiveEventView) -> EventLine:
    words = _(
        "%(sum)s refunded to %(who)s", sum=_sum(event, "refundedAmount") or "…", who=_who(event)
    )
    return EventLine(words, "receipt-refund", "info", _payment_url(event))


def _cancelled(event: LiveEventView) -> EventLine:
    words = _("%(who)s’s waiting payment was cancelled", who=_who(event))
    return EventLine(words, "x", "neutral", _payment_url(event))


def _expired(event: LiveEventView) -> EventLine:
    words = _("%(who)s’s waiting payment expired", who=_who(event))
    return EventLine(words, "clock", "warning", _payment_url(event))


def _gateway_done(event: LiveEventView) -> EventLine:
    words = _("%(sum)s went back through the gateway", sum=_sum(event, "amount") or "…")
    return EventLine(words, "receipt-refund", "info", _payment_url(event))


def _gateway_stuck(event: LiveEventView) -> EventLine:
    words = _("%(sum)s cannot be sent back by the gateway", sum=_sum(event, "amount") or "…")
    return EventLine(words, "alert-triangle", "danger", _payment_url(event))


def _top_up(event: LiveEventView) -> EventLine:
    words = _("%(who)s topped up %(sum)s", who=_who(event), sum=_sum(event, "amount") or "…")
    return EventLine(words, "wallet", "primary", _customer_url(event))


def _voucher(event: LiveEventView) -> EventLine:
    words = _("%(who)s was given a voucher", who=_who(event))
    return EventLine(words, "ticket", "primary", _customer_url(event))


def _switch(event: LiveEventView) -> EventLine:
    if event.payload.get("killSwitchEnabled"):
        return EventLine(_("All campaigns were stopped"), "shield", "danger")
    return EventLine(_("Campaigns may run again"), "shield-check", "success")


def _settled(event: LiveEventView) -> EventLine:
    partner = event.payload.get("partnerId")
    url = url_for("debts.with_partner.page", store_id=partner) if partner else None
    words = _("%(sum)s was settled with a partner", sum=_sum(event, "amount") or "…")
    return EventLine(words, "coins", "info", url)


def _campaigns(event: LiveEventView) -> EventLine:
    """Of what somebody ran by hand, or of an event that gave the customer something."""
    url = _payment_url(event) or _customer_url(event)
    if event.payload.get("blockedByKillSwitch"):
        return EventLine(_("The kill switch held a campaign event back"), "shield", "warning", url)
    hits = len(event.payload.get("executed") or ())
    words = ngettext(
        "%(who)s: %(num)s campaign took hold",
        "%(who)s: %(num)s campaigns took hold",
        hits,
        who=_who(event),
    )
    return EventLine(words, "sparkles", "primary" if hits else "neutral", url)


def _campaign(event: LiveEventView) -> EventLine:
    campaign_id = event.payload.get("campaignId")
    url = url_for("campaigns.campaign.page", campaign_id=campaign_id) if campaign_id else None
    if event.payload.get("reason"):
        return EventLine(_("A campaign stopped itself"), "speakerphone", "warning", url)
    if event.type == "FIRE_SALE_CREATED":
        return EventLine(_("A fire sale began"), "speakerphone", "info", url)
    return EventLine(_("A campaign changed its state"), "speakerphone", "neutral", url)


def _alliance(event: LiveEventView) -> EventLine:
    """What another store did about the alliance, or what the two now share."""
    store = event.payload.get("partnerName") or event.payload.get("partnerId") or ""
    url = url_for("alliance.alliance.page")
    theirs = event.payload.get("byMerchantId") == event.payload.get("partnerId")
    act = event.payload.get("act") if theirs else None
    if act == "INVITE":
        words = _("%(store)s invites you to an alliance", store=store)
        return EventLine(words, "affiliate", "info", url)
    if act == "DECLINE":
        return EventLine(_("%(store)s declined", store=store), "affiliate", "neutral", url)
    if event.payload.get("shares"):
        words = _("You share wallets with %(store)s", store=store)
        return EventLine(words, "affiliate", "success", url)
    if act in {"LEAVE", "WITHDRAW"} or not theirs:
        words = _("Nothing is shared with %(store)s any more", store=store)
        return EventLine(words, "affiliate", "warning", url)
    words = _("%(store)s changed its part of the alliance", store=store)
    return EventLine(words, "affiliate", "neutral", url)


def _plain(words: Callable[[], str], icon: str) -> Callable[[LiveEventView], EventLine]:
    return lambda _event: EventLine(words(), icon)


LINES: dict[str, Callable[[LiveEventView], EventLine]] = {
    "PAYMENT_VERIFIED": _payment,
    "PAYMENT_REFUNDED": _refund,
    "PAYMENT_CANCELLED": _cancelled,
    "PAYMENT_EXPIRED": _expired,
    "GATEWAY_REFUND_DONE": _gateway_done,
    "GATEWAY_REFUND_STUCK": _gateway_stuck,
    "WALLET_TOPPED_UP": _top_up,
    "WALLET_MOVED": _plain(lambda: _("The wallet moved at another store"), "wallet"),
    "VOUCHER_GRANTED": _voucher,
    "KILL_SWITCH_CHANGED": _switch,
    "ALLIANCE_SETTLED": _settled,
    "PROPOSAL_CONFIRMED": _plain(lambda: _("A proposal was approved"), "check"),
    "CAMPAIGN_STATUS_CHANGED": _campaign,
    "FIRE_SALE_CREATED": _campaign,
    "TCA_TRIGGERED": _campaigns,
    "STRATEGY_CHAT_SESSION_CREATED": _plain(lambda: _("A strategy chat began"), "robot"),
    "STRATEGY_CHAT_MESSAGE": _plain(lambda: _("The strategy chat went on"), "robot"),
    "STRATEGY_CHAT_REVIEWED": _plain(lambda: _("A proposal was reviewed"), "robot"),
    "STRATEGY_PROPOSAL_CREATED": _plain(lambda: _("There is a new proposal"), "sparkles"),
    "PROPOSAL_CANDIDATE_PICKED": _plain(lambda: _("Another draft waits in the proposal"), "robot"),
    "ALLIANCE_CHANGED": _alliance,
    "RECOVERY_CHANGED": _plain(lambda: _("News of an unpaid invoice"), "receipt-refund"),
}
