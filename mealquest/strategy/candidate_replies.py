"""What may be picked in a proposal's place, beside what waits. Amounts are in major units."""

from decimal import Decimal
from typing import Any, Self

from mealquest.core.wire import Amount, View
from mealquest.strategy.agent.variants import Temper
from mealquest.strategy.gifts import leaves, worth
from mealquest.strategy.models import ProposalRow


class CandidateBudgetView(View):
    cap: int
    used: int
    cost_per_hit: int


class Difference(View):
    """One part that is not as the library has it."""

    path: str
    before: Any
    after: Any


def differences(said: list[dict[str, Any]]) -> list[Difference]:
    return [Difference(path=one["path"], before=one["from"], after=one["to"]) for one in said]


def has_cards(action: dict[str, Any]) -> bool:
    return any(
        leaf["type"] == "GRANT_VOUCHER" and leaf["voucher"]["type"] == "DISCOUNT_CARD"
        for leaf in leaves(action)
    )


class CandidateCard(View):
    """A candidate in short: what it may cost, and how far it reaches at most."""

    hash: str
    variant: Temper | None
    title: str
    template_id: str
    branch_id: str
    budget: CandidateBudgetView
    priority: int
    most_hits: int
    is_picked: bool

    @classmethod
    def of(cls, said: dict[str, Any], row: ProposalRow) -> Self:
        return cls(**_card_values(said, row))


class CandidateView(CandidateCard):
    """A candidate in full: what would wait in the proposal's place if it were picked."""

    campaign: dict[str, Any]
    rationale: str
    difference: list[Difference]
    dropped_fields: list[str]
    cost_of_hit: Amount
    worst_case: Amount
    has_cards: bool

    @classmethod
    def of(cls, said: dict[str, Any], row: ProposalRow) -> Self:
        values, cost = _card_values(said, row), worth(said["campaign"]["action"])
        return cls(
            **values,
            campaign=said["campaign"],
            rationale=said["strategyMeta"].get("rationale") or "",
            difference=differences(said["difference"]),
            dropped_fields=said["droppedFields"],
            cost_of_hit=cost,
            worst_case=cost * Decimal(values["most_hits"]),
            has_cards=has_cards(said["campaign"]["action"]),
        )


def _card_values(said: dict[str, Any], row: ProposalRow) -> dict[str, Any]:
    budget = said["campaign"]["budget"]
    return {
        "hash": said["hash"],
        "variant": said["variant"],
        "title": said["title"],
        "template_id": said["templateId"],
        "branch_id": said["branchId"],
        "budget": CandidateBudgetView.model_validate(budget),
        "priority": said["campaign"]["priority"],
        "most_hits": budget["cap"] // budget["costPerHit"],
        "is_picked": said["hash"] == row.content_hash,
    }


class RefusedCandidate(View):
    """A draft that the limits stand against."""

    variant: Temper | None
    title: str
    template_id: str
    branch_id: str
    reasons: list[str]
