from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.audit.chain import Fault
from mealquest.core.db import TenantRow, stamp, stored


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
        Index(None, "merchant_id", "xact", "id"),
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
    # The transaction that wrote it. Below the oldest open one the order of rows is final.
    xact: Mapped[int] = mapped_column(
        server_default=text("CAST(CAST(pg_current_xact_id() AS text) AS bigint)")
    )


class AuditChain(TenantRow):
    """How far a merchant's audit is sealed, and what the last check of the seals found."""

    __tablename__ = "audit_chains"

    last_seq: Mapped[int] = mapped_column(server_default=text("0"))
    last_hash: Mapped[str] = mapped_column(server_default="")
    sealed_xact: Mapped[int] = mapped_column(server_default=text("-1"))
    sealed_id: Mapped[str] = mapped_column(server_default="")
    cluster: Mapped[str]  # whose transaction numbers these are
    created_at: Mapped[datetime] = stamp()
    check_wanted_at: Mapped[datetime | None]  # somebody waits for the next check
    checked_at: Mapped[datetime | None]
    checked_seq: Mapped[int | None]  # how many entries that check read
    broken_seq: Mapped[int | None]  # null: the chain held
    broken_why: Mapped[Fault | None] = mapped_column(stored(Fault))


class AuditSeal(TenantRow):
    """The place of one row in its merchant's chain; its hash covers the row and all before it."""

    __tablename__ = "audit_seals"
    __table_args__ = (Index(None, "merchant_id", "audit_id", unique=True),)

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    audit_id: Mapped[str]
    hash: Mapped[str]
    created_at: Mapped[datetime] = stamp()
