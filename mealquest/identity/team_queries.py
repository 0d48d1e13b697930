"""Reads of a merchant's team and its sign-ins. Everything here is in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from mealquest.core.principal import Role
from mealquest.identity.domain import TOKEN_LIFE
from mealquest.identity.models import Staff, StaffSession
from mealquest.identity.queries import Named

MOST_SESSIONS = 100
_Members = Select[str, Role, str, str | None, datetime, datetime, int]
_IS_LIVE = and_(StaffSession.ended_at.is_(None), StaffSession.created_at > func.now() - TOKEN_LIFE)


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of the team. `phone` is as stored; `sessions` counts where they are signed in."""

    id: str
    role: Role
    name: str
    phone: str | None
    created_at: datetime
    last_seen_at: datetime | None
    sessions: int


def team(session: Session, merchant_id: str) -> list[Member]:
    """Everybody who works there now."""
    return [Member(**row._mapping) for row in session.execute(_members(merchant_id))]


def member(session: Session, merchant_id: str, staff_id: str) -> Member | None:
    row = session.execute(_members(merchant_id).where(Staff.id == staff_id)).one_or_none()
    return Member(**row._mapping) if row else None


def lock_owners(session: Session, merchant_id: str, *others: str) -> dict[str, Staff]:
    """The owners who work there now and the named others, by id, until the transaction ends.

    Locked in the order of ids, so that two owners who act on each other queue up. A sign-in does
    not wait for it.
    """
    rows = session.scalars(
        select(Staff)
        .where(
            Staff.merchant_id == merchant_id,
            Staff.removed_at.is_(None),
            or_(Staff.role == Role.OWNER, Staff.id.in_(others)),
        )
        .order_by(Staff.id)
        .with_for_update(key_share=True)
    )
    return {row.id: row for row in rows}


def live_sessions(session: Session, merchant_id: str, staff_id: str) -> Sequence[StaffSession]:
    """Where somebody is signed in, newest first."""
    return session.scalars(
        select(StaffSession)
        .where(
            StaffSession.merchant_id == merchant_id,
            StaffSession.staff_id == staff_id,
            _IS_LIVE,
        )
        .order_by(StaffSession.created_at.desc(), StaffSession.id.desc())
        .limit(MOST_SESSIONS)
    ).all()


def _members(
    merchant_id: str,
) -> _Members:
    of_person = and_(
        StaffSession.merchant_id == Staff.merchant_id, StaffSession.staff_id == Staff.id
    )
    return (
        select(
            Staff.id,
            Staff.role,
            Staff.name,
            Staff.phone,
            Staff.created_at,
            func.max(StaffSession.last_seen_at).label("last_seen_at"),
            func.count(StaffSession.id).filter(_IS_LIVE).label("sessions"),
        )
        .outerjoin(StaffSession, of_person)
        .where(Staff.merchant_id == merchant_id, Staff.removed_at.is_(None))
        .group_by(Staff.merchant_id, Staff.id)
    )


def present_staff(session: Session, merchant_id: str) -> list[Named]:
    """Everybody who works there now, by id."""
    rows = session.execute(
        select(Staff.id, Staff.role, Staff.name)
        .where(Staff.merchant_id == merchant_id, Staff.removed_at.is_(None))
        .order_by(Staff.id)
    )
    return [Named(*row) for row in rows]
