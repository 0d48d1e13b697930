"""What a proposal becomes once it is approved."""

from datetime import datetime, timedelta

from mealquest.campaigns.service import Limits, NewCampaign
from mealquest.strategy.models import ProposalRow

BIRTHDAY = "BIRTHDAY"
# The month and the day of one birthday are events of their own: a campaign gives at one of them.
BIRTHDAY_DAYS = 60


def campaign_of(row: ProposalRow, now: datetime, held_out: int) -> NewCampaign:
    """Its time begins now, however long the proposal lay. `held_out`: percent of customers."""
    said, hours = row.campaign, row.campaign.get("ttlHours")
    is_birthday = said["trigger"]["event"] == BIRTHDAY
    return NewCampaign(
        id=said["id"],
        name=said["name"],
        event=said["trigger"]["event"],
        priority=said["priority"],
        conditions=tuple(said["conditions"]),
        action=said["action"],
        limits=Limits(
            cap_units=said["budget"]["cap"],
            cost_units=said["budget"]["costPerHit"],
            holdout_percent=held_out,
            customer_hits=1 if is_birthday else None,
            customer_days=BIRTHDAY_DAYS if is_birthday else None,
        ),
        ttl_until=now + timedelta(hours=float(hours)) if hours is not None else None,
        strategy_meta=row.strategy_meta,
    )
