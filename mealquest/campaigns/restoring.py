"""Campaigns as another server kept them, with what they had spent of their budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from mealquest.campaigns import actions
from mealquest.campaigns.domain import CampaignStatus
from mealquest.campaigns.models import CampaignRow
from mealquest.core.errors import Invalid
from mealquest.core.money import Currency


@dataclass(frozen=True, slots=True)
class OldCampaign:
    """`conditions` and `action` as they go over the wire. `used_units` is at most `cap_units`."""

    id: str
    name: str
    status: CampaignStatus
    priority: int
    event: str
    conditions: Sequence[Mapping[str, Any]]
    action: Mapping[str, Any]
    cap_units: int
    cost_units: int
    used_units: int
    ttl_until: datetime | None
    strategy_meta: Mapping[str, Any] | None
    created_at: datetime
    updated_at: datetime | None


def fault_of(action: Mapping[str, Any], currency: Currency) -> str | None:
    """Why an action gives nothing here; None when it can be carried out."""
    try:
        actions.gives(action, currency)
    except Invalid as fault:
        return fault.message
    return None


def restore(session: Session, merchant_id: str, campaigns: Sequence[OldCampaign], by: str) -> None:
    rows = [
        {
            "merchant_id": merchant_id,
            "created_by": by,
            **{name: getattr(one, name) for name in one.__slots__},
            "conditions": [dict(condition) for condition in one.conditions],
            "action": dict(one.action),
            "strategy_meta": dict(one.strategy_meta) if one.strategy_meta else None,
        }
        for one in campaigns
    ]
    if rows:
        session.execute(insert(CampaignRow), rows)
