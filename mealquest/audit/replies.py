"""What the audit answers."""

from typing import Any

from mealquest.audit.chain import Fault
from mealquest.core.wire import PageInfo as PageInfo
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


class AuditPage(View):
    merchant_id: str
    items: list[AuditEntry]
    page_info: PageInfo


class AuditDetail(View):
    """One act, and what else the same request left in the audit, oldest first."""

    entry: AuditEntry
    same_request: list[AuditEntry]


class ChainView(View):
    """How far the audit is sealed; `head` is the hash of the last entry, and covers all before."""

    entries: int
    head: str
    checked_at: Timestamp | None = None
    checked_entries: int | None = None
    is_checking: bool = False
    broken_at: int | None = None
    broken_why: Fault | None = None
