from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.core.db import TenantRow, stamp


class LiveStream(TenantRow):
    """The merchant's newest number. Its lock makes the order of numbers that of commits."""

    __tablename__ = "live_streams"

    last_seq: Mapped[int] = mapped_column(server_default=text("0"))


class LiveEventRow(TenantRow):
    """One event as sockets get it; kept for some days, so that a client can catch up."""

    __tablename__ = "live_events"
    __table_args__ = (
        Index(None, "merchant_id", "event_id", unique=True),
        Index(None, "merchant_id", "user_id", "seq", postgresql_where=text("user_id IS NOT NULL")),
    )

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    event_id: Mapped[str]  # of the outbox: what is delivered twice is numbered once
    type: Mapped[str]
    user_id: Mapped[str | None]  # the customer it is about
    payload: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]
    created_at: Mapped[datetime] = stamp()


class LiveTicket(TenantRow):
    """Opens one socket, once, within half a minute; stands for the token it was given for."""

    __tablename__ = "live_tickets"
    secret_hash: Mapped[str] = mapped_column(primary_key=True)
    claims: Mapped[dict[str, Any]]
    expires_at: Mapped[datetime]


class LivePresence(TenantRow):
    """How many sockets a process holds for the merchant. A process that is gone is not seen."""

    __tablename__ = "live_presence"

    process_id: Mapped[str] = mapped_column(primary_key=True)
    sockets: Mapped[int]
    seen_at: Mapped[datetime] = stamp()
