"""A new campaign, out of its wire shape."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from mealquest.campaigns.domain import CampaignStatus, Limits
from mealquest.campaigns.models import CampaignRow


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCampaign:
    """`conditions` and `action` as they go over the wire, amounts in major units; `limits` in
    minor units. Who writes one has checked it."""

    id: str
    name: str
    event: str
    priority: int
    action: Mapping[str, Any]
    limits: Limits
    conditions: tuple[Mapping[str, Any], ...] = ()
    status: CampaignStatus = CampaignStatus.ACTIVE
    ttl_until: datetime | None = None
    strategy_meta: Mapping[str, Any] | None = field(default=None)


def add(session: Session, merchant_id: str, new: NewCampaign, by: str) -> None:
    limits = new.limits
    session.add(
        CampaignRow(
            merchant_id=merchant_id,
            id=new.id,
            name=new.name,
            status=new.status,
            priority=new.priority,
            event=new.event,
            conditions=[dict(condition) for condition in new.conditions],
            action=dict(new.action),
            cap_units=limits.cap_units,
            cost_units=limits.cost_units,
            cap_minor=limits.cap_minor,
            customer_cap_minor=limits.customer_cap_minor,
            day_cap_minor=limits.day_cap_minor,
            customer_hits=limits.customer_hits,
            customer_days=limits.customer_days,
            exclusive_group=limits.group,
            holdout_percent=limits.holdout_percent,
            ttl_until=new.ttl_until,
            strategy_meta=dict(new.strategy_meta) if new.strategy_meta else None,
            created_by=by,
        )
    )
    session.flush()
