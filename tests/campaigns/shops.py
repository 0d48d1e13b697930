"""Campaigns as somebody has written and checked them, and what they gave."""

from datetime import datetime
from typing import Any

from sqlalchemy import select

from mealquest.campaigns import service as campaigns
from mealquest.campaigns.domain import CampaignStatus, Limits
from mealquest.campaigns.forms import TriggerForm
from mealquest.campaigns.models import CampaignHit, CampaignRow, CampaignTrigger
from mealquest.campaigns.writing import NewCampaign, add
from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from tests.factories.requests import MANAGER, keyed

BONUS = {"type": "GRANT_BONUS", "amount": 12}
STORY = {"templateId": "tpl", "narrative": "Soup", "assets": [], "triggers": ["tap"]}


def make_campaign(
    merchant_id: str,
    action: dict[str, Any] | None = None,
    *conditions: tuple[str, str, Any],
    campaign_id: str | None = None,
    event: str = "PAYMENT_SUCCESS",
    priority: int = 50,
    status: CampaignStatus = CampaignStatus.ACTIVE,
    ttl_until: datetime | None = None,
    cap: int = 100,
    cost: int = 1,
    **limits: Any,
) -> str:
    """Write a campaign; money limits in minor units. Returns its id."""
    new = NewCampaign(
        id=campaign_id or new_id("campaign"),
        name="A campaign",
        event=event,
        priority=priority,
        action=action or BONUS,
        conditions=tuple({"field": f, "op": op, "value": value} for f, op, value in conditions),
        status=status,
        ttl_until=ttl_until,
        limits=Limits(cap, cost, **limits),
    )
    with transaction(merchant_id) as session:
        add(session, merchant_id, new, "fixture")
    return new.id


def trigger(row: Any, event: str = "PAYMENT_SUCCESS", key: str | None = None, **context: Any):
    """Report an event of this wallet's customer."""
    form = TriggerForm(user_id=row.customer_id, event=event, context=context)
    request = keyed(form, key, MANAGER, "tca") if key else None
    return campaigns.trigger(row.merchant_id, form, MANAGER, request)


def row_of(merchant_id: str, campaign_id: str) -> CampaignRow:
    with transaction(merchant_id) as session:
        return session.get_one(CampaignRow, (merchant_id, campaign_id))


def hits_of(merchant_id: str) -> list[CampaignHit]:
    with transaction(merchant_id) as session:
        mine = select(CampaignHit).where(CampaignHit.merchant_id == merchant_id)
        return list(session.scalars(mine.order_by(CampaignHit.id)))


def triggers_of(merchant_id: str) -> list[CampaignTrigger]:
    with transaction(merchant_id) as session:
        mine = select(CampaignTrigger).where(CampaignTrigger.merchant_id == merchant_id)
        return list(session.scalars(mine.order_by(CampaignTrigger.id)))


def verdicts_of(merchant_id: str) -> dict[str, str]:
    """What became of each campaign at the newest event."""
    return {id_: said[0] for id_, said in triggers_of(merchant_id)[-1].decisions.items()}
