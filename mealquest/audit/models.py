from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.core.db import TenantRow, stamp, stored


class AuditStatus(StrEnum):
    SUCCESS = "SUCCESS"
    DENIED = "DENIED"  # 401 or 403: the caller may not
    FAILED = "FAILED"  # any other error: nothing changed
    BLOCKED = "BLOCKED"  # a policy or a safeguard held it back


class AuditRow(TenantRow):
    """One act. The application may add rows and read them, never change or remove one."""

    __tablename__ = "audit_log"
    __table_args__ = (Index(None, "merchant_id", "occurred_at", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    occurred_at: Mapped[datetime] = stamp()
    action: Mapped[str]
    status: Mapped[AuditStatus] = mapped_column(stored(AuditStatus))
    role: Mapped[str]
    operator_id: Mapped[str]
    details: Mapped[dict[str, Any]]
    request_id: Mapped[str]
