"""What a replay is fed with, and what comes of it. Pure, no database. Amounts in minor units."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from mealquest.campaigns.domain import Stopped, Verdict

WEEK = timedelta(days=7)


class ReplayState(StrEnum):
    WAITING = "WAITING"  # a worker, or the tick that rings for one, leaves it
    DONE = "DONE"
    FAILED = "FAILED"  # it took too long, or broke; it can be asked for again


@dataclass(frozen=True, slots=True)
class Happening:
    """Something a campaign hears. `said`: what each campaign that listened decided then, if that
    is known. `earns`: false of a payment that was given back before anything was given."""

    at: datetime
    customer_id: str
    context: Mapping[str, Any]
    is_manual: bool = False
    kill_switch: bool = False
    earns: bool = True
    said: Mapping[str, Sequence[Any]] | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """What a campaign cost at some time, minor units; `own`: a card of the one that is replayed."""

    at: datetime
    minor: int
    own: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    at: datetime
    customer_id: str
    minor: int


@dataclass(frozen=True, slots=True)
class Shop:
    """Where it is replayed. `month_cap_minor`: of all campaigns together.

    `ahead`: campaigns of the same event that are asked before this one; `rivals`: those of them
    that are of its group.
    """

    time_zone: str
    month_cap_minor: int
    ahead: frozenset[str] = frozenset()
    rivals: frozenset[str] = frozenset()


@dataclass(slots=True)
class Week:
    begins: datetime
    events: int = 0
    hits: int = 0
    cost_minor: int = 0
    cards_minor: int = 0


@dataclass(slots=True)
class Outcome:
    """What came of it, minor units. `cards_minor`: taken off by discount cards; of a proposal an
    estimate, of a campaign's own past what was counted."""

    events: int = 0
    hits: int = 0
    cost_minor: int = 0
    cards: int = 0
    cards_used: int = 0
    cards_minor: int = 0
    customers: set[str] = field(default_factory=set)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    kill_switched: int = 0
    stopped_at: datetime | None = None
    stopped_why: Stopped | None = None
    weeks: list[Week] = field(default_factory=list)
