"""One event of one customer: every campaign that listens is decided, and what hits is given.

Everything is one transaction, so a campaign that cannot be carried out leaves nothing behind.
Order of locks: the kill switch (shared), the campaigns that may hit by their ids, the customer's
wallet, the month. Whoever takes a wallet first never takes a campaign.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from mealquest.campaigns import granting, queries, switching
from mealquest.campaigns.actions import Give, gives
from mealquest.campaigns.domain import (
    EXPOSED,
    STOPS,
    Campaign,
    Decision,
    Purse,
    Stopped,
    Used,
    Verdict,
    decide,
    in_order,
    is_at_its_cap,
    is_held_out,
    matches,
)
from mealquest.campaigns.granting import Hit
from mealquest.campaigns.kept import kept_context
from mealquest.campaigns.models import CampaignRow
from mealquest.campaigns.queries import Occasion
from mealquest.campaigns.replies import TriggerView
from mealquest.core.clock import utc_now
from mealquest.core.errors import Invalid
from mealquest.core.ids import new_id
from mealquest.core.money import Currency
from mealquest.identity import service as identity
from mealquest.payments import service as payments
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantFacts
from mealquest.wallet import service as wallets
from mealquest.wallet.service import LockedWallet


@dataclass(slots=True)
class _Plan:
    """What may hit: the action of each campaign worked out, minor units of its cost."""

    gives: dict[str, list[Give]] = field(default_factory=dict)
    faulty: set[str] = field(default_factory=set)

    def cost_of(self, campaign_id: str) -> int:
        return sum(give.cost_minor for give in self.gives.get(campaign_id, ()))

    @property
    def needs_wallet(self) -> bool:
        return any(give.story is None for gifts in self.gives.values() for give in gifts)


def run(session: Session, merchant_id: str, occasion: Occasion) -> TriggerView | None:
    """Decide and give. None: the event that brought it came before.

    Raises:
        UserNotFound, WalletBusy, CampaignsBusy.
        ActionFaulty: of a manual trigger, when what would hit cannot be carried out. An event of
            the product passes such a campaign over.
    """
    switching.let_nobody_switch(session, merchant_id)
    merchant = tenancy.settings_of(session, merchant_id)
    customer = identity.customer_facts(session, merchant_id, occasion.customer_id)
    context = {**occasion.context, "tags": list(customer.tags)}
    now = utc_now()
    rows = queries.listening(session, merchant_id, occasion.event, now)
    trigger_id, off = new_id("trigger"), merchant.kill_switch_enabled
    kept = kept_context(context, rows, whole=not occasion.is_manual)
    if not queries.add_trigger(session, merchant_id, trigger_id, occasion, kept, kill_switch=off):
        return None
    if off:
        return TriggerView.blocked()
    plan = _lock_what_may_hit(session, merchant, rows, occasion, context, now)
    wallet = _wallet(session, merchant_id, occasion, plan)
    decisions = _decide(session, merchant, rows, occasion, context, plan)
    view = _give(session, merchant, wallet, occasion, trigger_id, rows, decisions, plan)
    _stop(session, merchant_id, rows, decisions, plan)
    _note_exposures(session, merchant_id, occasion, rows, decisions)
    queries.set_decisions(session, merchant_id, trigger_id, _compact(decisions))
    return view


def _lock_what_may_hit(
    session: Session,
    merchant: MerchantFacts,
    rows: Sequence[CampaignRow],
    occasion: Occasion,
    context: dict[str, Any],
    now: datetime,
) -> _Plan:
    """A first look without locks keeps campaigns apart that have nothing to do with the event."""
    plan, ids = _Plan(), []
    for row in rows:
        verdict, _ = matches(queries.campaign_of(row), context, now)
        if verdict is Verdict.HIT and row.used_units + row.cost_units <= row.cap_units:
            ids.append(row.id)
            _work_out(plan, row, merchant.currency, occasion)
    if ids:
        queries.lock(session, merchant.merchant_id, ids)
    return plan


def _work_out(plan: _Plan, row: CampaignRow, currency: Currency, occasion: Occasion) -> None:
    try:
        plan.gives[row.id] = gives(row.action, currency)
    except Invalid:
        if occasion.is_manual:
            raise
        plan.faulty.add(row.id)


def _wallet(
    session: Session, merchant_id: str, occasion: Occasion, plan: _Plan
) -> LockedWallet | None:
    """The one the customer uses at this store; what a payment earns goes to the one that paid."""
    if not plan.needs_wallet:
        return None
    paid = occasion.payment_id
    holder = payments.wallet_keeper(session, merchant_id, paid) if paid else None
    return wallets.lock_shared(
        session, merchant_id, occasion.customer_id, holder=holder, introduce=True
    )


def _decide(
    session: Session,
    merchant: MerchantFacts,
    rows: Sequence[CampaignRow],
    occasion: Occasion,
    context: dict[str, Any],
    plan: _Plan,
) -> list[Decision]:
    """As things stand under the locks, in order."""
    now, zone = utc_now(), ZoneInfo(merchant.time_zone)
    midnight = datetime.combine(now.astimezone(zone).date(), time.min, zone)
    planned = [row for row in rows if row.id in plan.gives]
    used = queries.used(session, planned, occasion.customer_id, now, midnight)
    purse = Purse(_left(session, merchant, plan, now))
    earns = not occasion.payment_id or not planned or _may_earn(session, merchant, occasion)
    found = []
    for campaign in in_order([queries.campaign_of(row, at) for at, row in enumerate(rows)]):
        if campaign.id in plan.faulty:
            found.append(Decision(campaign.id, Verdict.FAULTY))
            continue
        decision = decide(
            campaign,
            context,
            now,
            used.get(campaign.id) or _used_units(rows, campaign),
            purse,
            cost_minor=plan.cost_of(campaign.id),
            held_out=not occasion.is_manual and _held_out(campaign, occasion),
        )
        found.append(_unless(decision, plan, earns))
    return found


def _unless(decision: Decision, plan: _Plan, earns: bool) -> Decision:
    """A hit that is none, because its payment earns nothing any more; a customer who is held out is
    treated alike, so that both sides of the lot stay comparable.

    What turned active between the first look and the locks has to wait for the next event.
    """
    if decision.verdict not in EXPOSED:
        return decision
    if decision.campaign_id not in plan.gives:
        return Decision(decision.campaign_id, Verdict.NOT_ACTIVE)
    return decision if earns else Decision(decision.campaign_id, Verdict.REFUNDED)


def _used_units(rows: Sequence[CampaignRow], campaign: Campaign) -> Used:
    row = next(row for row in rows if row.id == campaign.id)
    return Used(units=row.used_units, minor=row.spent_minor)


def _may_earn(session: Session, merchant: MerchantFacts, occasion: Occasion) -> bool:
    payment_id = occasion.payment_id or ""
    return payments.may_earn(session, merchant.merchant_id, payment_id)


def _held_out(campaign: Campaign, occasion: Occasion) -> bool:
    percent = campaign.limits.holdout_percent
    return bool(percent) and is_held_out(campaign.id, occasion.customer_id, percent)


def _left(session: Session, merchant: MerchantFacts, plan: _Plan, now: datetime) -> int | None:
    """What all campaigns may still cost this month; locked when one of them may cost something."""
    if not any(plan.cost_of(campaign_id) for campaign_id in plan.gives):
        return None
    month = queries.month_of(now, merchant.time_zone)
    spent = queries.add_to_month(session, merchant.merchant_id, month)
    return max(0, merchant.budget_cap_minor - spent)


def _give(
    session: Session,
    merchant: MerchantFacts,
    wallet: LockedWallet | None,
    occasion: Occasion,
    trigger_id: str,
    rows: Sequence[CampaignRow],
    decisions: Sequence[Decision],
    plan: _Plan,
) -> TriggerView:
    by_id = {row.id: row for row in rows}
    hits, grants, now = [], [], utc_now()
    for decision in decisions:
        if decision.hit:
            row = by_id[decision.campaign_id]
            hit = Hit(
                new_id("hit"),
                row.id,
                row.action,
                plan.gives[row.id],
                decision.cost_minor,
                occasion.payment_id,
            )
            given = granting.give(session, wallet, hit, now) if wallet else granting.Given()
            grants += granting.log_of(hit, given, merchant.currency)
            queries.spend(session, merchant.merchant_id, row.id, hit.cost_minor)
            hits.append(_hit_row(merchant, occasion, trigger_id, row, hit, given))
    if hits:
        queries.add_hits(session, hits)
        _count_month(session, merchant, sum(hit["cost_minor"] for hit in hits), now)
    executed = [decision.campaign_id for decision in decisions if decision.hit]
    stories = [dict(g.story) for id_ in executed for g in plan.gives[id_] if g.story is not None]
    return TriggerView(
        executed=executed, story_cards=stories, blocked_by_kill_switch=False, grants=grants
    )


def _hit_row(
    merchant: MerchantFacts,
    occasion: Occasion,
    trigger_id: str,
    row: CampaignRow,
    hit: Hit,
    given: granting.Given,
) -> dict[str, Any]:
    return {
        "merchant_id": merchant.merchant_id,
        "id": hit.id,
        "campaign_id": row.id,
        "trigger_id": trigger_id,
        "customer_id": occasion.customer_id,
        "units": row.cost_units,
        "cost_minor": hit.cost_minor,
        "given": given.rows(hit, merchant.currency),
    }


def _count_month(session: Session, merchant: MerchantFacts, cost: int, now: datetime) -> None:
    if cost:
        month = queries.month_of(now, merchant.time_zone)
        queries.add_to_month(session, merchant.merchant_id, month, cost)


def _stop(
    session: Session,
    merchant_id: str,
    rows: Sequence[CampaignRow],
    decisions: Sequence[Decision],
    plan: _Plan,
) -> None:
    """A campaign whose money is used up stops itself, and says so."""
    by_id = {row.id: row for row in rows}
    for decision in decisions:
        campaign = queries.campaign_of(by_id[decision.campaign_id])
        spent = by_id[campaign.id].spent_minor + decision.cost_minor
        why = STOPS.get(decision.verdict)
        if decision.hit and is_at_its_cap(campaign.limits, spent, plan.cost_of(campaign.id)):
            why = Stopped.MONEY_CAP
        if why:
            switching.stop(session, merchant_id, campaign.id, why)


def _note_exposures(
    session: Session,
    merchant_id: str,
    occasion: Occasion,
    rows: Sequence[CampaignRow],
    decisions: Sequence[Decision],
) -> None:
    """Who met a campaign with a holdout, and on which side of the lot; by hand there is no lot."""
    drawn = {row.id for row in rows if row.holdout_percent}
    sides = {
        d.campaign_id: d.verdict is Verdict.HELD_OUT
        for d in decisions
        if d.verdict in EXPOSED and d.campaign_id in drawn
    }
    if sides and not occasion.is_manual:
        queries.add_exposures(session, merchant_id, occasion.customer_id, sides)


def _compact(decisions: Sequence[Decision]) -> dict[str, Any]:
    """As it is kept; what was left and spent only where a limit asked."""
    kept = {}
    for one in decisions:
        kept[one.campaign_id] = [one.verdict.value, one.condition, one.cost_minor]
        if one.left_minor is not None or one.spent_minor is not None:
            kept[one.campaign_id] += [one.left_minor, one.spent_minor]
    return kept
