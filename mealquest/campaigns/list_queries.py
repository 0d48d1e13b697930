"""Campaigns and their decisions to look at, read along indexes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import and_, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session

from mealquest.campaigns.domain import CampaignStatus, Verdict
from mealquest.campaigns.models import CampaignHit, CampaignMonth, CampaignRow, CampaignTrigger
from mealquest.core.paging import Keyset, Span

TOP = 6
MISS, ENDED = "MISS", "ENDED"
_IS_OVER = CampaignRow.ttl_until < func.now()
_IS_NOT_OVER = or_(CampaignRow.ttl_until.is_(None), CampaignRow.ttl_until >= func.now())
Decided = tuple[CampaignTrigger, CampaignHit | None]


@dataclass(frozen=True, slots=True)
class Wanted:
    status: CampaignStatus | Literal["ENDED"] | None = None
    event: str | None = None
    begins: str | None = None


def page(
    session: Session, merchant_id: str, wanted: Wanted, after: Keyset | None, limit: int
) -> Sequence[CampaignRow]:
    """Newest first, behind the place of `after`."""
    place = tuple_(CampaignRow.created_at, CampaignRow.id)
    found = select(CampaignRow).where(CampaignRow.merchant_id == merchant_id)
    if wanted.status == ENDED:
        found = found.where(_IS_OVER, CampaignRow.status != CampaignStatus.ARCHIVED)
    elif wanted.status:
        found = found.where(CampaignRow.status == wanted.status)
    if wanted.status is CampaignStatus.ACTIVE:
        found = found.where(_IS_NOT_OVER)
    if wanted.event:
        found = found.where(CampaignRow.event == wanted.event)
    if wanted.begins:
        found = found.where(
            or_(
                CampaignRow.name.istartswith(wanted.begins, autoescape=True),
                CampaignRow.id.startswith(wanted.begins, autoescape=True),
            )
        )
    if after:
        found = found.where(place < (after.moment, after.id))
    ordered = found.order_by(CampaignRow.created_at.desc(), CampaignRow.id.desc())
    return session.scalars(ordered.limit(limit)).all()


def all_of(session: Session, merchant_id: str) -> Sequence[CampaignRow]:
    """Every campaign, as they were made."""
    found = select(CampaignRow).where(CampaignRow.merchant_id == merchant_id)
    return session.scalars(found.order_by(CampaignRow.created_at, CampaignRow.id)).all()


def first_active(session: Session, merchant_id: str) -> Sequence[CampaignRow]:
    """The active ones of the highest priority whose time is not over."""
    found = select(CampaignRow).where(
        CampaignRow.merchant_id == merchant_id,
        CampaignRow.status == CampaignStatus.ACTIVE,
        _IS_NOT_OVER,
    )
    order = (CampaignRow.priority.desc(), CampaignRow.created_at, CampaignRow.id)
    return session.scalars(found.order_by(*order).limit(TOP)).all()


def month_cost(session: Session, merchant_id: str, month: Any) -> int:
    return (
        session.scalar(
            select(CampaignMonth.cost_minor).where(
                CampaignMonth.merchant_id == merchant_id, CampaignMonth.month == month
            )
        )
        or 0
    )


def decisions(
    session: Session,
    campaign: CampaignRow,
    *,
    outcome: str | None,
    customer_id: str | None,
    span: Span,
    after: Keyset | None,
    limit: int,
) -> list[Decided]:
    """Events that this campaign was asked about, with its hit if there was one; newest first.

    `outcome`: HIT, MISS for all that were none, or HELD_OUT.
    """
    merchant_id, place = (
        campaign.merchant_id,
        tuple_(CampaignTrigger.created_at, CampaignTrigger.id),
    )
    decided = CampaignTrigger.decisions[campaign.id]
    found = (
        select(CampaignTrigger, CampaignHit)
        .outerjoin(
            CampaignHit,
            and_(
                CampaignHit.merchant_id == merchant_id,
                CampaignHit.trigger_id == CampaignTrigger.id,
                CampaignHit.campaign_id == campaign.id,
            ),
        )
        .where(
            CampaignTrigger.merchant_id == merchant_id,
            CampaignTrigger.event == campaign.event,
            CampaignTrigger.created_at >= campaign.created_at,
            or_(CampaignTrigger.kill_switch, CampaignTrigger.decisions.has_key(campaign.id)),
        )
    )
    if outcome:
        wanted = Verdict.HELD_OUT if outcome == Verdict.HELD_OUT else Verdict.HIT
        fits = and_(~CampaignTrigger.kill_switch, decided[0].astext == wanted.value)
        found = found.where(~fits if outcome == MISS else fits)
    if customer_id:
        found = found.where(CampaignTrigger.customer_id == customer_id)
    if span.since:
        found = found.where(CampaignTrigger.created_at >= span.since)
    if span.until:
        found = found.where(CampaignTrigger.created_at < span.until)
    if after:
        found = found.where(place < (after.moment, after.id))
    ordered = found.order_by(CampaignTrigger.created_at.desc(), CampaignTrigger.id.desc())
    return [(row[0], row[1]) for row in session.execute(ordered.limit(limit))]


def of_payment(
    session: Session, merchant_id: str, payment_id: str
) -> list[tuple[CampaignHit, str]]:
    """What campaigns gave for a payment, with their names."""
    found = (
        select(CampaignHit, CampaignRow.name)
        .join(
            CampaignTrigger,
            and_(
                CampaignTrigger.merchant_id == merchant_id,
                CampaignTrigger.id == CampaignHit.trigger_id,
            ),
        )
        .join(
            CampaignRow,
            and_(CampaignRow.merchant_id == merchant_id, CampaignRow.id == CampaignHit.campaign_id),
        )
        .where(CampaignHit.merchant_id == merchant_id, CampaignTrigger.payment_id == payment_id)
        .order_by(CampaignHit.id)
    )
    return [(row[0], row[1]) for row in session.execute(found)]


def is_decided(session: Session, merchant_id: str, payment_id: str) -> bool:
    return bool(
        session.scalar(
            select(
                exists().where(
                    CampaignTrigger.merchant_id == merchant_id,
                    CampaignTrigger.payment_id == payment_id,
                )
            )
        )
    )
