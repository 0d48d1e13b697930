"""How stores settled what they owed each other, and what each day brought between them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Date, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.core.db import TenantRow, stamp, stored
from mealquest.core.money import Currency


class SettlementKind(StrEnum):
    PAID = "PAID"  # the store that was owed has the money
    WRITTEN_OFF = "WRITTEN_OFF"  # it has given it up


class Settlement(TenantRow):
    """One settling, in the book of both stores under one id. `recorded_by`: in the creditor's."""

    __tablename__ = "settlements"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="positive"),
        CheckConstraint("merchant_id <> partner_id", name="two"),
        Index(None, "merchant_id", "created_at", "id"),
        Index(None, "merchant_id", "partner_id", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    partner_id: Mapped[str]
    kind: Mapped[SettlementKind] = mapped_column(stored(SettlementKind))
    is_creditor: Mapped[bool]
    currency: Mapped[Currency]
    amount_minor: Mapped[int]
    note: Mapped[str]
    recorded_by: Mapped[str | None]
    created_at: Mapped[datetime] = stamp()


class SettlementDay(TenantRow):
    """A day that is over, with one partner, if anything moved; above zero this store owes.

    `owes_minor` came on top of what it owes, `owed_minor` off; `lines` has both by kind of entry.
    """

    __tablename__ = "settlement_days"
    __table_args__ = (
        CheckConstraint("closing_minor = opening_minor + owes_minor - owed_minor", name="adds_up"),
        CheckConstraint("owes_minor >= 0 AND owed_minor >= 0", name="sides"),
        Index(None, "merchant_id", "day", "partner_id"),
    )

    partner_id: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    currency: Mapped[Currency]
    opening_minor: Mapped[int]
    owes_minor: Mapped[int]
    owed_minor: Mapped[int]
    closing_minor: Mapped[int]
    lines: Mapped[list[Any]] = mapped_column(JSONB)


class SettlementClosing(TenantRow):
    """Up to which day, as the store counts days, its statements are closed, and its very end."""

    __tablename__ = "settlement_closings"

    closed_through: Mapped[date] = mapped_column(Date)
    closed_until: Mapped[datetime]
