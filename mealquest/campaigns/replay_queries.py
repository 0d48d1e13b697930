"""What a replay asks of the campaigns themselves."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mealquest.campaigns.models import CampaignHit, CampaignRow


def of_event(session: Session, merchant_id: str, event: str) -> Sequence[CampaignRow]:
    """Every campaign that listens for the event or ever did, as they were made."""
    found = select(CampaignRow).where(
        CampaignRow.merchant_id == merchant_id, CampaignRow.event == event
    )
    return session.scalars(found.order_by(CampaignRow.created_at, CampaignRow.id)).all()


def customers_hit(session: Session, merchant_id: str, campaign_id: str) -> int:
    """How many different customers a campaign has given something."""
    mine = select(func.count(CampaignHit.customer_id.distinct())).where(
        CampaignHit.merchant_id == merchant_id, CampaignHit.campaign_id == campaign_id
    )
    return session.scalar(mine) or 0
