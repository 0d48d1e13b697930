"""Campaigns to look at: lists, one, why it took hold or not, and what the state shows of them."""

from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from mealquest.campaigns import list_queries, queries
from mealquest.campaigns.actions import ActionType
from mealquest.campaigns.errors import CampaignNotFound
from mealquest.campaigns.forms import CampaignPathForm, CampaignsForm, DecisionsForm
from mealquest.campaigns.list_queries import Decided
from mealquest.campaigns.models import CampaignHit, CampaignRow, CampaignTrigger
from mealquest.campaigns.outcome import outcome
from mealquest.campaigns.replies import (
    CampaignDetail,
    CampaignsPage,
    CampaignView,
    ConditionView,
    DecisionsPage,
    DecisionView,
    MonthView,
    PaymentHit,
    PaymentHitsView,
    campaign_values,
)
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.core.paging import EXPORT_BATCH, Keyset, Span, batches, cut, span_of_days
from mealquest.identity import service as identity
from mealquest.payments import service as payments
from mealquest.payments.service import PaymentNotFound
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantFacts
from mealquest.wallet.service import major

RECENT = 10
PAYMENT_EVENT = "PAYMENT_SUCCESS"
Rows = list[dict[str, Any]]


def listed(merchant_id: str, form: CampaignsForm) -> CampaignsPage:
    """A page of campaigns, newest first. Invalid: not a cursor of ours."""
    shown, next_cursor = _page(merchant_id, form, form.cursor, form.limit)
    with transaction(merchant_id) as session:
        merchant = tenancy.settings_of(session, merchant_id)
        month = _month(session, merchant)
    return CampaignsPage(
        merchant_id=merchant_id,
        currency=merchant.currency,
        kill_switch_enabled=merchant.kill_switch_enabled,
        month=month,
        items=[CampaignView.of(row, merchant.currency) for row in shown],
        next_cursor=next_cursor,
    )


def every(merchant_id: str, form: CampaignsForm) -> Iterator[list[CampaignView]]:
    """All campaigns of the filter, in batches that are read as they are asked for."""
    currency = tenancy.settings(merchant_id).currency
    read = batches(lambda cursor: _page(merchant_id, form, cursor, EXPORT_BATCH))
    return ([CampaignView.of(row, currency) for row in rows] for rows in read)


def _page(
    merchant_id: str, form: CampaignsForm, cursor: str | None, limit: int
) -> tuple[Sequence[CampaignRow], str | None]:
    after = Keyset.decode(cursor) if cursor else None
    wanted = list_queries.Wanted(form.status, form.event, form.query)
    with transaction(merchant_id) as session:
        found = list_queries.page(session, merchant_id, wanted, after, limit + 1)
    return cut(found, limit, lambda row: Keyset(row.created_at, row.id).encode())


def _month(session: Session, merchant: MerchantFacts) -> MonthView:
    month = queries.month_of(utc_now(), merchant.time_zone)
    cost = list_queries.month_cost(session, merchant.merchant_id, month)
    return MonthView(
        cost=major(cost, merchant.currency), cap=major(merchant.budget_cap_minor, merchant.currency)
    )


def detail(merchant_id: str, form: CampaignPathForm) -> CampaignDetail:
    """One campaign with what became of it lately. CampaignNotFound."""
    with transaction(merchant_id) as session:
        merchant = tenancy.settings_of(session, merchant_id)
        row = _campaign(session, merchant_id, form.campaign_id)
        found = list_queries.decisions(
            session, row, outcome=None, customer_id=None, span=Span(), after=None, limit=RECENT
        )
        recent = _decisions(session, row, found, merchant.currency)
        done = outcome(session, row, merchant)
    return CampaignDetail(
        **campaign_values(row, merchant.currency),
        currency=merchant.currency,
        kill_switch_enabled=merchant.kill_switch_enabled,
        recent=recent,
        outcome=done,
    )


def name_of(merchant_id: str, campaign_id: str) -> str:
    """What a campaign is called. CampaignNotFound."""
    with transaction(merchant_id) as session:
        return _campaign(session, merchant_id, campaign_id).name


def decisions(merchant_id: str, form: DecisionsForm) -> DecisionsPage:
    """Hits and misses of one campaign with their reasons. CampaignNotFound, Invalid."""
    items, next_cursor = _decided(merchant_id, form, form.cursor, form.limit)
    return DecisionsPage(
        merchant_id=merchant_id,
        campaign_id=form.campaign_id,
        currency=tenancy.settings(merchant_id).currency,
        items=items,
        next_cursor=next_cursor,
    )


def every_decision(merchant_id: str, form: DecisionsForm) -> Iterator[Sequence[DecisionView]]:
    """All decisions of the filter, in batches that are read as they are asked for."""
    return batches(lambda cursor: _decided(merchant_id, form, cursor, EXPORT_BATCH))


