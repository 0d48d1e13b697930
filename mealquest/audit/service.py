"""The record of who did what: written inside the act's own transaction, and looked at here."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from mealquest.audit import queries, restoring
from mealquest.audit.checks import CHECKS
from mealquest.audit.errors import AuditRowNotFound
from mealquest.audit.forms import AuditForm, moment_or_none
from mealquest.audit.models import AuditRow, AuditStatus
from mealquest.audit.queries import HeldBack, Wanted, done, held_back
from mealquest.audit.replies import AuditDetail, AuditEntry, AuditPage, ChainView, PageInfo
from mealquest.audit.sealing import ask_for_check as ask_for_chain_check
from mealquest.audit.sealing import check as check_chain
from mealquest.audit.sealing import export as export_chain
from mealquest.audit.sealing import has_due, seal, seal_rest, tend_due
from mealquest.audit.sealing import state as chain_state
from mealquest.core.clock import iso_millis
from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.core.paging import EXPORT_BATCH, batches, cut, span_of_days
from mealquest.core.principal import Principal
from mealquest.core.telemetry import request_id

__all__ = [
    "CHECKS",
    "AuditDetail",
    "AuditEntry",
    "AuditForm",
    "AuditPage",
    "AuditRowNotFound",
    "AuditStatus",
    "ChainView",
    "HeldBack",
    "ask_for_chain_check",
    "chain_state",
    "check_chain",
    "detail",
    "done",
    "every",
    "export_chain",
    "has_due",
    "held_back",
    "logs",
    "record",
    "record_alone",
    "restoring",
    "seal",
    "seal_rest",
    "tend_due",
]

UTC_ZONE = ZoneInfo("UTC")
ORDINARY = "SUPPLIER_VERIFY"


_ADD = text(
    """
    INSERT INTO audit_log (merchant_id, id, action, status, role, operator_id, details, request_id)
    VALUES (:merchant, :id, :action, :status, :role, :operator, :details, :request)
    """
).bindparams(bindparam("details", type_=JSONB))


def record(
    session: Session,
    merchant_id: str,
    action: str,
    by: Principal,
    details: dict[str, Any],
    status: AuditStatus = AuditStatus.SUCCESS,
) -> None:
    """Add a row that commits with the act it tells of."""
    session.execute(
        _ADD,
        {
            "merchant": merchant_id,
            "id": new_id("audit"),
            "action": action,
            "status": status.value,
            "role": by.role.value,
            "operator": by.subject,
            "details": details,
            "request": request_id.get(),
        },
    )


def record_alone(
    merchant_id: str, action: str, by: Principal, details: dict[str, Any], status: AuditStatus
) -> None:
    """Tell of an act that was refused or failed, after its own transaction was rolled back."""
    with transaction(merchant_id) as session:
        record(session, merchant_id, action, by, details, status)


def logs(merchant_id: str, form: AuditForm, zone: ZoneInfo = UTC_ZONE) -> AuditPage:
    """One page of the audit, newest first. `zone` is where the filter's days begin and end.

    A cursor is `<timestamp>|<auditId>`, the last row seen. One without an id goes on after all
    rows of that time; one that cannot be read begins at the newest.
    """
    rows, next_cursor = _page(merchant_id, form, zone, form.cursor, form.limit)
    info = PageInfo(limit=form.limit, has_more=next_cursor is not None, next_cursor=next_cursor)
    items = [_entry(row) for row in rows]
    return AuditPage(merchant_id=merchant_id, items=items, page_info=info)


def every(
    merchant_id: str, form: AuditForm, zone: ZoneInfo = UTC_ZONE
) -> Iterator[list[AuditEntry]]:
    """All rows of the filter, newest first, in batches that are read as they are asked for."""
    read = batches(lambda cursor: _page(merchant_id, form, zone, cursor, EXPORT_BATCH))
    return ([_entry(row) for row in rows] for rows in read)


def detail(merchant_id: str, audit_id: str) -> AuditDetail:
    """AuditRowNotFound: no such row at this merchant."""
    with transaction(merchant_id) as session:
        row = queries.one(session, merchant_id, audit_id)
        if row is None:
            raise AuditRowNotFound
        others = queries.of_request(session, merchant_id, row)
    return AuditDetail(entry=_entry(row), same_request=[_entry(other) for other in others])


def blocked_since(session: Session, merchant_id: str, since: datetime) -> int:
    """How many acts a policy or a safeguard held back since then.

    A partner's order that does not count is an answer, not something to look after.
    """
    return int(
        session.scalar(
            select(func.count())
            .select_from(AuditRow)
            .where(
                AuditRow.merchant_id == merchant_id,
                AuditRow.status == AuditStatus.BLOCKED,
                AuditRow.action != ORDINARY,
                AuditRow.occurred_at >= since,
            )
        )
        or 0
    )


def _page(
    merchant_id: str, form: AuditForm, zone: ZoneInfo, cursor: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    status = next((s for s in AuditStatus if s.value == form.status), None)
    if form.status and status is None:
        return [], None
    days = span_of_days(form.from_day, form.to_day, zone)
    wanted = Wanted(
        since=_latest(form.start_time, days.since),
        until=form.end_time,
        before=days.until,
        after=_after(cursor),
        action=form.action,
        status=status,
        operator_id=form.operator_id,
        not_action=form.not_action,
    )
    with transaction(merchant_id) as session:
        rows = queries.page(session, merchant_id, wanted, limit + 1)
    return cut(rows, limit, lambda row: f"{iso_millis(row.occurred_at)}|{row.id}")


def _after(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    moment, _, audit_id = cursor.partition("|")
    parsed = moment_or_none(moment)
    return (parsed, audit_id) if parsed else None


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment), default=None)


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        audit_id=row.id,
        timestamp=row.occurred_at,
        merchant_id=row.merchant_id,
        action=row.action,
        status=row.status,
        role=row.role,
        operator_id=row.operator_id,
        details=row.details,
        request_id=row.request_id,
    )
