"""What routes answer of a replay. Amounts are in major units."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from mealquest.campaigns.domain import Stopped
from mealquest.campaigns.models import CampaignReplay
from mealquest.campaigns.replay_domain import ReplayState
from mealquest.campaigns.replay_result import Note
from mealquest.core.money import Currency
from mealquest.core.wire import Amount, Timestamp, View
from mealquest.wallet.service import major

NONE = "NONE"  # nobody asked for it


class CostRange(View):
    """Nine times in ten between `low` and `high`; no promise."""

    low: Amount
    likely: Amount
    high: Amount


class HitsRange(View):
    low: int
    likely: int
    high: int


class ReplayWeek(View):
    """`turnover`: what the shop took in that week as it was, refunds taken off."""

    begins: Timestamp
    events: int
    hits: int
    cost: Amount
    cards: Amount
    turnover: Amount
    orders: int


class DoingNothing(View):
    """The same time without the campaign: as it was, at no cost."""

    turnover: Amount
    orders: int
    cost: Amount


class Actual(View):
    """What the campaign really did, by its rows. `same`: the replay comes to the very same."""

    hits: int
    customers: int
    cost: Amount
    same: bool


class ReplayResult(View):
    """What a campaign would have done. `events`: what it would have heard.

    `cost` is exact for what happened: money and vouchers at their face value. `cards` is what
    discount cards would have taken off, apart from it. `liability` is the part of the cost that
    customers have not used yet, later on. `worst_case` null: its limits set none.
    """

    since: Timestamp
    until: Timestamp
    event: str
    events: int
    hits: int
    customers: int
    cost: Amount
    cost_of_hit: Amount
    cost_range: CostRange | None
    hits_range: HitsRange | None
    worst_case: Amount | None
    most_hits: int | None
    liability: CostRange
    gifts_seen: int
    cards_given: int
    cards_used: int
    cards: Amount
    nothing: DoingNothing
    misses: dict[str, int]
    stopped_at: Timestamp | None
    stopped_why: Stopped | None
    weeks: list[ReplayWeek]
    weeks_known: int
    notes: list[Note]
    actual: Actual | None

    @classmethod
    def of(cls, kept: Mapping[str, Any], currency: Currency) -> Self:
        def money(minor: int) -> Any:
            return major(minor, currency)

        def span(name: str) -> CostRange | None:
            ends = kept[name]
            return CostRange(**{end: money(minor) for end, minor in ends.items()}) if ends else None

        worst, liability = kept["worstMinor"], span("liability")
        return cls.model_validate(
            {name: kept[name] for name in _AS_KEPT}
            | {
                "cost": money(kept["costMinor"]),
                "costOfHit": money(kept["costOfHitMinor"]),
                "costRange": span("costRange"),
                "hitsRange": kept["hitsRange"],
                "worstCase": None if worst is None else money(worst),
                "liability": liability,
                "cardsGiven": kept["cards"],
                "cards": money(kept["cardsMinor"]),
                "nothing": DoingNothing(
                    turnover=money(kept["turnoverMinor"]), orders=kept["orders"], cost=money(0)
                ),
                "weeks": [_week(week, currency) for week in kept["weeks"]],
                "actual": _actual(kept, currency),
            }
        )


_AS_KEPT = (
    "since",
    "until",
    "event",
    "events",
    "hits",
    "customers",
    "mostHits",
    "giftsSeen",
    "cardsUsed",
    "misses",
    "stoppedAt",
    "stoppedWhy",
    "weeksKnown",
    "notes",
)


def _week(kept: Mapping[str, Any], currency: Currency) -> ReplayWeek:
    return ReplayWeek(
        begins=datetime.fromisoformat(kept["begins"]),
        events=kept["events"],
        hits=kept["hits"],
        cost=major(kept["costMinor"], currency),
        cards=major(kept["cardsMinor"], currency),
        turnover=major(kept["turnoverMinor"], currency),
        orders=kept["orders"],
    )


def _actual(kept: Mapping[str, Any], currency: Currency) -> Actual | None:
    if kept["actual"] is None:
        return None
    real = kept["actual"]
    return Actual(
        hits=real["hits"],
        customers=real["customers"],
        cost=major(real["costMinor"], currency),
        same=all(real[name] == kept[name] for name in ("hits", "customers", "costMinor")),
    )


class ReplayView(View):
    """A replay: NONE (nobody asked), WAITING, DONE or FAILED, and what came of it.

    `may_renew`: it failed, or is older than a day.
    """

    state: str
    asked_at: Timestamp | None
    done_at: Timestamp | None
    may_renew: bool
    currency: Currency
    result: ReplayResult | None

    @classmethod
    def of(cls, row: CampaignReplay | None, currency: Currency, stale: datetime) -> Self:
        """`stale`: what was done before it may be made anew."""
        if row is None:
            return cls(
                state=NONE,
                asked_at=None,
                done_at=None,
                may_renew=True,
                currency=currency,
                result=None,
            )
        old = row.done_at is not None and row.done_at <= stale
        done = row.state is ReplayState.DONE and row.result is not None
        return cls(
            state=row.state.value,
            asked_at=row.created_at,
            done_at=row.done_at,
            may_renew=old or row.state is ReplayState.FAILED,
            currency=currency,
            result=ReplayResult.of(row.result or {}, currency) if done else None,
        )