def _decided(
    merchant_id: str, form: DecisionsForm, cursor: str | None, limit: int
) -> tuple[list[DecisionView], str | None]:
    after = Keyset.decode(cursor) if cursor else None
    with transaction(merchant_id) as session:
        merchant = tenancy.settings_of(session, merchant_id)
        row = _campaign(session, merchant_id, form.campaign_id)
        found = list_queries.decisions(
            session,
            row,
            outcome=form.outcome,
            customer_id=form.user_id,
            span=span_of_days(form.from_day, form.to_day, ZoneInfo(merchant.time_zone)),
            after=after,
            limit=limit + 1,
        )
        kept, next_cursor = cut(found, limit, _place)
        return _decisions(session, row, kept, merchant.currency), next_cursor


def given_for(merchant_id: str, payment_id: str) -> PaymentHitsView:
    """What campaigns gave for a payment. PaymentNotFound."""
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        if payments.order_facts(session, merchant_id, payment_id) is None:
            raise PaymentNotFound
        listens = queries.active_events(session, merchant_id, [PAYMENT_EVENT])
        decided = not listens or list_queries.is_decided(session, merchant_id, payment_id)
        found = list_queries.of_payment(session, merchant_id, payment_id)
    hits = [
        PaymentHit(
            campaign_id=hit.campaign_id,
            campaign_name=name,
            given=hit.given,
            cost=major(hit.cost_minor, currency),
        )
        for hit, name in found
    ]
    return PaymentHitsView(
        merchant_id=merchant_id,
        payment_txn_id=payment_id,
        currency=currency,
        decided=decided,
        hits=hits,
    )


def _place(pair: Decided) -> str:
    return Keyset(pair[0].created_at, pair[0].id).encode()


def _campaign(session: Session, merchant_id: str, campaign_id: str) -> CampaignRow:
    row = queries.one(session, merchant_id, campaign_id)
    if row is None:
        raise CampaignNotFound
    return row


def _decisions(
    session: Session, row: CampaignRow, found: Sequence[Decided], currency: Currency
) -> list[DecisionView]:
    ids = sorted({trigger.customer_id for trigger, _ in found})
    shown = identity.shown_customers(session, row.merchant_id, ids)
    return [
        _decision(row, trigger, hit, currency, shown[trigger.customer_id]) for trigger, hit in found
    ]


def _decision(
    row: CampaignRow,
    trigger: CampaignTrigger,
    hit: CampaignHit | None,
    currency: Currency,
    who: identity.ShownCustomer,
) -> DecisionView:
    verdict, index, cost, *_ = trigger.decisions.get(row.id) or (None, None, 0)
    condition = row.conditions[index] if index is not None else None
    return DecisionView(
        trigger_id=trigger.id,
        user_id=who.user_id,
        display_name=who.display_name,
        event=trigger.event,
        source=trigger.source,
        payment_txn_id=trigger.payment_id,
        blocked_by_kill_switch=trigger.kill_switch,
        verdict=verdict,
        condition=ConditionView(**condition) if condition else None,
        found=trigger.context.get(condition["field"]) if condition else None,
        cost=major(cost, currency),
        given=hit.given if hit else [],
        decided_at=trigger.created_at,
    )


# --- parts of the state -----------------------------------------------------------------------

_TAGS = {
    "ACQUISITION": ("NEW", "bg-rose-50", "text-rose-600"),
    "ACTIVATION": ("HOT", "bg-amber-50", "text-amber-600"),
    "REVENUE": ("PAY", "bg-emerald-50", "text-emerald-600"),
    "RETENTION": ("CARE", "bg-blue-50", "text-blue-600"),
    "SOCIAL_VIRAL": ("SOCIAL", "bg-rose-50", "text-rose-600"),
}
_OTHER = ("AI", "bg-slate-50", "text-slate-600")


def state_rows(session: Session, merchant_id: str) -> Rows:
    """Every campaign, as the state shows it to staff."""
    currency = tenancy.settings_of(session, merchant_id).currency
    rows = list_queries.all_of(session, merchant_id)
    return [CampaignView.of(row, currency).model_dump(mode="json", by_alias=True) for row in rows]


def activities(session: Session, merchant_id: str) -> Rows:
    """The first six that are active, as customers see them."""
    return [_activity(row) for row in list_queries.first_active(session, merchant_id)]


def _activity(row: CampaignRow) -> dict[str, Any]:
    tag, color, text_color = _TAGS.get((row.strategy_meta or {}).get("category", ""), _OTHER)
    story = row.action.get("story") if row.action.get("type") == ActionType.STORY_CARD else None
    words = story.get("narrative") if isinstance(story, dict) else None
    return {
        "id": row.id,
        "title": row.name,
        "desc": words or f"Runs on {row.event}",
        "icon": "✨",
        "color": color,
        "textColor": text_color,
        "tag": tag,
    }
