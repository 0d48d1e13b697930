"""What a campaign has done so far, as it is answered. Amounts are in major units."""

from datetime import date
from typing import Any, Self

from mealquest.campaigns.lift import LEAST, WINDOW, Difference, Lift, LiftVerdict, Side
from mealquest.core.money import Currency
from mealquest.core.wire import Amount, Page, Timestamp, View
from mealquest.wallet.service import VoucherFates, major

# --- lift -------------------------------------------------------------------------------------


class SideView(View):
    """One side of the lot. `lacks`: how many more customers it takes before anything is said."""

    customers: int
    came_back: int
    share: float
    mean_spend: Amount
    lacks: int

    @classmethod
    def of(cls, side: Side, currency: Currency) -> Self:
        return cls(
            customers=side.customers,
            came_back=side.came_back,
            share=round(side.share, 4),
            mean_spend=major(round(side.mean), currency),
            lacks=side.lacks,
        )


class SpendDifference(View):
    """More (or less) than the held-out customers, with its interval of 95 %."""

    value: Amount
    low: Amount
    high: Amount
    verdict: LiftVerdict

    @classmethod
    def of(cls, found: Difference, currency: Currency) -> Self:
        value, low, high = (
            major(round(minor), currency) for minor in (found.value, found.low, found.high)
        )
        return cls(value=value, low=low, high=high, verdict=found.verdict)


class ShareDifference(View):
    """As SpendDifference, of the share that came back, where 1 is everybody."""

    value: float
    low: float
    high: float
    verdict: LiftVerdict

    @classmethod
    def of(cls, found: Difference) -> Self:
        value, low, high = (round(share, 4) for share in (found.value, found.low, found.high))
        return cls(value=value, low=low, high=high, verdict=found.verdict)


class LiftView(View):
    """What the campaign did, told from customers who got nothing by lot.

    Counted is what each customer bought within `window_days` after first meeting the campaign,
    refunds taken off; both sides as they were drawn. The differences are null while it is too
    early. `incremental` is the spend's difference for all who got it, `cost` what they got, and
    `cost_per_unit` cost for each unit of turnover that came on top; null unless there is more.
    `moves_until`: the time of some customers is not over, so the figures still move.
    """

    verdict: LiftVerdict
    holdout_percent: int
    window_days: int
    least: int
    treated: SideView
    held_out: SideView
    spend: SpendDifference | None
    share: ShareDifference | None
    incremental: SpendDifference | None
    cost: Amount
    cost_per_unit: float | None
    moves_until: Timestamp | None

    @classmethod
    def of(cls, found: Lift, holdout: int, currency: Currency, cost_minor: int, until: Any) -> Self:
        drawn = holdout or found.held_out.customers
        more = found.spend.times(found.treated.customers) if found.spend else None
        effective = more is not None and more.verdict is LiftVerdict.MORE
        return cls(
            verdict=found.verdict if drawn else LiftVerdict.NO_HOLDOUT,
            holdout_percent=holdout,
            window_days=WINDOW.days,
            least=LEAST,
            treated=SideView.of(found.treated, currency),
            held_out=SideView.of(found.held_out, currency),
            spend=SpendDifference.of(found.spend, currency) if found.spend else None,
            share=ShareDifference.of(found.share) if found.share else None,
            incremental=SpendDifference.of(more, currency) if more else None,
            cost=major(cost_minor, currency),
            cost_per_unit=round(cost_minor / more.value, 4) if more and effective else None,
            moves_until=until,
        )


# --- sums -------------------------------------------------------------------------------------


class FatesView(View):
    """What became of the vouchers. `rate`: the used ones of all that were given; null of none."""

    given: int
    live: int
    held: int
    used: int
    expired: int
    withdrawn: int
    rate: float | None

    @classmethod
    def of(cls, found: VoucherFates) -> Self:
        return cls(
            given=found.given,
            live=found.live,
            held=found.held,
            used=found.used,
            expired=found.expired,
            withdrawn=found.withdrawn,
            rate=round(found.used / found.given, 4) if found.given else None,
        )


class MoneyGiven(View):
    """`bonus_left` can still be spent; the rest of it was spent, expired or was taken back."""

    bonus: Amount
    bonus_left: Amount
    silver: Amount
    principal: Amount
    fragments: int
    taken_back: Amount


class LeftView(View):
    """What is left of each limit; null: no such limit. The month is that of all campaigns."""

    units: int
    hits: int | None
    money: Amount | None
    today: Amount | None
    month: Amount


class PointView(View):
    since: date
    hits: int
    cost: Amount


class OutcomeView(View):
    """What a campaign has done so far. `cost` includes what discount cards took off (`cards_cost`);
    points of `step` days sum to hits and cost."""

    hits: int
    customers: int
    units: int
    cost: Amount
    cards: int
    cards_cost: Amount
    left: LeftView
    vouchers: FatesView
    given: MoneyGiven
    step: int
    points: list[PointView]
    lift: LiftView


# --- hits -------------------------------------------------------------------------------------


class HitView(View):
    """One hit. `cost` includes what its discount cards took off when they paid."""

    hit_id: str
    user_id: str
    display_name: str
    event: str
    by_hand: bool
    payment_txn_id: str | None
    units: int
    cost: Amount
    given: list[dict[str, Any]]
    created_at: Timestamp


class HitsPage(Page):
    merchant_id: str
    campaign_id: str
    currency: Currency
    items: list[HitView]
