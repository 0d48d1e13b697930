"""What the audit answers."""

from typing import Any

from mealquest.core.wire import Timestamp, View


class AuditEntry(View):
    """One act: who, in which role, what came of it, and in which request."""

    audit_id: str
    timestamp: Timestamp
    merchant_id: str
    action: str
    status: str
    role: str
    operator_id: str
    details: dict[str, Any]
    request_id: str


class PageInfo(View):
    limit: int
    has_more: bool
    next_cursor: str | None


class AuditPage(View):
    merchant_id: str
    items: list[AuditEntry]
    page_info: PageInfo


class AuditDetail(View):
    """One act, and what else the same request left in the audit, oldest first."""

    entry: AuditEntry
    same_request: list[AuditEntry]
