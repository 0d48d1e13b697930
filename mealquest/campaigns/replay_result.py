"""What is kept of a replay: sums, ranges, weeks, and what they do not know. Pure; minor units.

Nothing in it names a customer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from mealquest.campaigns.domain import Campaign, Limits, Verdict
from mealquest.campaigns.replay_domain import Outcome, Week
from mealquest.campaigns.replay_range import FEWEST_WEEKS, Range, range_of, unused
from mealquest.core.clock import iso_millis
from mealquest.payments.service import Taken
from mealquest.wallet.service import GiftUse


class Note(StrEnum):
    """What a replay does not know, or takes for granted."""

    TAGS_OF_TODAY = "TAGS_OF_TODAY"
    KEPT_ONLY = "KEPT_ONLY"  # the event leaves no row: only what some campaign listened for
    REPORTED = "REPORTED"  # of reports only the fields that were asked for are kept
    FIELD_NEVER_TOLD = "FIELD_NEVER_TOLD"
    KILL_SWITCHED = "KILL_SWITCHED"
    NO_END = "NO_END"  # it would end earlier than the span
    CAP_OF_TODAY = "CAP_OF_TODAY"  # the month's
    FEW_WEEKS = "FEW_WEEKS"
    SHORT_PAST = "SHORT_PAST"
    CARDS = "CARDS"
    FAULTY = "FAULTY"
    GIFTS_UNKNOWN = "GIFTS_UNKNOWN"  # no earlier gift tells how many are used


FIELDS: Mapping[str, frozenset[str]] = {
    "PAYMENT_SUCCESS": frozenset({"orderAmount", "orderCount", "tags"}),
    "RECHARGE": frozenset({"rechargeAmount", "bonusGranted", "tags"}),
    "REFUND": frozenset({"refundAmount", "totalRefunded", "tags"}),
    "USER_ENTER_SHOP": frozenset({"isNewUser", "hasReferral", "tags"}),
    "USER_INACTIVE": frozenset({"inactiveDays", "orderCount", "isHighValueUser", "tags"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A replay that is done, with what stands beside it.

    `actual`: hits, customers and cost of a campaign's own past as its rows have them.
    """

    campaign: Campaign
    outcome: Outcome
    since: datetime
    until: datetime
    cost_minor: int
    kept: int
    rebuilt: int
    reported: int
    is_rebuilt: bool
    taken: Mapping[int, Taken]
    use: GiftUse
    hours: int | None = None
    has_cards: bool = False
    faulty: bool = False
    actual: Mapping[str, int] | None = None


def result_of(past: Past) -> dict[str, Any]:
    out, worst = past.outcome, worst_of(past.campaign.limits, past.cost_minor)
    known = _known(past)
    cost = out.cost_minor + (out.cards_minor if past.actual else 0)
    open_later = unused(out.cost_minor, past.use.gifts, past.use.given_minor, past.use.used_minor)
    return {
        "since": iso_millis(past.since),
        "until": iso_millis(past.until),
        "event": past.campaign.event,
        "events": out.events,
        "kept": past.kept,
        "rebuilt": past.rebuilt,
        "hits": out.hits,
        "customers": len(out.customers),
        "costMinor": cost,
        "costOfHitMinor": past.cost_minor,
        "cards": out.cards,
        "cardsUsed": out.cards_used,
        "cardsMinor": out.cards_minor,
        "worstMinor": worst,
        "mostHits": most_hits(past.campaign.limits),
        "liability": _ends(open_later),
        "giftsSeen": past.use.gifts,
        "costRange": _ends(_drawn(known, "cost_minor", past.campaign.id, worst)),
        "hitsRange": _ends(
            _drawn(known, "hits", past.campaign.id, most_hits(past.campaign.limits))
        ),
        "weeksKnown": len(known),
        "misses": {v.value: n for v, n in sorted(out.verdicts.items()) if v is not Verdict.HIT},
        "stoppedAt": iso_millis(out.stopped_at) if out.stopped_at else None,
        "stoppedWhy": out.stopped_why.value if out.stopped_why else None,
        "weeks": [_week(number, week, past.taken) for number, week in enumerate(out.weeks)],
        "turnoverMinor": sum(one.minor for one in past.taken.values()),
        "orders": sum(one.orders for one in past.taken.values()),
        "notes": [note.value for note in _notes(past, known)],
        "actual": dict(past.actual) if past.actual else None,
    }


def most_hits(limits: Limits) -> int | None:
    return limits.cap_units // limits.cost_units if limits.cost_units else None


def worst_of(limits: Limits, cost_minor: int) -> int | None:
    """What all hits together may cost at once; None: there is no end to it."""
    hits = most_hits(limits)
    by_units = hits * cost_minor if hits is not None else (None if cost_minor else 0)
    caps = [cap for cap in (by_units, limits.cap_minor) if cap is not None]
    return min(caps, default=None)


def _known(past: Past) -> Sequence[Week]:
    """The weeks since anything was heard or bought: before that there was no shop to speak of."""
    weeks = past.outcome.weeks
    seen = [n for n, week in enumerate(weeks) if week.events or n in past.taken]
    return weeks[seen[0] :] if seen else []


def _drawn(weeks: Sequence[Week], name: str, seed: str, most: int | None) -> Range | None:
    found = range_of([getattr(week, name) for week in weeks], f"{seed} {name}")
    return found.at_most(most) if found else None


def _ends(found: Range | None) -> dict[str, int] | None:
    return asdict(found) if found else None


def _week(number: int, week: Week, taken: Mapping[int, Taken]) -> dict[str, Any]:
    there = taken.get(number)
    return {
        "begins": iso_millis(week.begins),
        "events": week.events,
        "hits": week.hits,
        "costMinor": week.cost_minor,
        "cardsMinor": week.cards_minor,
        "turnoverMinor": there.minor if there else 0,
        "orders": there.orders if there else 0,
    }


def _notes(past: Past, known: Sequence[Week]) -> list[Note]:
    campaign, out = past.campaign, past.outcome
    asked = {condition.field for condition in campaign.conditions}
    told = FIELDS.get(campaign.event)
    true = {
        Note.FAULTY: past.faulty,
        Note.SHORT_PAST: len(known) < len(out.weeks) and not past.actual,
        Note.FEW_WEEKS: len(known) < FEWEST_WEEKS,
        Note.KEPT_ONLY: not past.is_rebuilt and not past.actual,
        Note.REPORTED: past.reported > 0 and not past.actual,
        Note.FIELD_NEVER_TOLD: told is not None and not asked <= told,
        Note.TAGS_OF_TODAY: "tags" in asked and past.rebuilt > 0,
        Note.KILL_SWITCHED: out.kill_switched > 0,
        Note.NO_END: past.hours is not None,
        Note.CARDS: past.has_cards and not past.actual,
        Note.GIFTS_UNKNOWN: not past.use.gifts and out.cost_minor > 0,
        Note.CAP_OF_TODAY: past.cost_minor > 0 and not past.actual,
    }
    return [note for note, is_true in true.items() if is_true]
