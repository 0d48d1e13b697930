"""What pages call the states, answers and histories of partners' orders."""

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from mealquest.core.money import Currency
from mealquest.core.principal import BOOTSTRAP
from mealquest.suppliers import service
from mealquest.suppliers.domain import HistoryKind, Match, OrderStatus, Reason
from mealquest.suppliers.replies import HistoryView, VerifyOrderView
from mealquest.web.frame import Feature
from mealquest.web.look import moment, money, principal
from mealquest.web.look import translate as _

feature = Feature("supplier_words")  # no routes, words only
NOTHING = "—"


class StateWords(NamedTuple):
    label: str
    tone: str


class Answer(NamedTuple):
    """What the clerk reads: yes or no, why, and what to do."""

    tone: str
    title: str
    text: str


@feature.word
def partner_names() -> dict[str, str]:
    """Names of the merchant's partners by their ids."""
    who = principal()
    found = service.partners(who.merchant_id).items if who and who.merchant_id else []
    return {partner.partner_id: partner.name for partner in found}


@feature.word
def order_state(status: OrderStatus) -> StateWords:
    return {
        OrderStatus.CREATED: StateWords(_("Not paid yet"), "pending"),
        OrderStatus.PAID: StateWords(_("Paid"), "success"),
        OrderStatus.CANCELLED: StateWords(_("Cancelled"), "neutral"),
        OrderStatus.REFUNDED: StateWords(_("Refunded"), "neutral"),
    }[status]


@feature.word
def order_states() -> list[tuple[str, str]]:
    return [(status.value, order_state(status).label) for status in OrderStatus]


@feature.word
def match_state(match: Match) -> StateWords:
    return {
        Match.MATCHED: StateWords(_("Agrees"), "success"),
        Match.DIFFERENCE: StateWords(_("Differs"), "warning"),
        Match.INCOMPLETE: StateWords(_("Not complete"), "neutral"),
    }[match]


@feature.word
def match_states() -> list[tuple[str, str]]:
    return [(match.value, match_state(match).label) for match in Match]


@feature.word
def amount_of(what: str) -> str:
    """One of the three amounts that are compared."""
    return {"order": _("Order"), "delivery": _("Delivery"), "invoice": _("Invoice")}[what]


@feature.word
def answer_words(view: VerifyOrderView) -> Answer:
    """The answer at the counter, and what the clerk does now."""
    if view.verified and view.replayed and view.verified_at:
        when = moment(view.verified_at)
        return Answer(
            "warning",
            _("This form was sent before"),
            _("The order was used on %(when)s. Hand nothing out a second time.", when=when),
        )
    if view.verified:
        return Answer("success", _("Yes, it counts"), _("Hand it out. The order is used up now."))
    return _no(view)


def _no(view: VerifyOrderView) -> Answer:
    title, text = {
        Reason.NOT_FOUND: (
            _("No, nobody knows this order"),
            _(
                "Compare the number and the partner. If both are right, the partner has not told us"
                " yet: ask them, then try again."
            ),
        ),
        Reason.ALREADY_VERIFIED: (
            _("No, it was used already"),
            _(
                "It counted on %(when)s, and an order counts once. Hand nothing out.",
                when=moment(view.verified_at) if view.verified_at else NOTHING,
            ),
        ),
        Reason.NOT_PAID: (_("No, it is not paid"), _unpaid(view)),
        Reason.BELOW_MIN_SPEND: (
            _("No, the order is too small"),
            _("It has to be %(sum)s at least.", sum=_money(view, view.min_spend)),
        ),
        None: ("", ""),
    }[view.reason]
    return Answer("danger", title, text)


def _unpaid(view: VerifyOrderView) -> str:
    if view.order and view.order.status is OrderStatus.CREATED:
        return _("The customer pays it at the partner first. Then try again.")
    return _("The partner has called it off. The customer asks there.")


def _money(view: VerifyOrderView, amount: Decimal) -> str:
    return money(amount, view.order.currency if view.order else None)


@feature.word
def history_kind(kind: HistoryKind) -> StateWords:
    return {
        HistoryKind.REGISTERED: StateWords(_("Came in"), "neutral"),
        HistoryKind.CHANGED: StateWords(_("Changed"), "info"),
        HistoryKind.VERIFIED: StateWords(_("Used up"), "success"),
        HistoryKind.REFUSED: StateWords(_("Not granted"), "danger"),
    }[kind]


@feature.word
def history_actor(operator_id: str) -> str:
    """Who acted without being a person of the shop: its opening, or a partner by its id."""
    return _("Opening of the shop") if operator_id == BOOTSTRAP.subject else operator_id


@feature.word
def history_lines(row: HistoryView, currency: Currency) -> list[str]:
    """What a line of the history says, one statement each."""
    said = {name: value for name, value in row.details.items() if name != "minSpend" or value}
    return [_statement(name, value, currency) for name, value in said.items()]


def _statement(name: str, value: Any, currency: Currency) -> str:
    label = {
        "amount": _("Amount"),
        "status": _("Status"),
        "paidAt": _("Paid"),
        "deliveredAmount": _("Delivery"),
        "invoicedAmount": _("Invoice"),
        "minSpend": _("At least"),
        "reason": _("Reason"),
    }.get(name, name)
    if isinstance(value, dict):
        before, after = (_said(name, value[end], currency) for end in ("from", "to"))
        return _("%(what)s: %(before)s → %(after)s", what=label, before=before, after=after)
    return _("%(what)s: %(value)s", what=label, value=_said(name, value, currency))


def _said(name: str, value: Any, currency: Currency) -> str:
    if value is None:
        return NOTHING
    if name == "status":
        return str(order_state(OrderStatus(value)).label)
    if name == "reason":
        return {
            Reason.NOT_FOUND: _("no such order"),
            Reason.ALREADY_VERIFIED: _("used already"),
            Reason.NOT_PAID: _("not paid"),
            Reason.BELOW_MIN_SPEND: _("too small"),
        }[Reason(value)]
    if name == "paidAt":
        return moment(datetime.fromisoformat(value))
    return str(money(Decimal(str(value)), currency))


@feature.word
def effect_words(effect: str) -> StateWords:
    """What a row of a list does."""
    return {
        "created": StateWords(_("New"), "success"),
        "updated": StateWords(_("Changes"), "info"),
        "unchanged": StateWords(_("As it was"), "neutral"),
    }[effect]


@feature.word
def column_label(name: str) -> str:
    """A column of a list, by the name it has on the wire."""
    return {
        "partnerId": _("Partner"),
        "orderId": _("Order number"),
        "amount": _("Amount"),
        "status": _("State"),
        "paidAt": _("Paid on"),
        "delivered": _("Delivery"),
        "invoiced": _("Invoice"),
    }.get(name, name)


@feature.word
def column_help(name: str) -> str:
    """What belongs into a column of a list."""
    return {
        "partnerId": _("The partner’s id. Not needed when one is chosen above."),
        "orderId": _("The number of the order at the partner."),
        "amount": _("What was paid, such as 38 or 13.80."),
        "status": _("CREATED, PAID, CANCELLED or REFUNDED; left empty it is PAID."),
        "paidAt": _("When it was paid, such as 2026-11-22 08:30, by the shop’s clock."),
        "delivered": _("What the delivery was worth; left empty it stays as it is."),
        "invoiced": _("What the invoice asks for; left empty it stays as it is."),
    }[name]
