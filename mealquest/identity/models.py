from datetime import datetime
from typing import Any

from sqlalchemy import Computed, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from mealquest.core.db import ControlRow, TenantRow, stamp
from mealquest.core.principal import Role

# Thirty bits of an id, for codes that are short enough to be typed.
REFERENCE = "hashtextextended(id, 0) & 1073741823"


class Staff(TenantRow):
    """Somebody who works for a merchant. Removed staff keep their row, for the audit."""

    __tablename__ = "staff"

    id: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[Role]
    name: Mapped[str]
    phone: Mapped[str | None]  # encrypted
    removed_at: Mapped[datetime | None]
    token_epoch: Mapped[int] = mapped_column(server_default=text("0"))  # part of every token
    tokens_valid_after: Mapped[datetime] = stamp()  # for tokens minted elsewhere
    created_at: Mapped[datetime] = stamp()


class StaffSession(TenantRow):
    """One sign-in of somebody of the staff; its tokens name it and count until it is ended."""

    __tablename__ = "staff_sessions"
    __table_args__ = (
        ForeignKeyConstraint(["merchant_id", "staff_id"], ["staff.merchant_id", "staff.id"]),
        Index(None, "merchant_id", "staff_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    staff_id: Mapped[str]
    device: Mapped[str]  # family of browser and system, such as "Safari, iPhone"; may be empty
    created_at: Mapped[datetime] = stamp()
    last_seen_at: Mapped[datetime] = stamp()  # minutes late, and written by reads only
    ended_at: Mapped[datetime | None]


class StaffPhone(ControlRow):
    """Which merchants know a phone as staff. Read before anybody is signed in."""

    __tablename__ = "staff_phones"

    phone_hash: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str] = mapped_column(primary_key=True)
    staff_id: Mapped[str]


class Customer(TenantRow):
    """A customer of one merchant; the same person at two merchants is two customers."""

    __tablename__ = "customers"
    __table_args__ = (
        Index(None, "merchant_id", "phone_hash", unique=True),
        Index(None, "merchant_id", "created_at", "id"),
        Index(None, "merchant_id", "reference"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    display_name: Mapped[str]
    phone: Mapped[str | None]  # encrypted
    phone_hash: Mapped[str | None]
    phone_last4: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    fragments: Mapped[dict[str, Any]]
    deleted_at: Mapped[datetime | None]
    token_epoch: Mapped[int] = mapped_column(server_default=text("0"))
    tokens_valid_after: Mapped[datetime] = stamp()
    created_at: Mapped[datetime] = stamp()
    reference: Mapped[int] = mapped_column(Computed(REFERENCE, persisted=True))  # seldom shared


class PhoneCode(ControlRow):
    """The one outstanding code of a phone; a new request replaces it."""

    __tablename__ = "phone_codes"

    phone_hash: Mapped[str] = mapped_column(primary_key=True)
    code_hash: Mapped[str]
    expires_at: Mapped[datetime]
    tries_left: Mapped[int]
    used_at: Mapped[datetime | None]
    choice_until: Mapped[datetime | None]  # a used code may still choose among merchants
    created_at: Mapped[datetime] = stamp()


class LookupKey(ControlRow):
    """The key under which phones are hashed for look-ups, itself encrypted by the keyring."""

    __tablename__ = "lookup_keys"

    name: Mapped[str] = mapped_column(primary_key=True)
    wrapped: Mapped[str]
