from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Computed, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from mealquest.core.db import ControlRow, TenantRow, stamp, stored
from mealquest.core.principal import Role
from mealquest.identity.domain import Provider

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
        Index(
            "ix_customers_unsealed",
            "merchant_id",
            "id",
            postgresql_where=text("sealed_name IS NULL AND deleted_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    # The name in clear, of rows that no sealing has reached yet; empty in all others.
    display_name: Mapped[str] = mapped_column(server_default=text("''"))
    sealed_name: Mapped[str | None]  # under the personal key
    phone: Mapped[str | None]  # under the personal key, like the name; before, under the keyring
    phone_hash: Mapped[str | None]
    phone_last4: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    fragments: Mapped[dict[str, Any]]
    deleted_at: Mapped[datetime | None]  # since then nothing personal is left
    cancelled_at: Mapped[datetime | None]  # equals deleted_at when the customer asked for it
    token_epoch: Mapped[int] = mapped_column(server_default=text("0"))
    tokens_valid_after: Mapped[datetime] = stamp()
    created_at: Mapped[datetime] = stamp()
    reference: Mapped[int] = mapped_column(Computed(REFERENCE, persisted=True))  # seldom shared


class CustomerKey(TenantRow):
    """The key of one customer's personal texts; without it they cannot be read any more."""

    __tablename__ = "customer_keys"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "customer_id"], ["customers.merchant_id", "customers.id"]
        ),
        CheckConstraint("(wrapped IS NULL) = (destroyed_at IS NOT NULL)", name="gone_or_not"),
    )

    customer_id: Mapped[str] = mapped_column(primary_key=True)
    wrapped: Mapped[str | None]  # by the keyring; null once destroyed
    created_at: Mapped[datetime] = stamp()
    destroyed_at: Mapped[datetime | None]


class CustomerNameTerm(TenantRow):
    """A part of a customer's name, hashed, by which a search finds them.

    A table and not an array: under row-level security only plain equality may use an index.
    """

    __tablename__ = "customer_name_terms"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "customer_id"], ["customers.merchant_id", "customers.id"]
        ),
        Index(None, "merchant_id", "customer_id"),
    )

    term: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    customer_id: Mapped[str] = mapped_column(primary_key=True)


class CustomerBirthday(TenantRow):
    """Month and day of a customer's birthday, as far as one is known.

    The marks are keyed hashes by which the day's and the month's are found; there are only 366
    days, so with the key they are tried out at once. The row goes with the customer.
    """

    __tablename__ = "customer_birthdays"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "customer_id"], ["customers.merchant_id", "customers.id"]
        ),
        Index(None, "merchant_id", "day_mark", "customer_id"),
        Index(None, "merchant_id", "month_mark", "customer_id"),
    )

    customer_id: Mapped[str] = mapped_column(primary_key=True)
    day_sealed: Mapped[str]  # "MM-DD" under the personal key
    day_mark: Mapped[int]
    month_mark: Mapped[int]
    set_at: Mapped[datetime] = stamp()


class SocialIdentity(TenantRow):
    """Leads from what a provider calls a person to one customer of the merchant.

    With the provider PHONE: one more phone of theirs besides the one in their own row.
    """

    __tablename__ = "social_identities"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "customer_id"], ["customers.merchant_id", "customers.id"]
        ),
        Index(None, "merchant_id", "customer_id"),
    )

    provider: Mapped[Provider] = mapped_column(stored(Provider), primary_key=True)
    subject_hash: Mapped[str] = mapped_column(primary_key=True)
    union_hash: Mapped[str | None]  # of the person across all apps of one provider's account
    customer_id: Mapped[str]
    linked_at: Mapped[datetime] = stamp()
    last_login_at: Mapped[datetime] = stamp()


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
