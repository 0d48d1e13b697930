"""Limits that no proposal passes, however it was made: asked when it is drafted and when it is
approved, against the merchant as it is then. Every reason is told."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from mealquest.core.wire import number
from mealquest.strategy.found import as_number
from mealquest.strategy.gifts import leaves, worth

LEAST_BUDGET = Decimal(300)  # what any merchant may plan with
LEAST_COST = Decimal(60)
LOWEST, HIGHEST = 40, 999
MOST_HOURS = 72
MOST_CONDITIONS = 10
MOST_ACTIONS = 5
MOST_GIFT, MOST_GIFTS = Decimal(100), Decimal(150)  # major units
LEAST_RATE = Decimal("0.5")


def reasons(campaign: Mapping[str, Any], budget_cap: Decimal) -> list[str]:
    """Why a campaign may not run; empty when nothing stands against it.

    Args:
        campaign: as a proposal keeps it: trigger, conditions, budget, priority, action, ttlHours.
        budget_cap: of the merchant, major units.
    """
    found = [
        *_trigger(campaign),
        *_budget(campaign, budget_cap),
        *_time(campaign),
        *_conditions(campaign),
        *_gifts(campaign.get("action")),
    ]
    return list(dict.fromkeys(found))


def _trigger(campaign: Mapping[str, Any]) -> Iterator[str]:
    if not (campaign.get("trigger") or {}).get("event"):
        yield "missing trigger event"


def _budget(campaign: Mapping[str, Any], budget_cap: Decimal) -> Iterator[str]:
    budget = campaign.get("budget") or {}
    cap, cost = as_number(budget.get("cap")), as_number(budget.get("costPerHit"))
    limit = max(budget_cap * Decimal("1.5"), LEAST_BUDGET)
    if cap is None or cap <= 0:
        yield "invalid budget cap"
    elif cap > limit:
        yield f"budget cap exceeds guardrail ({number(cap)} > {number(limit)})"
    if cost is None or cost <= 0:
        yield "invalid cost per hit"
    elif cost > max(LEAST_COST, (cap or Decimal(0)) * Decimal("0.6")):
        yield "cost per hit exceeds guardrail"
    priority = as_number(campaign.get("priority"))
    if priority is None or not LOWEST <= priority <= HIGHEST:
        yield "priority out of safe range"


def _time(campaign: Mapping[str, Any]) -> Iterator[str]:
    said = campaign.get("ttlHours")
    hours = as_number(said)
    if said is not None and (hours is None or hours <= 0):
        yield "invalid ttl"
    elif hours is not None and hours > MOST_HOURS:
        yield "ttl exceeds 72h guardrail"


def _conditions(campaign: Mapping[str, Any]) -> Iterator[str]:
    if len(campaign.get("conditions") or ()) > MOST_CONDITIONS:
        yield "too many conditions"


def _gifts(action: Any) -> Iterator[str]:
    given = list(leaves(action))
    if not given:
        yield "the action gives nothing"
    if len(given) > MOST_ACTIONS:
        yield "too many actions"
    for leaf in given:
        yield from _gift(leaf)
    if worth(action) > MOST_GIFTS:
        yield f"grants exceed guardrail ({number(worth(action))} > {MOST_GIFTS})"


def _gift(leaf: Mapping[str, Any]) -> Iterator[str]:
    """One action. Fragments are counted like money: they are worth something to their owner."""
    amount = as_number(leaf.get("amount")) or Decimal(0)
    match leaf.get("type"):
        case "GRANT_PRINCIPAL":
            yield "principal may not be granted"
        case "GRANT_BONUS" if amount > MOST_GIFT:
            yield "bonus exceeds guardrail"
        case "GRANT_SILVER" if amount > MOST_GIFT:
            yield "silver exceeds guardrail"
        case "GRANT_FRAGMENT" if amount > MOST_GIFT:
            yield "fragments exceed guardrail"
        case "GRANT_VOUCHER":
            yield from _voucher(leaf.get("voucher") or {})


def _voucher(voucher: Mapping[str, Any]) -> Iterator[str]:
    if (as_number(voucher.get("value")) or Decimal(0)) > MOST_GIFT:
        yield "voucher value exceeds guardrail"
    if voucher.get("type") == "DISCOUNT_CARD":
        rate = as_number(voucher.get("discountRate"))
        if rate is None or rate < LEAST_RATE:
            yield "discount rate below guardrail"
