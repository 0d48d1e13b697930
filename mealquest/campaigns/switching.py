"""What stops campaigns: their state, their own caps, and the kill switch over all of them."""

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.campaigns import queries
from mealquest.campaigns.domain import CampaignStatus, Stopped, may_become
from mealquest.campaigns.errors import CampaignNotFound, StatusUnsupported
from mealquest.campaigns.forms import KillSwitchForm, StatusForm
from mealquest.campaigns.models import CampaignRow
from mealquest.campaigns.replies import CampaignStatusView, KillSwitchView
from mealquest.core import outbox
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.principal import SYSTEM, Principal
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation

CHANGED = "CAMPAIGN_STATUS_CHANGED"
KEPT = "kept"  # in the audit's details of a switch that was turned later than it was asked for

_SHARED = text(
    "SELECT pg_advisory_xact_lock_shared(hashtextextended('campaigns:' || :merchant, 0))"
)
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('campaigns:' || :merchant, 0))")


def let_nobody_switch(session: Session, merchant_id: str) -> None:
    """Until this transaction ends, nobody is told that the kill switch is on.

    Take it before the switch is read. Shared: events do not wait for each other.
    """
    session.execute(_SHARED, {"merchant": merchant_id})


def set_kill_switch(
    merchant_id: str, form: KillSwitchForm, by: Principal, *, kept: bool = False
) -> KillSwitchView:
    """Stop all campaigns, or let them run. Once this has answered, nothing is given any more.

    The switch counts from its own commit on; the second transaction waits for the events that
    began before it, at most as long as any lock is waited for. `kept`: it was asked for earlier,
    while the merchant was closed. MerchantNotFound.
    """
    details = {"enabled": form.enabled} | ({KEPT: True} if kept else {})
    with transaction(merchant_id) as session:
        tenancy.set_kill_switch(session, merchant_id, form.enabled)
        view = KillSwitchView(merchant_id=merchant_id, kill_switch_enabled=form.enabled)
        audit.record(session, merchant_id, Operation.KILL_SWITCH_SET, by, details)
        outbox.publish(
            session, merchant_id, "KILL_SWITCH_CHANGED", view.model_dump(mode="json", by_alias=True)
        )
    if form.enabled:
        with transaction(merchant_id) as session:
            session.execute(_ALONE, {"merchant": merchant_id})
    return view


def set_status(merchant_id: str, form: StatusForm, by: Principal) -> CampaignStatusView:
    """Start, pause or archive a campaign. StatusUnsupported, CampaignNotFound."""
    try:
        status = CampaignStatus(form.status.upper() or CampaignStatus.ACTIVE)
    except ValueError:
        raise StatusUnsupported from None
    with transaction(merchant_id) as session:
        row = queries.one(session, merchant_id, form.campaign_id, lock=True)
        if row is None:
            raise CampaignNotFound
        if not may_become(row.status, status):
            raise StatusUnsupported
        row.status, row.stopped_why, row.updated_at = status, None, utc_now()
        details = {"campaignId": row.id, "status": status.value}
        audit.record(session, merchant_id, Operation.CAMPAIGN_STATUS_SET, by, details)
        outbox.publish(session, merchant_id, CHANGED, {"merchantId": merchant_id} | details)
    return CampaignStatusView(merchant_id=merchant_id, campaign_id=form.campaign_id, status=status)


def stop(session: Session, merchant_id: str, campaign_id: str, why: Stopped) -> None:
    """Pause a campaign that has reached a cap; the caller has its lock."""
    stopped = session.scalar(
        update(CampaignRow)
        .where(
            CampaignRow.merchant_id == merchant_id,
            CampaignRow.id == campaign_id,
            CampaignRow.status == CampaignStatus.ACTIVE,
        )
        .values(status=CampaignStatus.PAUSED, stopped_why=why, updated_at=utc_now())
        .returning(CampaignRow.id)
    )
    if stopped:
        details = {"campaignId": campaign_id, "status": CampaignStatus.PAUSED.value}
        told = details | {"reason": why.value}
        audit.record(session, merchant_id, Operation.CAMPAIGN_STATUS_SET, SYSTEM, told)
        outbox.publish(session, merchant_id, CHANGED, {"merchantId": merchant_id} | told)
