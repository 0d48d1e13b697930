"""What pages call the states, events, verdicts and gifts of campaigns."""

from decimal import Decimal
from typing import Any, NamedTuple

from mealquest.campaigns.domain import CampaignStatus, Operator, Stopped, Verdict
from mealquest.campaigns.replies import CampaignView, ConditionView, DecisionView
from mealquest.web.frame import Feature
from mealquest.web.look import merchant, money
from mealquest.web.look import translate as _

feature = Feature("campaign_words")  # no routes, words only
NOTHING = "—"


class StateWords(NamedTuple):
    label: str
    tone: str


@feature.word
def campaign_state(status: CampaignStatus) -> StateWords:
    return {
        CampaignStatus.ACTIVE: StateWords(_("Runs"), "success"),
        CampaignStatus.PAUSED: StateWords(_("Pauses"), "warning"),
        CampaignStatus.ARCHIVED: StateWords(_("Put away"), "neutral"),
    }[status]


@feature.word
def campaign_phase(view: CampaignView) -> StateWords:
    """Its state, and of one that runs whether it still can."""
    if view.status is not CampaignStatus.ARCHIVED and view.ended:
        return StateWords(_("Ended"), "neutral")
    if view.status is CampaignStatus.ACTIVE and view.used_up:
        return StateWords(_("Used up"), "neutral")
    said: StateWords = campaign_state(view.status)
    return said


@feature.word
def campaign_holdout() -> int:
    """Percent of customers who would get nothing of a campaign that is approved now."""
    facts = merchant()
    return facts.campaign_holdout_percent if facts else 0


@feature.word
def campaign_states() -> list[tuple[str, str]]:
    """Choices of the list's filter."""
    known = [(status.value, campaign_state(status).label) for status in CampaignStatus]
    return [*known, ("ENDED", _("Ended"))]


@feature.word
def stopped_words(why: Stopped) -> str:
    return {
        Stopped.MONEY_CAP: _("It has given away as much as it may."),
        Stopped.MERCHANT_CAP: _("The campaigns of the shop have used up this month’s budget."),
    }[why]


@feature.word
def event_words(event: str) -> str:
    """What a campaign waits for; an event of somebody’s own is called by its name."""
    return {
        "APP_OPEN": _("a customer opens the app"),
        "BIRTHDAY": _("a customer has a birthday"),
        "DAILY_CHECKIN": _("a customer checks in"),
        "MEMBER_DAY": _("it is members’ day"),
        "PAYMENT_PRECHECK": _("a customer is about to pay"),
        "REFERRAL_FIRST_BUY": _("a friend who was sent buys for the first time"),
        "REFERRAL_SCAN": _("a customer is sent by a friend"),
        "STEP_SYNC": _("a customer’s steps are counted"),
        "USER_ENTER_SHOP": _("a customer comes in"),
        "PAYMENT_SUCCESS": _("a payment is taken"),
        "RECHARGE": _("a customer tops up"),
        "PARTNER_ORDER_VERIFIED": _("a partner’s order counts"),
        "USER_INACTIVE": _("a customer stays away"),
        "REFUND": _("a payment is given back"),
        "INVENTORY_ALERT": _("too much is left"),
        "WEATHER_CHANGE": _("the weather changes"),
    }.get(event, event)


def field_words(name: str) -> str:
    """What a condition looks at; a field of somebody’s own is called by its name."""
    return {
        "checkinCountInWindow": _("number of visits"),
        "hasReferral": _("sent by a friend"),
        "inactiveDays": _("days away"),
        "inventoryBacklog": _("pieces left"),
        "isBirthday": _("birthday today"),
        "isBirthdayMonth": _("birthday this month"),
        "isHighValueUser": _("frequent customer"),
        "isMemberDay": _("members’ day"),
        "isNewUser": _("new customer"),
        "isReferral": _("sent by a friend"),
        "orderAmount": _("order amount"),
        "orderCount": _("number of orders"),
        "partnerOrderAmount": _("amount of the partner’s order"),
        "partnerOrderVerified": _("partner’s order counts"),
        "rechargeAmount": _("top-up amount"),
        "steps": _("steps"),
        "streakDays": _("days in a row"),
        "targetSku": _("article"),
        "temperature": _("temperature"),
        "weather": _("weather"),
    }.get(name, name)


@feature.word
def condition_words(condition: ConditionView) -> str:
    """A condition as a sentence."""
    values = {"field": field_words(condition.field), "value": value_words(condition.value)}
    match condition.op:
        case Operator.EQ:
            return _("%(field)s is %(value)s", **values)
        case Operator.NEQ:
            return _("%(field)s is not %(value)s", **values)
        case Operator.GTE:
            return _("%(field)s is at least %(value)s", **values)
        case Operator.LTE:
            return _("%(field)s is at most %(value)s", **values)
        case Operator.INCLUDES:
            return _("%(field)s includes %(value)s", **values)
    return _(
        "an unknown comparison of %(field)s, which is never true",
        field=field_words(condition.field),
    )


