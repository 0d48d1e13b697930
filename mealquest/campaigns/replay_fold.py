"""A campaign run over the past: a fold over what happened, in its order. Pure, no database.

It decides with the very functions the engine decides with, and keeps count of what the engine
reads from rows: units, money, each customer, the day, the month.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from mealquest.campaigns.actions import Give
from mealquest.campaigns.domain import (
    EXPOSED,
    STOPS,
    Campaign,
    CampaignStatus,
    Decision,
    Purse,
    Stopped,
    Used,
    Verdict,
    decide,
    is_at_its_cap,
    is_held_out,
)
from mealquest.campaigns.replay_domain import (
    WEEK,
    Happening,
    Order,
    Outcome,
    Shop,
    Spending,
    Week,
)

Timed = TypeVar("Timed", Spending, Order)


@dataclass(slots=True)
class _Card:
    rate: Decimal
    min_spend_minor: int
    given_at: datetime
    until: datetime


class Replay:
    """One campaign, fed in order of time: `run` for all of it.

    `follow`: it is the campaign's own past, so that its switches of those days count.
    """

    def __init__(
        self,
        campaign: Campaign,
        gives: Sequence[Give],
        shop: Shop,
        since: datetime,
        until: datetime,
        *,
        follow: bool = False,
    ) -> None:
        self.campaign, self.shop, self.since, self.follow = campaign, shop, since, follow
        self.cost = sum(give.cost_minor for give in gives)
        self.cards = [give.voucher for give in gives if give.voucher and give.voucher.discount_rate]
        self.outcome = Outcome(weeks=_weeks(since, until))
        self._zone = ZoneInfo(shop.time_zone)
        self._month: dict[date, int] = defaultdict(int)
        self._day: dict[date, int] = defaultdict(int)
        self._of_customer: dict[str, int] = defaultdict(int)
        self._times: dict[str, deque[datetime]] = defaultdict(deque)
        self._waiting: dict[str, list[_Card]] = {}
        self._running = campaign.status is CampaignStatus.ACTIVE

    def run(
        self,
        happenings: Iterable[Happening],
        spent: Iterable[Spending] = (),
        orders: Iterable[Order] = (),
    ) -> Outcome:
        """All of it; each stream in order of its times. What others spent counts for the month."""
        others, bought = _Ahead(spent), _Ahead(orders)
        for one in happenings:
            for spending in others.before(one.at):
                self._count_spending(spending)
            for order in bought.up_to(one.at):
                self._buy(order)
            self._hear(one)
        for order in bought.rest():
            self._buy(order)
        for spending in others.rest():
            self._count_spending(spending)
        return self.outcome

    def _hear(self, one: Happening) -> None:
        out = self.outcome
        out.events += 1
        self._week(one.at).events += 1
        if one.kill_switch:
            out.kill_switched += 1
            return
        decision = self._decide(one)
        out.verdicts[decision.verdict] += 1
        if decision.hit:
            self._give(one)
        spent = out.cost_minor + self._own_cards
        why = STOPS.get(decision.verdict)
        if decision.hit and is_at_its_cap(self.campaign.limits, spent, self.cost):
            why = Stopped.MONEY_CAP
        if why:
            self._stop(one.at, why)

    def _decide(self, one: Happening) -> Decision:
        campaign, ours = self.campaign, (one.said or {}).get(self.campaign.id)
        if self.follow:
            self._running = ours is not None and ours[0] != Verdict.NOT_ACTIVE
        state = CampaignStatus.ACTIVE if self._running else CampaignStatus.PAUSED
        if campaign.status is not state:
            campaign = replace(campaign, status=state)
        percent = campaign.limits.holdout_percent
        decision = decide(
            campaign,
            one.context,
            one.at,
            self._used(one),
            self._purse(one),
            cost_minor=self.cost,
            held_out=bool(percent)
            and not one.is_manual
            and is_held_out(campaign.id, one.customer_id, percent),
        )
        return decision if one.earns or decision.verdict not in EXPOSED else self._refunded()

    def _refunded(self) -> Decision:
        return Decision(self.campaign.id, Verdict.REFUNDED)

    def _used(self, one: Happening) -> Used:
        limits, out, who = self.campaign.limits, self.outcome, one.customer_id
        hits = len(self._times_of(one)) if limits.customer_hits else 0
        _left, spent = self._kept(one)
        return Used(
            out.hits * limits.cost_units,
            out.cost_minor + self._own_cards if spent is None else spent,
            self._of_customer.get(who, 0),
            self._day.get(self._date(one.at), 0) if limits.day_cap_minor else 0,
            hits,
        )

    def _kept(self, one: Happening) -> tuple[int | None, int | None]:
        """What the month had left and the campaign had cost when it decided, as it was kept: a card
        counts when its payment was heard of, and the owner may change what a month may cost."""
        ours = (one.said or {}).get(self.campaign.id) if self.follow else None
        return (ours[3], ours[4]) if ours and len(ours) > 3 else (None, None)

    def _times_of(self, one: Happening) -> Sequence[datetime]:
        """When this customer had it, as far back as it counts."""
        times = self._times.get(one.customer_id)
        if not times:
            return ()
        if days := self.campaign.limits.customer_days:
            while times and times[0] <= one.at - timedelta(days=days):
                times.popleft()
        return times

    def _purse(self, one: Happening) -> Purse:
        said = one.said or {}
        hit = {who: one[2] for who, one in said.items() if one[0] == Verdict.HIT}
        groups = {self.campaign.limits.group or ""} if self.shop.rivals & hit.keys() else set()
        if not self.cost:
            return Purse(None, groups)
        left, _spent = self._kept(one)
        if left is not None:
            return Purse(left, groups)
        ahead = sum(cost for who, cost in hit.items() if who in self.shop.ahead)
        left = self.shop.month_cap_minor - self._month.get(self._month_of(one.at), 0)
        return Purse(max(0, left) - ahead, groups)

    def _give(self, one: Happening) -> None:
        out, week, limits = self.outcome, self._week(one.at), self.campaign.limits
        out.hits += 1
        out.cost_minor += self.cost
        out.customers.add(one.customer_id)
        week.hits += 1
        week.cost_minor += self.cost
        if self.cost:
            self._month[self._month_of(one.at)] += self.cost
            self._of_customer[one.customer_id] += self.cost
        if limits.day_cap_minor:
            self._day[self._date(one.at)] += self.cost
        if limits.customer_hits:
            self._times[one.customer_id].append(one.at)
        for card in self.cards:
            out.cards += 1
            if not self.follow and card.discount_rate:
                mine = self._waiting.setdefault(one.customer_id, [])
                mine.append(
                    _Card(card.discount_rate, card.min_spend_minor, one.at, one.at + card.life)
                )

    def _buy(self, order: Order) -> None:
        """The best card that waits pays for a part of the customer's next order."""
        cards = self._waiting.get(order.customer_id)
        if not cards:
            return
        cards[:] = [card for card in cards if card.until >= order.at]
        good = [c for c in cards if c.min_spend_minor <= order.minor and c.given_at < order.at]
        if good:
            best = min(good, key=lambda card: card.rate)
            cards.remove(best)
            off = (order.minor * (1 - best.rate)).quantize(Decimal(1), ROUND_HALF_UP)
            self._count_card(order.at, int(off))
        if not cards:
            del self._waiting[order.customer_id]

    def _count_spending(self, spending: Spending) -> None:
        self._month[self._month_of(spending.at)] += spending.minor
        if spending.own:
            self._count_card(spending.at, spending.minor)

    def _count_card(self, at: datetime, minor: int) -> None:
        self.outcome.cards_used += 1
        self.outcome.cards_minor += minor
        self._week(at).cards_minor += minor

    @property
    def _own_cards(self) -> int:
        """What cards took off counts against the campaign's cap, once it is known."""
        return self.outcome.cards_minor if self.follow else 0

    def _stop(self, at: datetime, why: Stopped) -> None:
        self._running = False
        if self.outcome.stopped_at is None:
            self.outcome.stopped_at, self.outcome.stopped_why = at, why

    def _week(self, at: datetime) -> Week:
        weeks = self.outcome.weeks
        return weeks[max(0, min((at - self.since) // WEEK, len(weeks) - 1))]

    def _date(self, at: datetime) -> date:
        return at.astimezone(self._zone).date()

    def _month_of(self, at: datetime) -> date:
        return self._date(at).replace(day=1)


def _weeks(since: datetime, until: datetime) -> list[Week]:
    count = max(1, -(-(until - since) // WEEK))
    return [Week(since + WEEK * number) for number in range(count)]


class _Ahead(Generic[Timed]):
    """A stream of which only what is older than some moment is taken."""

    def __init__(self, rows: Iterable[Timed]) -> None:
        self._rows: Iterator[Timed] = iter(rows)
        self._next: Timed | None = next(self._rows, None)

    def before(self, at: datetime) -> Iterator[Timed]:
        while self._next is not None and self._next.at < at:
            yield self._take(self._next)

    def up_to(self, at: datetime) -> Iterator[Timed]:
        while self._next is not None and self._next.at <= at:
            yield self._take(self._next)

    def rest(self) -> Iterator[Timed]:
        while self._next is not None:
            yield self._take(self._next)

    def _take(self, found: Timed) -> Timed:
        self._next = next(self._rows, None)
        return found
