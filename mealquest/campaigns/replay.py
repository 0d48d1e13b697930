"""Replays: asked for in a transaction, and shown beside what they are about.

The row is the truth: it waits until a worker has it (`replay_working`), and a bell that is lost is
rung again.
"""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.campaigns import queries
from mealquest.campaigns.errors import CampaignNotFound
from mealquest.campaigns.models import CampaignReplay, CampaignRow
from mealquest.campaigns.replay_domain import ReplayState
from mealquest.campaigns.replay_replies import ReplayView
from mealquest.campaigns.writing import NewCampaign
from mealquest.core.clock import utc_now
from mealquest.core.db import after_commit_ring, transaction
from mealquest.core.principal import Principal
from mealquest.tenancy import service as tenancy

BELL = "replays"
STALE = timedelta(days=1)  # an older one may be made anew


def ask_replay(
    session: Session, merchant_id: str, subject: str, content_hash: str, new: NewCampaign, by: str
) -> None:
    """Have a proposed campaign run over the last 90 days; a second asking makes it anew."""
    _ask(session, merchant_id, subject, content_hash, _stored(new), by)


def ask_own(merchant_id: str, campaign_id: str, by: Principal) -> ReplayView:
    """Have a campaign run over its own past. CampaignNotFound."""
    with transaction(merchant_id) as session:
        row = _row(session, merchant_id, campaign_id)
        subject = own_subject(campaign_id)
        _ask(session, merchant_id, subject, row.id, None, by.subject)
        return _view(session, merchant_id, subject)


def own_subject(campaign_id: str) -> str:
    return f"campaign:{campaign_id}"


def own_replay(merchant_id: str, campaign_id: str) -> ReplayView:
    """What came of a campaign's own past. CampaignNotFound."""
    with transaction(merchant_id) as session:
        _row(session, merchant_id, campaign_id)
        return _view(session, merchant_id, own_subject(campaign_id))


def replay_of(
    session: Session, merchant_id: str, subject: str, content_hash: str | None = None
) -> ReplayView:
    """How a replay stands; one that is not of this content is none."""
    return _view(session, merchant_id, subject, content_hash)


def _view(
    session: Session, merchant_id: str, subject: str, content_hash: str | None = None
) -> ReplayView:
    currency = tenancy.settings_of(session, merchant_id).currency
    row = session.get(CampaignReplay, (merchant_id, subject), populate_existing=True)
    if row is not None and content_hash is not None and row.content_hash != content_hash:
        row = None
    return ReplayView.of(row, currency, utc_now() - STALE)


def _row(session: Session, merchant_id: str, campaign_id: str) -> CampaignRow:
    row = queries.one(session, merchant_id, campaign_id)
    if row is None:
        raise CampaignNotFound
    return row


def _ask(
    session: Session,
    merchant_id: str,
    subject: str,
    content_hash: str,
    campaign: dict[str, Any] | None,
    by: str,
) -> None:
    values = {
        "content_hash": content_hash,
        "state": ReplayState.WAITING,
        "campaign": campaign,
        "result": None,
        "failure": None,
        "asked_by": by,
        "attempts": 0,
        "run_at": func.now(),
        "created_at": func.now(),
        "done_at": None,
    }
    session.execute(
        insert(CampaignReplay)
        .values(merchant_id=merchant_id, subject=subject, **values)
        .on_conflict_do_update(index_elements=["merchant_id", "subject"], set_=values)
    )
    after_commit_ring(session, BELL)


def _stored(new: NewCampaign) -> dict[str, Any]:
    return {
        "id": new.id,
        "name": new.name,
        "event": new.event,
        "priority": new.priority,
        "conditions": [dict(one) for one in new.conditions],
        "action": dict(new.action),
        "limits": asdict(new.limits),
        "hours": _hours(new.ttl_until),
    }


def _hours(until: datetime | None) -> int | None:
    return max(1, round((until - utc_now()).total_seconds() / 3600)) if until else None