@feature.word
def value_words(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(value_words(item) for item in value) or NOTHING
    return str(value)


@feature.word
def decision_words(decision: DecisionView) -> StateWords:
    """Whether it took hold; why not stands in `why_words`."""
    if decision.blocked_by_kill_switch:
        return StateWords(_("Stopped"), "danger")
    if decision.verdict is Verdict.HIT:
        return StateWords(_("Hit"), "success")
    return StateWords(
        _("Held out") if decision.verdict is Verdict.HELD_OUT else _("Miss"), "neutral"
    )


@feature.word
def why_words(decision: DecisionView) -> str:
    """Why a campaign did not take hold, in a sentence; empty for a hit."""
    if decision.blocked_by_kill_switch:
        return _("The kill switch was on.")
    if decision.verdict is Verdict.CONDITION and decision.condition:
        return _(
            "It asks that %(asked)s; it was %(found)s.",
            asked=condition_words(decision.condition),
            found=value_words(decision.found),
        )
    return _WHY[decision.verdict]() if decision.verdict in _WHY else ""


_WHY: dict[Any, Any] = {
    Verdict.NOT_ACTIVE: lambda: _("The campaign paused."),
    Verdict.EXPIRED: lambda: _("Its time was over."),
    Verdict.CONDITION: lambda: _("A condition was not true."),
    Verdict.GROUP: lambda: _("Another campaign of its group came first."),
    Verdict.FREQUENCY: lambda: _("The customer has had it as often as it may be had."),
    Verdict.BUDGET: lambda: _("Its budget of units was used up."),
    Verdict.MONEY_CAP: lambda: _("It would have cost more than the campaign may."),
    Verdict.CUSTOMER_CAP: lambda: _("It would have cost more than one customer may get."),
    Verdict.DAY_CAP: lambda: _("It would have cost more than a day may."),
    Verdict.MERCHANT_CAP: lambda: _("It would have cost more than this month’s budget."),
    Verdict.HELD_OUT: lambda: _("By lot this customer gets nothing, to see what the gift does."),
    Verdict.REFUNDED: lambda: _("The payment was given back before."),
    Verdict.FAULTY: lambda: _("What it gives is not written correctly."),
}


@feature.word
def given_words(given: dict[str, Any], currency: str) -> str:
    """One thing that a hit gave."""
    kind = given["type"]
    if kind == "GRANT_VOUCHER":
        return _("Voucher: %(name)s (%(worth)s)", name=given["name"], worth=_worth(given, currency))
    if kind == "GRANT_FRAGMENT":
        return _("%(count)s fragments: %(kind)s", count=given["amount"], kind=given["fragmentType"])
    if kind == "STORY_CARD":
        return _("A story card")
    return _sum_words(kind, money(Decimal(str(given["amount"])), currency))


def _sum_words(kind: str, amount: str) -> str:
    return {
        "GRANT_BONUS": _("%(sum)s bonus", sum=amount),
        "GRANT_SILVER": _("%(sum)s change", sum=amount),
        "GRANT_PRINCIPAL": _("%(sum)s principal", sum=amount),
    }[kind]


def _worth(voucher: dict[str, Any], currency: str) -> str:
    if rate := voucher.get("discountRate"):
        percent = ((1 - Decimal(str(rate))) * 100).normalize()
        return _("%(percent)s%% off", percent=f"{percent:f}")
    return str(money(Decimal(str(voucher.get("value", 0))), currency))


@feature.word
def action_words(action: dict[str, Any], currency: str) -> list[str]:
    """What a campaign gives, one line each, as it is written."""
    kind = action.get("type")
    if kind == "COMPOSITE":
        parts = [part for part in action.get("actions") or () if part.get("type") != "STORY_CARD"]
        return [line for part in parts for line in action_words(part, currency)]
    if kind == "STORY_CARD":
        story = action.get("story")
        told = story.get("narrative") if isinstance(story, dict) else None
        return [_("A story card: %(story)s", story=told or NOTHING)]
    if kind == "GRANT_VOUCHER":
        return [
            given_words({"name": kind, **(action.get("voucher") or {}), "type": kind}, currency)
        ]
    return [given_words({"fragmentType": "common", "amount": 0, **action}, currency)]


@feature.word
def limit_lines(view: CampaignView, currency: str) -> list[tuple[str, str]]:
    """The limits a campaign has, each with its label."""
    limits = view.limits
    found = [
        (label, money(amount, currency))
        for label, amount in (
            (_("May cost at most"), limits.money_cap),
            (_("For one customer at most"), limits.customer_cap),
            (_("In a day at most"), limits.day_cap),
        )
        if amount is not None
    ]
    if limits.customer_hits and limits.customer_days:
        times = _("%(hits)s in %(days)s days", hits=limits.customer_hits, days=limits.customer_days)
        found.append((_("Hits for one customer"), times))
    elif limits.customer_hits:
        found.append((_("Hits for one customer"), str(limits.customer_hits)))
    if limits.group:
        found.append((_("Only one of the group"), limits.group))
    if limits.holdout_percent:
        found.append((_("Get nothing, by lot"), f"{limits.holdout_percent} %"))
    return found
