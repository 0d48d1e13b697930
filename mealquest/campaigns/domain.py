"""Trigger and condition: what a campaign is and when it takes hold. Pure, no database.

A campaign listens for one event. When all its conditions are true of the event's context, and no
limit stands in the way, it gives what its action says (`actions`). Every campaign that listens is
decided, in order, and each decision says why.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

MANUAL: Final = "MANUAL"  # the source of a trigger that somebody asked for


class CampaignStatus(StrEnum):
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    ARCHIVED = "ARCHIVED"


# Whoever archived by mistake may bring a campaign back; nothing is ever removed.
MOVES: Mapping[CampaignStatus, frozenset[CampaignStatus]] = {
    CampaignStatus.ACTIVE: frozenset({CampaignStatus.PAUSED, CampaignStatus.ARCHIVED}),
    CampaignStatus.PAUSED: frozenset({CampaignStatus.ACTIVE, CampaignStatus.ARCHIVED}),
    CampaignStatus.ARCHIVED: frozenset({CampaignStatus.ACTIVE, CampaignStatus.PAUSED}),
}


def may_become(old: CampaignStatus, new: CampaignStatus) -> bool:
    return old is new or new in MOVES[old]


class Operator(StrEnum):
    EQ = "eq"
    NEQ = "neq"
    GTE = "gte"
    LTE = "lte"
    INCLUDES = "includes"


class Verdict(StrEnum):
    """What became of one campaign at one event."""

    HIT = "HIT"
    NOT_ACTIVE = "NOT_ACTIVE"
    EXPIRED = "EXPIRED"
    CONDITION = "CONDITION"  # one was not true; the decision names it
    GROUP = "GROUP"  # another campaign of its group took hold of this event
    FREQUENCY = "FREQUENCY"  # the customer has had it as often as it may be had
    BUDGET = "BUDGET"  # units
    MONEY_CAP = "MONEY_CAP"  # of the campaign
    CUSTOMER_CAP = "CUSTOMER_CAP"
    DAY_CAP = "DAY_CAP"
    MERCHANT_CAP = "MERCHANT_CAP"
    HELD_OUT = "HELD_OUT"  # the customer is of those who get nothing, so that lift can be told
    REFUNDED = "REFUNDED"  # the payment was given back before anything could be earned by it
    FAULTY = "FAULTY"  # its action cannot be carried out


# What stands at the end of all conditions and limits: only the lot is between them.
EXPOSED = frozenset({Verdict.HIT, Verdict.HELD_OUT})


class Stopped(StrEnum):
    """Why a campaign paused itself."""

    MONEY_CAP = "MONEY_CAP"
    MERCHANT_CAP = "MERCHANT_CAP"


STOPS: Mapping[Verdict, Stopped] = {
    Verdict.MONEY_CAP: Stopped.MONEY_CAP,
    Verdict.MERCHANT_CAP: Stopped.MERCHANT_CAP,
}


# --- conditions -----------------------------------------------------------------------------

LARGEST: Final = 10**300
_NUMBERS = frozenset({int, float, Decimal})


def same(one: Any, other: Any) -> bool:
    """Equal and of one kind: `"true"` is not true and 1 is not true; 1 and 1.0 are the same."""
    kind, other_kind = type(one), type(other)
    if kind is list or kind is dict:
        return False
    if kind is other_kind or (kind in _NUMBERS and other_kind in _NUMBERS):
        return bool(one == other)
    return False


def number_of(value: Any) -> float | None:
    """A number, a Boolean as 1 or 0, text that is a number (empty: 0); None for all else."""
    if type(value) is int:
        return value if abs(value) < LARGEST else None
    try:
        if isinstance(value, str):
            found = float(value.strip() or 0) if "_" not in value else math.nan
        elif isinstance(value, bool | int | float | Decimal):
            found = float(value)
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return found if found - found == 0 else None  # neither infinite nor no number


_MISSING: Final = object()


def _eq(found: Any, value: Any) -> bool:
    return same(found, value)


def _neq(found: Any, value: Any) -> bool:
    return not same(found, value)


def _gte(found: Any, value: Any) -> bool:
    left, right = number_of(found), number_of(value)
    return left is not None and right is not None and left >= right


def _lte(found: Any, value: Any) -> bool:
    left, right = number_of(found), number_of(value)
    return left is not None and right is not None and left <= right


def _includes(found: Any, value: Any) -> bool:
    return isinstance(found, list) and any(same(item, value) for item in found)


_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    Operator.EQ.value: _eq,
    Operator.NEQ.value: _neq,
    Operator.GTE.value: _gte,
    Operator.LTE.value: _lte,
    Operator.INCLUDES.value: _includes,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """`op` as written; one that is not known is never true."""

    field: str
    op: str
    value: Any

    def is_true_of(self, context: Mapping[str, Any]) -> bool:
        """Compared without coercion, but `gte` and `lte` count what looks like a number."""
        test = _TESTS.get(self.op)
        return test is not None and test(context.get(self.field, _MISSING), self.value)


# --- campaigns ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """What a campaign may spend. Units are abstract; money is minor units; None: no such limit.

    Attributes:
        cap_units, cost_units: budget, and what each hit takes of it. Exactly the cap is allowed.
        customer_hits, customer_days: a customer has it at most so often within so many days, or
            at all.
        group: of the campaigns of one group the first that takes hold keeps out the others.
        holdout_percent: of customers, 0 to 50, who get nothing when an event comes by itself.
    """

    cap_units: int
    cost_units: int
    cap_minor: int | None = None
    customer_cap_minor: int | None = None
    day_cap_minor: int | None = None
    customer_hits: int | None = None
    customer_days: int | None = None
    group: str | None = None
    holdout_percent: int = 0


@dataclass(frozen=True, slots=True)
class Used:
    """What a campaign has spent when an event comes: over all, on this customer, and today."""

    units: int = 0
    minor: int = 0
    customer_minor: int = 0
    day_minor: int = 0
    customer_hits: int = 0


@dataclass(frozen=True, slots=True)
class Campaign:
    id: str
    name: str
    status: CampaignStatus
    priority: int
    event: str
    conditions: tuple[Condition, ...]
    action: Mapping[str, Any]
    limits: Limits
    ttl_until: datetime | None = None
    order: int = 0  # of creation, among equal priorities


@dataclass(frozen=True, slots=True)
class Decision:
    """`condition` is the index of the first that was not true.

    `left_minor`, `spent_minor`: what the month of all campaigns had left, and what this one had
    cost, where a limit asked for them. Cards that pay later move both, at a time of their own.
    """

    campaign_id: str
    verdict: Verdict
    condition: int | None = None
    cost_minor: int = 0
    left_minor: int | None = None
    spent_minor: int | None = None

    @property
    def hit(self) -> bool:
        return self.verdict is Verdict.HIT


@dataclass(slots=True)
class Purse:
    """What is left for all campaigns of the merchant, minor units; falls with every hit."""

    left_minor: int | None = None
    groups: set[str] = field(default_factory=set)


def in_order(campaigns: Sequence[Campaign]) -> list[Campaign]:
    """Highest priority first; equal ones as they were made."""
    return sorted(campaigns, key=lambda campaign: (-campaign.priority, campaign.order))


def matches(
    campaign: Campaign, context: Mapping[str, Any], now: datetime
) -> tuple[Verdict, int | None]:
    """HIT when it is active, not past its time, and every condition is true; else why not."""
    if campaign.status is not CampaignStatus.ACTIVE:
        return Verdict.NOT_ACTIVE, None
    if campaign.ttl_until is not None and campaign.ttl_until < now:
        return Verdict.EXPIRED, None
    for index, condition in enumerate(campaign.conditions):
        if not condition.is_true_of(context):
            return Verdict.CONDITION, index
    return Verdict.HIT, None


def decide(
    campaign: Campaign,
    context: Mapping[str, Any],
    now: datetime,
    used: Used,
    purse: Purse,
    *,
    cost_minor: int = 0,
    held_out: bool = False,
) -> Decision:
    """Whether a campaign that listens for the event takes hold. A hit is taken off the purse."""
    verdict, index = matches(campaign, context, now)
    if verdict is not Verdict.HIT:
        return Decision(campaign.id, verdict, index)
    verdict, left = _limit(campaign.limits, used, purse, cost_minor, held_out), purse.left_minor
    spent = used.minor if campaign.limits.cap_minor is not None else None
    if verdict is not Verdict.HIT:
        return Decision(campaign.id, verdict, None, 0, left, spent)
    if left is not None:
        purse.left_minor = left - cost_minor
    if campaign.limits.group:
        purse.groups.add(campaign.limits.group)
    return Decision(campaign.id, verdict, None, cost_minor, left, spent)


def _limit(limits: Limits, used: Used, purse: Purse, cost: int, held_out: bool) -> Verdict:
    if limits.group in purse.groups:
        return Verdict.GROUP
    if limits.customer_hits is not None and used.customer_hits >= limits.customer_hits:
        return Verdict.FREQUENCY
    if used.units + limits.cost_units > limits.cap_units:
        return Verdict.BUDGET
    caps = (
        (Verdict.MONEY_CAP, limits.cap_minor, used.minor),
        (Verdict.CUSTOMER_CAP, limits.customer_cap_minor, used.customer_minor),
        (Verdict.DAY_CAP, limits.day_cap_minor, used.day_minor),
        (Verdict.MERCHANT_CAP, purse.left_minor, 0),
    )
    for verdict, cap, spent in caps:
        if cost and cap is not None and spent + cost > cap:
            return verdict
    return Verdict.HELD_OUT if held_out else Verdict.HIT


def is_at_its_cap(limits: Limits, spent_minor: int, cost_minor: int) -> bool:
    """Whether one more hit would cost more than the campaign may."""
    cap = limits.cap_minor
    return bool(cost_minor) and cap is not None and spent_minor + cost_minor > cap


def is_held_out(campaign_id: str, customer_id: str, percent: int) -> bool:
    """By lot, but always the same for one customer and one campaign."""
    drawn = int.from_bytes(sha256(f"{campaign_id}\n{customer_id}".encode()).digest()[:4])
    return drawn % 10_000 < percent * 100
