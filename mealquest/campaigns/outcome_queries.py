"""What a campaign has done so far, in sums over its own hits and first exposures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, select, text, tuple_
from sqlalchemy.dialects.postgresql import INTERVAL
from sqlalchemy.orm import Session

from mealquest.campaigns.domain import MANUAL
from mealquest.campaigns.models import (
    CampaignExposure,
    CampaignHit,
    CampaignRow,
    CampaignTrigger,
)
from mealquest.core.paging import Keyset, Span
from mealquest.wallet import service as wallets
from mealquest.wallet.service import VoucherState

HitRow = tuple[CampaignHit, CampaignTrigger]


@dataclass(frozen=True, slots=True)
class Totals:
    """`cost_minor` of all hits, with what cards took off, which is `cards_minor`."""

    hits: int
    customers: int
    units: int
    cost_minor: int
    cards: int
    cards_minor: int


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    hits: int
    cost_minor: int


_TOTALS = text(
    """
    SELECT count(*), count(DISTINCT h.customer_id), coalesce(sum(h.units), 0),
           coalesce(sum(h.cost_minor + c.minor), 0), coalesce(sum(c.cards), 0),
           coalesce(sum(c.minor), 0)
      FROM campaign_hits h
     CROSS JOIN LATERAL (SELECT count(*) AS cards,
                                coalesce(sum(CAST(value AS bigint)), 0) AS minor
                           FROM jsonb_each_text(h.redeemed)) c
     WHERE h.merchant_id = :merchant AND h.campaign_id = :campaign
    """
)
_DAYS = text(
    """
    SELECT CAST(h.created_at AT TIME ZONE :zone AS date) AS day, count(*),
           sum(h.cost_minor + c.minor)
      FROM campaign_hits h
     CROSS JOIN LATERAL (SELECT coalesce(sum(CAST(value AS bigint)), 0) AS minor
                           FROM jsonb_each_text(h.redeemed)) c
     WHERE h.merchant_id = :merchant AND h.campaign_id = :campaign
     GROUP BY day ORDER BY day
    """
)
_GIVEN = text(
    """
    SELECT g.value ->> 'type' AS kind, count(*), sum(CAST(g.value ->> 'amount' AS numeric))
      FROM campaign_hits h
     CROSS JOIN LATERAL jsonb_array_elements(h.given) g
     WHERE h.merchant_id = :merchant AND h.campaign_id = :campaign
     GROUP BY kind ORDER BY kind
    """
)
_TODAY = text(
    """
    SELECT coalesce(sum(cost_minor), 0) FROM campaign_hits
     WHERE merchant_id = :merchant AND campaign_id = :campaign AND created_at >= :midnight
    """
)
_TREATED = text(
    """
    SELECT coalesce(sum(h.cost_minor + c.minor), 0)
      FROM campaign_exposures e
      JOIN campaign_hits h ON h.merchant_id = e.merchant_id AND h.campaign_id = e.campaign_id
       AND h.customer_id = e.customer_id AND h.created_at >= e.first_at
       AND h.created_at <= e.first_at + :window
     CROSS JOIN LATERAL (SELECT coalesce(sum(CAST(value AS bigint)), 0) AS minor
                           FROM jsonb_each_text(h.redeemed)) c
     WHERE e.merchant_id = :merchant AND e.campaign_id = :campaign AND NOT e.held_out
    """
).bindparams(bindparam("window", type_=INTERVAL))


def _key(row: CampaignRow) -> dict[str, Any]:
    return {"merchant": row.merchant_id, "campaign": row.id}


def totals(session: Session, row: CampaignRow) -> Totals:
    return Totals(*(int(value) for value in session.execute(_TOTALS, _key(row)).one()))


def days(session: Session, row: CampaignRow, zone: str) -> list[Day]:
    """Hits and what they cost by day of the zone, without days on which there was none.

    What a card took off counts on the day it was given.
    """
    rows = session.execute(_DAYS, _key(row) | {"zone": zone})
    return [Day(found[0], found[1], int(found[2])) for found in rows]


def given(session: Session, row: CampaignRow) -> dict[str, tuple[int, Any]]:
    """How often each kind was given, and how much of it altogether, in major units or pieces."""
    rows = session.execute(_GIVEN, _key(row))
    return {found[0]: (found[1], found[2]) for found in rows}


def cost_since(session: Session, row: CampaignRow, midnight: datetime) -> int:
    """As the limit of a day counts it: without cards."""
    return int(session.execute(_TODAY, _key(row) | {"midnight": midnight}).scalar_one())


def cost_of_treated(session: Session, row: CampaignRow, window: timedelta) -> int:
    """What those who were not held out got within `window` after they first met the campaign."""
    return int(session.execute(_TREATED, _key(row) | {"window": window}).scalar_one())


# --- for other features' statements -----------------------------------------------------------


def exposed(row: CampaignRow) -> Select[str, bool, datetime]:
    """Who met the campaign: `customer_id`, `side` (true: held out) and `since`."""
    return select(
        CampaignExposure.customer_id,
        CampaignExposure.held_out.label("side"),
        CampaignExposure.first_at.label("since"),
    ).where(CampaignExposure.merchant_id == row.merchant_id, CampaignExposure.campaign_id == row.id)


def _hits(row: CampaignRow, *columns: Any) -> Select[Any]:
    return select(*columns).where(
        CampaignHit.merchant_id == row.merchant_id, CampaignHit.campaign_id == row.id
    )


def hit_ids(row: CampaignRow) -> Select[Any]:
    return _hits(row, CampaignHit.id)


def hits_and_customers(row: CampaignRow) -> Select[Any]:
    return _hits(row, CampaignHit.id, CampaignHit.customer_id)


def payments_and_hits(row: CampaignRow) -> Select[Any]:
    """Payments that earned something of the campaign, with the hit that gave it."""
    trigger = (CampaignTrigger.merchant_id == row.merchant_id) & (
        CampaignTrigger.id == CampaignHit.trigger_id
    )
    found = _hits(row, CampaignTrigger.payment_id, CampaignHit.id)
    return found.join(CampaignTrigger, trigger).where(CampaignTrigger.payment_id.is_not(None))


# --- hits to look at --------------------------------------------------------------------------


def hits(
    session: Session,
    row: CampaignRow,
    *,
    customer_id: str | None,
    by_hand: bool | None,
    voucher: VoucherState | None,
    span: Span,
    after: Keyset | None,
    limit: int,
) -> Sequence[HitRow]:
    """Newest first, behind the place of `after`. `voucher`: those that gave one in this state."""
    trigger = (CampaignTrigger.merchant_id == row.merchant_id) & (
        CampaignTrigger.id == CampaignHit.trigger_id
    )
    found = _hits(row, CampaignHit, CampaignTrigger).join(CampaignTrigger, trigger)
    if customer_id:
        found = found.where(CampaignHit.customer_id == customer_id)
    if by_hand is not None:
        is_manual = CampaignTrigger.source == MANUAL
        found = found.where(is_manual if by_hand else ~is_manual)
    if voucher:
        keepers = wallets.keepers(session, row.merchant_id)
        mine = wallets.gave_voucher(keepers, CampaignHit.id.expression, voucher)
        found = found.where(mine)
    if span.since:
        found = found.where(CampaignHit.created_at >= span.since)
    if span.until:
        found = found.where(CampaignHit.created_at < span.until)
    if after:
        place = tuple_(CampaignHit.created_at, CampaignHit.id)
        found = found.where(place < (after.moment, after.id))
    newest = found.order_by(CampaignHit.created_at.desc(), CampaignHit.id.desc())
    return [(one[0], one[1]) for one in session.execute(newest.limit(limit))]
