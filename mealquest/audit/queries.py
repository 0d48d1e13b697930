"""Reads of the audit, always along one of its indexes; newest first for whoever looks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, func, literal_column, select, tuple_
from sqlalchemy.orm import Session

from mealquest.audit.models import AuditRow, AuditStatus
from mealquest.core.db import streamed

SAME_REQUEST = timedelta(minutes=5)  # a request's rows are at most this far apart
SAME_REQUEST_ROWS = 50

_COLUMNS = (
    AuditRow.merchant_id,
    AuditRow.id,
    AuditRow.occurred_at,
    AuditRow.action,
    AuditRow.status,
    AuditRow.role,
    AuditRow.operator_id,
    AuditRow.details,
    AuditRow.request_id,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows. `since` and `until` are inclusive, `before` is not.

    `after`: the last row seen, by time and id; without an id all rows of that time were seen.
    """

    since: datetime | None = None
    until: datetime | None = None
    before: datetime | None = None
    after: tuple[datetime, str] | None = None
    action: str | None = None
    status: AuditStatus | None = None
    operator_id: str | None = None
    not_action: str | None = None


def page(session: Session, merchant_id: str, wanted: Wanted, limit: int) -> Sequence[Row[Any]]:
    return session.execute(
        select(*_COLUMNS)
        .where(AuditRow.merchant_id == merchant_id, *_conditions(wanted))
        .order_by(AuditRow.occurred_at.desc(), AuditRow.id.desc())
        .limit(limit)
    ).all()


def one(session: Session, merchant_id: str, audit_id: str) -> Row[Any] | None:
    return session.execute(
        select(*_COLUMNS).where(AuditRow.merchant_id == merchant_id, AuditRow.id == audit_id)
    ).one_or_none()


def of_request(session: Session, merchant_id: str, around: Row[Any]) -> Sequence[Row[Any]]:
    """The other rows of a row's request, looked for near it: no index knows requests."""
    if not around.request_id:
        return []
    at = around.occurred_at
    return session.execute(
        select(*_COLUMNS)
        .where(
            AuditRow.merchant_id == merchant_id,
            AuditRow.occurred_at.between(at - SAME_REQUEST, at + SAME_REQUEST),
            AuditRow.request_id == around.request_id,
            AuditRow.id != around.id,
        )
        .order_by(AuditRow.occurred_at, AuditRow.id)
        .limit(SAME_REQUEST_ROWS)
    ).all()


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.since:
        conditions.append(AuditRow.occurred_at >= wanted.since)
    if wanted.until:
        conditions.append(AuditRow.occurred_at <= wanted.until)
    if wanted.before:
        conditions.append(AuditRow.occurred_at < wanted.before)
    if wanted.after:
        conditions.append(_older(*wanted.after))
    if wanted.action:
        conditions.append(AuditRow.action == wanted.action)
    if wanted.not_action:
        conditions.append(AuditRow.action != wanted.not_action)
    if wanted.operator_id:
        conditions.append(AuditRow.operator_id == wanted.operator_id)
    if wanted.status:  # written out, so that the planner sees which index holds it
        conditions.append(AuditRow.status == literal_column(f"'{wanted.status.value}'"))
    return conditions


def _older(moment: datetime, audit_id: str) -> ColumnElement[bool]:
    if not audit_id:
        return AuditRow.occurred_at < moment
    return tuple_(AuditRow.occurred_at, AuditRow.id) < (moment, audit_id)


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Acts of one kind that the tenant policy held back, by its code."""

    action: str
    code: str
    count: int
    last_at: datetime


def held_back(session: Session, merchant_id: str, since: datetime) -> list[HeldBack]:
    """What the merchant's policy held back since then; the newest first."""
    code = AuditRow.details["policyCode"].astext
    newest = func.max(AuditRow.occurred_at)
    rows = session.execute(
        select(AuditRow.action, code, func.count(), newest)
        .where(
            AuditRow.merchant_id == merchant_id,
            AuditRow.status == literal_column(f"'{AuditStatus.BLOCKED.value}'"),
            AuditRow.occurred_at >= since,
            code.is_not(None),
        )
        .group_by(AuditRow.action, code)
        .order_by(newest.desc(), AuditRow.action)
    )
    return [HeldBack(*row) for row in rows]


def done(
    session: Session, merchant_id: str, action: str, since: datetime, until: datetime
) -> Iterator[Any]:
    """Acts of one kind that succeeded, oldest first: when, who did it, what is kept of it."""
    wanted = select(AuditRow.occurred_at, AuditRow.operator_id, AuditRow.details).where(
        AuditRow.merchant_id == merchant_id,
        AuditRow.action == action,
        AuditRow.status == AuditStatus.SUCCESS,
        AuditRow.occurred_at >= since,
        AuditRow.occurred_at < until,
    )
    return streamed(session, wanted.order_by(AuditRow.occurred_at, AuditRow.id))
