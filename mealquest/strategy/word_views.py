"""What pages call the states of proposals, the parts of an offer, and its categories."""

from typing import Any, NamedTuple

from mealquest.strategy.agent.variants import Temper
from mealquest.strategy.catalogue import CATEGORY_NAMES, LIBRARY, Category
from mealquest.strategy.domain import ConfigStatus, ProposalStatus
from mealquest.strategy.limit_words import limit_words as for_people
from mealquest.strategy.notes import temper_name
from mealquest.web.frame import Feature
from mealquest.web.look import translate as _

feature = Feature("strategy_words")  # no routes, words only
NOTHING = "—"


class StateWords(NamedTuple):
    label: str
    tone: str


@feature.word
def proposal_state(status: ProposalStatus) -> StateWords:
    return {
        ProposalStatus.PENDING: StateWords(_("Waits for the owner"), "pending"),
        ProposalStatus.APPROVED: StateWords(_("Approved"), "success"),
        ProposalStatus.REJECTED: StateWords(_("Rejected"), "neutral"),
    }[status]


@feature.word
def proposal_states() -> list[tuple[str, str]]:
    return [(status.value, proposal_state(status).label) for status in ProposalStatus]


@feature.word
def limit_words(reason: str) -> str:
    return for_people(reason)


@feature.word
def template_choices() -> list[tuple[str, str]]:
    return [(template.id, template.name) for template in LIBRARY.values()]


@feature.word
def template_name(template_id: str) -> str:
    """A template of ours by its name; another's by its id."""
    known = LIBRARY.get(template_id)
    return known.name if known else template_id


@feature.word
def branch_name(template_id: str, branch_id: str) -> str:
    known = LIBRARY.get(template_id)
    names = {branch.id: branch.name for branch in known.branches} if known else {}
    return names.get(branch_id, branch_id)


@feature.word
def category_name(category: str) -> str:
    return str(CATEGORY_NAMES[Category(category)])


@feature.word
def categories() -> list[str]:
    return [category.value for category in Category]


@feature.word
def temper_label(temper: Temper | None) -> str:
    return temper_name(temper) if temper else ""


@feature.word
def fact_name(fact_id: str) -> str:
    """What a fact is about, by its id; another's by the name in it."""
    name = fact_id.partition("#")[0]
    kind, _dot, rest = name.partition(".")
    if kind == "campaigns" and rest:
        template_id, _dot, branch_id = rest.partition(".")
        return f"{template_name(template_id)} · {branch_name(template_id, branch_id.upper())}"
    names = {
        "sales.today": _("Sales today"),
        "sales.week_ago": _("Sales on the same weekday before"),
        "sales.by_hour": _("Sales today by hour"),
        "orders": _("Orders"),
        "wallets.owed": _("Balances owed to customers"),
        "wallets.filled": _("Wallets that hold something"),
        "customers.by_recency": _("Customers by their last order"),
        "customers.by_spend": _("Customers by what they spent in 90 days"),
        "spend.by_spend": _("Spent in 90 days, by what each spent"),
        "wallets.expiring": _("Vouchers that expire within a week"),
    }
    return names.get(name, name)


@feature.word
def figure_name(key: str) -> str:
    """A figure of a fact by its key; another's by the key as it reads."""
    names = {
        "taken": _("taken"),
        "refunded": _("refunded"),
        "net": _("net"),
        "today": _("today"),
        "week_ago": _("a week ago"),
        "principal": _("paid in"),
        "bonus": _("bonus"),
        "silver": _("change"),
        "wallets": _("wallets"),
        "last_month": _("within 30 days"),
        "second_month": _("31 to 60 days ago"),
        "third_month": _("61 to 90 days ago"),
        "longer": _("longer ago"),
        "little": _("below the average"),
        "more": _("up to twice the average"),
        "most": _("more than twice the average"),
        "customers": _("customers"),
        "hits": _("hits"),
        "cost": _("cost"),
        "vouchers": _("vouchers"),
        "redeemed": _("vouchers used"),
        "lift": _("lift"),
    }
    return names.get(key, key.replace("_", " "))


@feature.word
def config_state(status: ConfigStatus) -> StateWords:
    return {
        ConfigStatus.DRAFT: StateWords(_("Draft"), "neutral"),
        ConfigStatus.PENDING_APPROVAL: StateWords(_("Waits for the owner"), "pending"),
        ConfigStatus.ACTIVE: StateWords(_("In use"), "success"),
        ConfigStatus.REJECTED: StateWords(_("Rejected"), "neutral"),
    }[status]


@feature.word
def part_name(path: str) -> str:
    """A part of a campaign by its path in a difference; another's by the path itself."""
    names = {
        "name": _("Name"),
        "priority": _("Priority"),
        "trigger.event": _("Event"),
        "conditions": _("Conditions"),
        "budget.cap": _("Budget (units)"),
        "budget.costPerHit": _("Units per hit"),
        "ttlHours": _("Hours it runs"),
        "action.type": _("Kind of gift"),
        "action.amount": _("Amount"),
        "action.actions": _("Gifts"),
        "action.voucher": _("Voucher"),
        "action.voucher.type": _("Kind of voucher"),
        "action.voucher.name": _("Name of the voucher"),
        "action.voucher.value": _("Value of the voucher"),
        "action.voucher.minSpend": _("From an order of"),
        "action.voucher.discountRate": _("Share that is paid"),
        "action.voucher.validDays": _("Days it is valid"),
        "action.story": _("Story card"),
        "action.story.templateId": _("Design of the story card"),
        "action.story.assets": _("Pictures of the story card"),
        "action.story.triggers": _("Buttons of the story card"),
        "action.story.narrative": _("Words of the story card"),
    }
    return names.get(path, path)


@feature.word
def part_words(value: Any) -> str:
    """One side of a difference, as it is written."""
    if value is None or value == []:
        return NOTHING
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return "; ".join(part_words(item) for item in value)
    if isinstance(value, dict) and value.keys() == {"field", "op", "value"}:
        return f"{value['field']} {value['op']} {part_words(value['value'])}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {part_words(item)}" for key, item in value.items())
    return str(value)
