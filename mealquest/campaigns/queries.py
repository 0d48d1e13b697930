"""Statements of the engine: what listens, what is locked, what was spent."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from psycopg.types.numeric import Int8
from sqlalchemy import ARRAY, DateTime, Text, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from mealquest.campaigns.domain import (
    MANUAL,
    Campaign,
    CampaignStatus,
    Condition,
    Limits,
    Used,
)
from mealquest.campaigns.errors import CampaignsBusy
from mealquest.campaigns.models import CampaignExposure, CampaignHit, CampaignRow, CampaignTrigger
from mealquest.core.principal import Principal

LOCK_NOT_AVAILABLE = "55P03"
LONG_AGO = timedelta(days=1)  # a campaign whose time is over for longer is not looked at


@dataclass(frozen=True, slots=True)
class Occasion:
    """An event of one customer: asked for, or brought by an event of the product (`source`)."""

    customer_id: str
    event: str
    by: Principal
    context: Mapping[str, Any] = field(default_factory=dict)
    source: str = MANUAL
    payment_id: str | None = None

    @property
    def is_manual(self) -> bool:
        return self.source == MANUAL


def campaign_of(row: CampaignRow, order: int = 0) -> Campaign:
    conditions = tuple(Condition(c["field"], c["op"], c["value"]) for c in row.conditions)
    limits = Limits(
        cap_units=row.cap_units,
        cost_units=row.cost_units,
        cap_minor=row.cap_minor,
        customer_cap_minor=row.customer_cap_minor,
        day_cap_minor=row.day_cap_minor,
        customer_hits=row.customer_hits,
        customer_days=row.customer_days,
        group=row.exclusive_group,
        holdout_percent=row.holdout_percent,
    )
    return Campaign(
        row.id,
        row.name,
        row.status,
        row.priority,
        row.event,
        conditions,
        row.action,
        limits,
        row.ttl_until,
        order,
    )


# --- who listens ----------------------------------------------------------------------------

_ACTIVE = text(
    """
    SELECT DISTINCT event FROM campaigns
     WHERE merchant_id = :merchant AND event = ANY(:events)
       AND status <> 'ARCHIVED' AND status = 'ACTIVE'
       AND (ttl_until IS NULL OR ttl_until > now() - make_interval(days => 1))
    """
).bindparams(bindparam("events", type_=ARRAY(Text)))


def active_events(session: Session, merchant_id: str, events: Iterable[str]) -> set[str]:
    """Those of the events that an active campaign listens for; one statement along an index."""
    values = {"merchant": merchant_id, "events": sorted(set(events))}
    return set(session.scalars(_ACTIVE, values))


def listening(session: Session, merchant_id: str, event: str, now: datetime) -> list[CampaignRow]:
    """Campaigns that may take hold of the event, and those that pause, as they were made."""
    rows = session.scalars(
        select(CampaignRow)
        .where(
            CampaignRow.merchant_id == merchant_id,
            CampaignRow.event == event,
            CampaignRow.status != CampaignStatus.ARCHIVED,
        )
        .order_by(CampaignRow.created_at, CampaignRow.id)
    )
    return [row for row in rows if row.ttl_until is None or row.ttl_until > now - LONG_AGO]


def lock(session: Session, merchant_id: str, ids: Iterable[str]) -> None:
    """Lock these campaigns in the order of their ids, and read them anew.

    CampaignsBusy: somebody held one for longer than the lock timeout.
    """
    wanted = (
        select(CampaignRow)
        .where(CampaignRow.merchant_id == merchant_id, CampaignRow.id.in_(sorted(ids)))
        .order_by(CampaignRow.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    try:
        session.scalars(wanted).all()
    except OperationalError as failure:
        if getattr(failure.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise CampaignsBusy from failure
        raise


def one(
    session: Session, merchant_id: str, campaign_id: str, *, lock: bool = False
) -> CampaignRow | None:
    found = select(CampaignRow).where(
        CampaignRow.merchant_id == merchant_id, CampaignRow.id == campaign_id
    )
    return session.scalar(found.with_for_update() if lock else found)


# --- what was spent -------------------------------------------------------------------------

_USED = text(
    """
    SELECT c.id,
           (SELECT count(*) FROM campaign_hits h
             WHERE h.merchant_id = :merchant AND h.campaign_id = c.id
               AND h.customer_id = :customer AND h.created_at > c.since) AS hits,
           (SELECT coalesce(sum(h.cost_minor), 0) FROM campaign_hits h
             WHERE h.merchant_id = :merchant AND h.campaign_id = c.id
               AND h.customer_id = :customer) AS minor,
           CASE WHEN c.id = ANY(:by_day) THEN
               (SELECT coalesce(sum(h.cost_minor), 0) FROM campaign_hits h
                 WHERE h.merchant_id = :merchant AND h.campaign_id = c.id
                   AND h.created_at >= :day) ELSE 0 END AS today
      FROM unnest(:ids, :sinces) AS c (id, since)
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Text)),
    bindparam("by_day", type_=ARRAY(Text)),
    bindparam("sinces", type_=ARRAY(DateTime(timezone=True))),
)
EVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def used(
    session: Session, rows: Sequence[CampaignRow], customer_id: str, now: datetime, day: datetime
) -> dict[str, Used]:
    """What these locked campaigns have spent; `day`: when today began where the merchant is."""
    limited = [
        row for row in rows if row.customer_hits or row.customer_cap_minor or row.day_cap_minor
    ]
    by_id = {}
    if limited:
        values = {
            "merchant": limited[0].merchant_id,
            "customer": customer_id,
            "day": day,
            "ids": [row.id for row in limited],
            "by_day": [row.id for row in limited if row.day_cap_minor],
            "sinces": [_since(row, now) for row in limited],
        }
        by_id = {row.id: row for row in session.execute(_USED, values)}
    found = {}
    for row in rows:
        mine = by_id.get(row.id)
        found[row.id] = Used(
            row.used_units,
            row.spent_minor,
            int(mine.minor) if mine else 0,
            int(mine.today) if mine else 0,
            int(mine.hits) if mine else 0,
        )
    return found


