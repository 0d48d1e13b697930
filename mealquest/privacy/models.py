from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.core.db import TenantRow, stamp, stored
from mealquest.privacy.domain import ExportState


class PrivacyExport(TenantRow):
    """A file with everything about one customer, on its way or ready, for a few days."""

    __tablename__ = "privacy_exports"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "customer_id"], ["customers.merchant_id", "customers.id"]
        ),
        Index(None, "merchant_id", "created_at", "id"),
        Index(None, "merchant_id", "customer_id", "created_at", "id"),
        Index(
            None,
            "merchant_id",
            "run_at",
            postgresql_where=text("state IN ('WAITING', 'RUNNING')"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str]
    state: Mapped[ExportState] = mapped_column(stored(ExportState))
    rows_done: Mapped[int] = mapped_column(server_default=text("0"))
    rows_total: Mapped[int] = mapped_column(server_default=text("0"))  # as counted at the start
    step: Mapped[int] = mapped_column(server_default=text("0"))  # how many sections are done
    after: Mapped[list[Any] | None] = mapped_column(
        JSONB(none_as_null=True)
    )  # last key of the running one
    requested_by: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))  # since it last got on
    run_at: Mapped[datetime] = stamp()  # of a running one: when its worker is taken for dead
    created_at: Mapped[datetime] = stamp()
    ready_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]


class PrivacyExportChunk(TenantRow):
    """A piece of one file of the export, deflated and sealed under the customer's key."""

    __tablename__ = "privacy_export_chunks"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "export_id"], ["privacy_exports.merchant_id", "privacy_exports.id"]
        ),
    )

    export_id: Mapped[str] = mapped_column(primary_key=True)
    entry: Mapped[str] = mapped_column(primary_key=True)  # the file's name in the ZIP
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed: Mapped[bytes]
