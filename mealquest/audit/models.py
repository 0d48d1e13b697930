from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.core.db import TenantRow, stored


class AuditStatus(StrEnum):
    SUCCESS = "SUCCESS"
    DENIED = "DENIED"  # 401 or 403: the caller may not
    FAILED = "FAILED"  # any other error: nothing changed
    BLOCKED = "BLOCKED"  # a policy or a safeguard held it back


class AuditRow(TenantRow):
    """One act. The application may add rows and read them, never change or remove one.

    Its time is kept in milliseconds, as it is shown: so a cursor that a client holds names one
    place in the list, and the list is in order for whoever sorts it by what they see.
    """

    __tablename__ = "audit_log"
    __table_args__ = (
        Index(None, "merchant_id", "occurred_at", "id"),
        Index(None, "merchant_id", "action", "occurred_at", "id"),
        Index(None, "merchant_id", "operator_id", "occurred_at", "id"),
        # Most rows tell of success: those are found by the indexes above.
        Index(
            None,
            "merchant_id",
            "status",
            "occurred_at",
            "id",
            postgresql_where=text("status <> 'SUCCESS'"),
        ),
        Index(
            None,
            "merchant_id",
            "action",
            "status",
            "occurred_at",
            "id",
            postgresql_where=text("status <> 'SUCCESS'"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    occurred_at: Mapped[datetime] = mapped_column(
        TIMESTAMP(timezone=True, precision=3), server_default=func.now()
    )
    action: Mapped[str]
    status: Mapped[AuditStatus] = mapped_column(stored(AuditStatus))
    role: Mapped[str]
    operator_id: Mapped[str]
    details: Mapped[dict[str, Any]]
    request_id: Mapped[str]