def _since(row: CampaignRow, now: datetime) -> datetime:
    return now - timedelta(days=row.customer_days) if row.customer_days else EVER


def month_of(moment: datetime, time_zone: str) -> date:
    """The first day of the month the moment falls in there."""
    return moment.astimezone(ZoneInfo(time_zone)).date().replace(day=1)


_MONTH = text(
    """
    INSERT INTO campaign_months AS m (merchant_id, month, cost_minor)
    VALUES (:merchant, :month, :cost)
        ON CONFLICT (merchant_id, month) DO UPDATE SET cost_minor = m.cost_minor + :cost
    RETURNING cost_minor
    """
)


def add_to_month(session: Session, merchant_id: str, month: date, cost_minor: int = 0) -> int:
    """What the merchant's campaigns cost in the month, with this, locked until the end."""
    values = {"merchant": merchant_id, "month": month, "cost": Int8(cost_minor)}
    return int(session.execute(_MONTH, values).scalar_one())


# --- what is written ------------------------------------------------------------------------


def add_trigger(
    session: Session,
    merchant_id: str,
    trigger_id: str,
    occasion: Occasion,
    context: dict[str, Any],
    *,
    kill_switch: bool,
) -> bool:
    """False: the event that brought it came before."""
    added = session.scalar(
        insert(CampaignTrigger)
        .values(
            merchant_id=merchant_id,
            id=trigger_id,
            customer_id=occasion.customer_id,
            event=occasion.event,
            context=context,
            source=occasion.source,
            asked_by=occasion.by.subject,
            payment_id=occasion.payment_id,
            kill_switch=kill_switch,
        )
        .on_conflict_do_nothing()
        .returning(CampaignTrigger.id)
    )
    return added is not None


def set_decisions(
    session: Session, merchant_id: str, trigger_id: str, decisions: dict[str, Any]
) -> None:
    session.execute(
        update(CampaignTrigger)
        .where(CampaignTrigger.merchant_id == merchant_id, CampaignTrigger.id == trigger_id)
        .values(decisions=decisions)
    )


def add_hits(session: Session, hits: Sequence[dict[str, Any]]) -> None:
    session.execute(insert(CampaignHit), list(hits))


def add_exposures(
    session: Session, merchant_id: str, customer_id: str, sides: Mapping[str, bool]
) -> None:
    """Note that a customer met these campaigns now, held out or not; the first time stays."""
    rows = [
        {
            "merchant_id": merchant_id,
            "campaign_id": campaign_id,
            "customer_id": customer_id,
            "held_out": held_out,
            "first_at": func.now(),
        }
        for campaign_id, held_out in sorted(sides.items())
    ]
    session.execute(insert(CampaignExposure).values(rows).on_conflict_do_nothing())


_SPEND = text(
    """
    UPDATE campaigns SET used_units = used_units + cost_units, hits = hits + 1,
           spent_minor = spent_minor + :cost
     WHERE merchant_id = :merchant AND id = :id
    """
)


def spend(session: Session, merchant_id: str, campaign_id: str, cost_minor: int) -> None:
    """Charge one hit; the row's CHECK refuses one unit too many."""
    values = {"merchant": merchant_id, "id": campaign_id, "cost": Int8(cost_minor)}
    session.execute(_SPEND, values)


_FORGET = text(
    """
    UPDATE campaign_triggers
       SET context = coalesce((SELECT jsonb_object_agg(key, value) FROM jsonb_each(context)
                                WHERE jsonb_typeof(value) IN ('boolean', 'number')), '{}')
     WHERE merchant_id = :merchant AND customer_id = :customer
    """
)


_FORGET_BIRTHDAYS = text(
    """
    DELETE FROM campaign_triggers t
     WHERE merchant_id = :merchant AND customer_id = :customer AND event = 'BIRTHDAY'
       AND NOT EXISTS (SELECT FROM campaign_hits h
                        WHERE h.merchant_id = t.merchant_id AND h.trigger_id = t.id)
    """
)


def forget_customer(session: Session, merchant_id: str, customer_id: str) -> None:
    """Leave of the events of somebody who is erased only numbers and answers of yes or no.

    A birthday that brought nothing is forgotten, as its time says when it was.
    """
    whose = {"merchant": merchant_id, "customer": customer_id}
    session.execute(_FORGET, whose)
    session.execute(_FORGET_BIRTHDAYS, whose)
