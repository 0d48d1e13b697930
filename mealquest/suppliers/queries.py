"""Reading partners and their orders."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, tuple_
from sqlalchemy.orm import Session

from mealquest.core.paging import Keyset, Order
from mealquest.suppliers.domain import Match, OrderStatus
from mealquest.suppliers.models import OrderImport, Partner, PartnerOrder, PartnerOrderHistory

MOST_DIFFERENCES = 1000  # counted; more are shown as this many
MOST_HISTORY = 100

Pair = tuple[PartnerOrder, Partner]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which orders: from `since` on and before `until`; None leaves a filter out."""

    partner_id: str | None = None
    status: OrderStatus | None = None
    match: Match | None = None
    used: bool | None = None
    begins: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    order: Order = Order.NEWEST


# --- partners -----------------------------------------------------------------------------


def partners(session: Session, merchant_id: str) -> Sequence[Partner]:
    """All of them, by name."""
    found = select(Partner).where(Partner.merchant_id == merchant_id)
    return session.scalars(found.order_by(Partner.name, Partner.partner_id)).all()


def partner(session: Session, merchant_id: str, partner_id: str) -> Partner | None:
    return session.get(Partner, (merchant_id, partner_id))


def lock_partners(session: Session, merchant_id: str, ids: Iterable[str]) -> dict[str, Partner]:
    """Those of the partners that exist. Nobody else changes them or their orders' rows meanwhile,
    except for the use of an order, which locks the order."""
    found = session.scalars(
        select(Partner)
        .where(Partner.merchant_id == merchant_id, Partner.partner_id.in_(sorted(set(ids))))
        .order_by(Partner.partner_id)
        .with_for_update(key_share=True)
    )
    return {partner.partner_id: partner for partner in found}


def partner_of_key(session: Session, merchant_id: str, key_id: str) -> Partner | None:
    return session.scalar(
        select(Partner).where(Partner.merchant_id == merchant_id, Partner.key_id == key_id)
    )


# --- orders -------------------------------------------------------------------------------


def orders_of(
    session: Session, merchant_id: str, keys: Iterable[tuple[str, str]], *, lock: bool = False
) -> dict[tuple[str, str], PartnerOrder]:
    """Those of the orders that exist, by partner and number."""
    named = tuple_(PartnerOrder.partner_id, PartnerOrder.order_id).in_(sorted(set(keys)))
    found = (
        select(PartnerOrder)
        .where(PartnerOrder.merchant_id == merchant_id, named)
        .order_by(PartnerOrder.id)
    )
    rows = session.scalars(found.with_for_update() if lock else found)
    return {(row.partner_id, row.order_id): row for row in rows}


def one(session: Session, merchant_id: str, partner_id: str, order_id: str) -> Pair | None:
    row = session.execute(
        _pairs(merchant_id).where(
            PartnerOrder.partner_id == partner_id, PartnerOrder.order_id == order_id
        )
    ).one_or_none()
    return (row[0], row[1]) if row else None


def page(
    session: Session, merchant_id: str, wanted: Wanted, after: Keyset | None, limit: int
) -> list[Pair]:
    """At most `limit` orders with their partners, in order, behind the place of `after`."""
    place = tuple_(PartnerOrder.created_at, PartnerOrder.id)
    newest = wanted.order is Order.NEWEST
    found = _pairs(merchant_id).where(*_conditions(wanted))
    if after:
        last = (after.moment, after.id)
        found = found.where(place < last if newest else place > last)
    columns = (PartnerOrder.created_at, PartnerOrder.id)
    found = found.order_by(*(c.desc() if newest else c for c in columns)).limit(limit)
    return [(row[0], row[1]) for row in session.execute(found)]


def differences(session: Session, merchant_id: str) -> int:
    """How many orders do not agree with what was delivered or invoiced; at most a thousand."""
    some = (
        select(PartnerOrder.id)
        .join(Partner, _same_partner())
        .where(PartnerOrder.merchant_id == merchant_id, *_matches(Match.DIFFERENCE))
        .limit(MOST_DIFFERENCES)
    )
    return session.scalar(select(func.count()).select_from(some.subquery())) or 0


def history(
    session: Session, merchant_id: str, partner_id: str, order_id: str
) -> Sequence[PartnerOrderHistory]:
    """What happened to an order, the newest first; at most a hundred."""
    return session.scalars(
        select(PartnerOrderHistory)
        .where(
            PartnerOrderHistory.merchant_id == merchant_id,
            PartnerOrderHistory.partner_id == partner_id,
            PartnerOrderHistory.order_id == order_id,
        )
        .order_by(PartnerOrderHistory.id.desc())
        .limit(MOST_HISTORY)
    ).all()


def _pairs(merchant_id: str) -> Any:
    return (
        select(PartnerOrder, Partner)
        .join(Partner, _same_partner())
        .where(PartnerOrder.merchant_id == merchant_id)
    )


def _same_partner() -> ColumnElement[bool]:
    return and_(
        Partner.merchant_id == PartnerOrder.merchant_id,
        Partner.partner_id == PartnerOrder.partner_id,
    )


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    found = []
    if wanted.partner_id:
        found.append(PartnerOrder.partner_id == wanted.partner_id)
    if wanted.status:
        found.append(PartnerOrder.status == wanted.status)
    if wanted.used is not None:
        found.append(PartnerOrder.verified_at.is_not(None) == wanted.used)
    if wanted.begins:
        found.append(PartnerOrder.order_id.startswith(wanted.begins, autoescape=True))
    if wanted.since:
        found.append(PartnerOrder.created_at >= wanted.since)
    if wanted.until:
        found.append(PartnerOrder.created_at < wanted.until)
    return found + (_matches(wanted.match) if wanted.match else [])


def _matches(match: Match) -> list[ColumnElement[bool]]:
    """`spread_minor > 0` says nothing new; it leads to the index of orders that differ."""
    beyond = PartnerOrder.spread_minor > Partner.tolerance_minor
    if match is Match.DIFFERENCE:
        return [PartnerOrder.spread_minor > 0, beyond]
    unknown = or_(PartnerOrder.delivered_minor.is_(None), PartnerOrder.invoiced_minor.is_(None))
    return [~beyond, unknown if match is Match.INCOMPLETE else ~unknown]


# --- uploaded lists -----------------------------------------------------------------------


def uploaded(
    session: Session, merchant_id: str, import_id: str, *, lock: bool = False
) -> OrderImport | None:
    found = select(OrderImport).where(
        OrderImport.merchant_id == merchant_id, OrderImport.id == import_id
    )
    return session.scalar(found.with_for_update() if lock else found)


def forget_unused(session: Session, merchant_id: str, age: timedelta) -> None:
    """Delete lists that were shown and never applied."""
    session.execute(
        delete(OrderImport).where(
            OrderImport.merchant_id == merchant_id,
            OrderImport.applied_at.is_(None),
            OrderImport.created_at < func.now() - age,
        )
    )
