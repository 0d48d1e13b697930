"""One draft in three tempers: as the model made it, more careful, and bolder."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mealquest.strategy.agent.domain import Json

CAP, COST, PRIORITY, CONFIDENCE = (30, 5000), (1, 500), (40, 999), (0.05, 0.98)
HUGE = 1e12
BASE_CAP, BASE_COST, BASE_PRIORITY, BASE_CONFIDENCE = 120, 8, 70, 0.5


class Temper(StrEnum):
    BALANCED = "BALANCED"
    CONSERVATIVE = "CONSERVATIVE"
    AGGRESSIVE = "AGGRESSIVE"


@dataclass(frozen=True, slots=True)
class Shift:
    """Factors on cap and cost per hit, steps on priority and confidence."""

    cap: float
    cost: float
    priority: int
    confidence: float


SHIFTS = {
    Temper.BALANCED: Shift(1.0, 1.0, 0, 0.0),
    Temper.CONSERVATIVE: Shift(0.75, 0.85, -4, -0.04),
    Temper.AGGRESSIVE: Shift(1.25, 1.15, 6, -0.02),
}


def three(proposal: Json, cap: float | None = None) -> tuple[Json, ...]:
    """The draft in all tempers, the balanced one first; each carries its `variant`.

    `cap`: the owner's own, where the draft names none.
    """
    return tuple(_shifted(proposal, temper, shift, cap) for temper, shift in SHIFTS.items())


def _shifted(proposal: Json, temper: Temper, shift: Shift, cap: float | None) -> Json:
    patch = _dict(proposal.get("campaignPatch"))
    budget = _dict(patch.get("budget"))
    base_cap = _number(budget.get("cap"), cap or BASE_CAP)
    base_cost = _number(budget.get("costPerHit"), BASE_COST)
    priority = _number(patch.get("priority"), BASE_PRIORITY) + shift.priority
    confidence = _number(proposal.get("confidence"), BASE_CONFIDENCE) + shift.confidence
    budget |= {
        "cap": math.floor(_within(base_cap * shift.cap, CAP)),
        "costPerHit": math.floor(_within(base_cost * shift.cost, COST)),
    }
    patch |= {"budget": budget, "priority": math.floor(_within(priority, PRIORITY))}
    return proposal | {
        "variant": temper.value,
        "confidence": round(_within(confidence, CONFIDENCE), 4),
        "campaignPatch": patch,
    }


def _dict(value: Any) -> Json:
    return dict(value) if isinstance(value, dict) else {}


def _number(value: Any, fallback: float) -> float:
    """A finite number of sensible size, else the fallback."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) <= HUGE else fallback


def _within(value: float, bounds: tuple[float, float]) -> float:
    return min(bounds[1], max(bounds[0], value))
