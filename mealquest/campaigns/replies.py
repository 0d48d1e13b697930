"""What campaigns answer. Amounts are in major units of the merchant's currency."""

from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import Field

from mealquest.campaigns.actions import ActionType, cost_of
from mealquest.campaigns.domain import CampaignStatus, Stopped, Verdict
from mealquest.campaigns.models import CampaignRow
from mealquest.campaigns.outcome_replies import OutcomeView
from mealquest.core.clock import utc_now
from mealquest.core.money import Currency
from mealquest.core.wire import Amount, Page, Timestamp, View
from mealquest.wallet.service import major


class TriggerView(View):
    executed: list[str]
    story_cards: list[dict[str, Any]]
    blocked_by_kill_switch: bool
    grants: list[dict[str, Any]]

    @classmethod
    def blocked(cls) -> Self:
        return cls(executed=[], story_cards=[], blocked_by_kill_switch=True, grants=[])


class EventView(View):
    event: str


class ConditionView(View):
    field: str
    op: str
    value: Any


class BudgetView(View):
    """In units, which are no money."""

    cap: int
    used: int
    cost_per_hit: int


class LimitsView(View):
    """Null: no such limit. `customerHits` within `customerDays`, or ever."""

    money_cap: Amount | None
    customer_cap: Amount | None
    day_cap: Amount | None
    customer_hits: int | None
    customer_days: int | None
    group: str | None
    holdout_percent: int


class CampaignView(View):
    """A campaign as the contract has it, with its limits and what it has given so far.

    `ended`: its time is over; `usedUp`: its units are not enough for one more hit. Either way its
    `status` stays as it is. `cost` counts money and vouchers at their face value when they are
    given, and discount cards by what they took off when they were used; `costOfHit` is what the
    next hit costs at once.
    """

    id: str
    merchant_id: str
    name: str
    status: CampaignStatus
    priority: int
    trigger: EventView
    conditions: list[ConditionView]
    budget: BudgetView
    action: dict[str, Any]
    ttl_until: Timestamp | None
    strategy_meta: dict[str, Any] | None
    created_at: Timestamp
    updated_at: Timestamp | None
    limits: LimitsView
    hits: int
    cost: Amount
    cost_of_hit: Amount
    stopped_why: Stopped | None
    ended: bool
    used_up: bool

    @classmethod
    def of(cls, row: CampaignRow, currency: Currency) -> Self:
        return cls(**campaign_values(row, currency))

    @property
    def gives(self) -> ActionType:
        return ActionType(self.action["type"])

    @property
    def remaining_units(self) -> int:
        return self.budget.cap - self.budget.used


def campaign_values(row: CampaignRow, currency: Currency) -> dict[str, Any]:
    return {
        "id": row.id,
        "merchant_id": row.merchant_id,
        "name": row.name,
        "status": row.status,
        "priority": row.priority,
        "trigger": EventView(event=row.event),
        "conditions": [ConditionView(**condition) for condition in row.conditions],
        "budget": BudgetView(cap=row.cap_units, used=row.used_units, cost_per_hit=row.cost_units),
        "action": row.action,
        "ttl_until": row.ttl_until,
        "strategy_meta": row.strategy_meta,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "limits": _limits(row, currency),
        "hits": row.hits,
        "cost": major(row.spent_minor, currency),
        "cost_of_hit": major(cost_of(row.action, currency), currency),
        "stopped_why": row.stopped_why,
        "ended": row.ttl_until is not None and row.ttl_until < utc_now(),
        "used_up": row.used_units + row.cost_units > row.cap_units,
    }


def _limits(row: CampaignRow, currency: Currency) -> LimitsView:
    def known(minor: int | None) -> Decimal | None:
        return None if minor is None else major(minor, currency)

    return LimitsView(
        money_cap=known(row.cap_minor),
        customer_cap=known(row.customer_cap_minor),
        day_cap=known(row.day_cap_minor),
        customer_hits=row.customer_hits,
        customer_days=row.customer_days,
        group=row.exclusive_group,
        holdout_percent=row.holdout_percent,
    )


class MonthView(View):
    """What all campaigns cost this month, of what they may."""

    cost: Amount
    cap: Amount


class CampaignsPage(Page):
    merchant_id: str
    currency: Currency
    kill_switch_enabled: bool
    month: MonthView
    items: list[CampaignView]


class DecisionView(View):
    """What became of a campaign at one event, and why.

    `condition`: the first that was not true, and in `found` what stood there; `verdict` is null
    when the kill switch let nothing be decided. `given` is what a hit gave, with ids.
    """

    trigger_id: str
    user_id: str
    display_name: str
    event: str
    source: str
    payment_txn_id: str | None
    blocked_by_kill_switch: bool
    verdict: Verdict | None
    condition: ConditionView | None
    found: Any
    cost: Amount
    given: list[dict[str, Any]]
    decided_at: Timestamp


class DecisionsPage(Page):
    merchant_id: str
    campaign_id: str
    currency: Currency
    items: list[DecisionView]


class CampaignDetail(CampaignView):
    currency: Currency
    kill_switch_enabled: bool
    recent: list[DecisionView]  # the newest ten
    outcome: OutcomeView


class CampaignStatusView(View):
    merchant_id: str
    campaign_id: str
    status: CampaignStatus


class KillSwitchView(View):
    merchant_id: str
    kill_switch_enabled: bool


class KillSwitchKept(KillSwitchView):
    """What the switch will be as soon as the merchant, closed for a moment, is open."""

    accepted: Literal[True] = True


class FireSaleView(View):
    merchant_id: str
    campaign_id: str
    priority: int
    ttl_until: Timestamp


class FireSalePlan(View):
    """A fire sale before it begins. `worst` is what its cards would take off if each met an order
    like the largest of the last 30 days; null when there was none."""

    target_sku: str
    ttl_minutes: int
    voucher_value: int
    max_qty: int
    discount_percent: int
    card_days: int
    currency: Currency
    typical: Amount | None
    worst: Amount | None
    kill_switch_enabled: bool


class PaymentHit(View):
    campaign_id: str
    campaign_name: str
    given: list[dict[str, Any]]
    cost: Amount


class PaymentHitsView(View):
    """What campaigns gave for a payment. `decided` is false while one that listens for payments has
    not looked at it."""

    merchant_id: str
    payment_txn_id: str
    currency: Currency
    decided: bool
    hits: list[PaymentHit] = Field(default_factory=list)
