from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.core.db import TenantRow, stamp, stored
from mealquest.core.money import Currency
from mealquest.wallet.domain import VoucherStatus, VoucherType


class EntryKind(StrEnum):
    OPENING = "OPENING"  # balances a customer had before the ledger began
    TOP_UP = "TOP_UP"
    PAYMENT = "PAYMENT"
    PAYMENT_PENDING = "PAYMENT_PENDING"  # moves nothing yet: the assets are held
    PAYMENT_EXTERNAL_CONFIRM = "PAYMENT_EXTERNAL_CONFIRM"  # outside money came: all parts move
    EXTERNAL_RECEIVED = "EXTERNAL_RECEIVED"  # outside money came that must go back
    GATEWAY_REFUND = "GATEWAY_REFUND"  # it, or the outside part of a refund, went back
    REFUND = "REFUND"  # a payment given back, in whole or in part
    RECEIVABLE_SETTLED = "RECEIVABLE_SETTLED"  # what a customer owed was paid, or given up
    BONUS_EXPIRY = "BONUS_EXPIRY"
    CAMPAIGN_GRANT = "CAMPAIGN_GRANT"  # what one hit of a campaign gave
    WALLET_MOVED = "WALLET_MOVED"  # from a store's own wallet into the one that it shares
    SETTLEMENT = "SETTLEMENT"  # a store paid what it owed another; about no customer
    SETTLEMENT_WRITTEN_OFF = "SETTLEMENT_WRITTEN_OFF"  # the other one gave it up


class TopUpMethod(StrEnum):
    CASH = "CASH"
    CARD = "CARD"
    TRANSFER = "TRANSFER"
    OTHER = "OTHER"


def _customer_key() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["merchant_id", "customer_id"], ["customers.merchant_id", "customers.id"]
    )


class Wallet(TenantRow):
    """One customer's balances at one merchant; each balance equals its ledger sum.

    Its row lock guards the customer's bonus lots and vouchers too: take it first, always.
    """

    __tablename__ = "wallets"
    __table_args__ = (
        _customer_key(),
        CheckConstraint(
            "principal_minor >= 0 AND bonus_minor >= 0 AND silver_minor >= 0", name="not_negative"
        ),
        CheckConstraint(
            "held_principal_minor BETWEEN 0 AND principal_minor"
            " AND held_bonus_minor BETWEEN 0 AND bonus_minor"
            " AND held_silver_minor BETWEEN 0 AND silver_minor",
            name="held_in_range",
        ),
    )

    customer_id: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[Currency]
    principal_minor: Mapped[int] = mapped_column(server_default=text("0"))
    bonus_minor: Mapped[int] = mapped_column(server_default=text("0"))
    silver_minor: Mapped[int] = mapped_column(server_default=text("0"))
    held_principal_minor: Mapped[int] = mapped_column(server_default=text("0"))
    held_bonus_minor: Mapped[int] = mapped_column(server_default=text("0"))
    held_silver_minor: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = stamp()


class BonusLot(TenantRow):
    """Bonus granted at once, spent soonest expiry first; the lots left sum to the bonus balance."""

    __tablename__ = "bonus_lots"
    __table_args__ = (
        _customer_key(),
        CheckConstraint("left_minor >= 0 AND left_minor <= granted_minor", name="left_in_range"),
        CheckConstraint("held_minor BETWEEN 0 AND left_minor", name="held_in_range"),
        Index(None, "merchant_id", "customer_id", postgresql_where=text("left_minor > 0")),
        Index(
            None,
            "merchant_id",
            "expires_at",
            postgresql_where=text("left_minor > 0 AND expires_at IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str]
    granted_minor: Mapped[int]
    left_minor: Mapped[int]
    held_minor: Mapped[int] = mapped_column(server_default=text("0"))
    expires_at: Mapped[datetime | None]
    granted_by: Mapped[str]  # the ledger entry that brought it
    created_at: Mapped[datetime] = stamp()


class Voucher(TenantRow):
    __tablename__ = "vouchers"
    __table_args__ = (
        _customer_key(),
        CheckConstraint("value_minor >= 0 AND min_spend_minor >= 0", name="not_negative"),
        CheckConstraint("discount_rate > 0 AND discount_rate < 1", name="rate_in_range"),
        Index(None, "merchant_id", "customer_id", "expires_at", "id"),
        Index(None, "merchant_id", "status", "expires_at", "id"),
        Index(None, "merchant_id", "type", "status", "expires_at", "id"),
        Index(None, "merchant_id", "expires_at", postgresql_where=text("status = 'ACTIVE'")),
        Index(None, "merchant_id", "granted_by", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str]
    type: Mapped[VoucherType] = mapped_column(stored(VoucherType))
    name: Mapped[str]
    value_minor: Mapped[int]
    min_spend_minor: Mapped[int]
    discount_rate: Mapped[Decimal | None] = mapped_column(Numeric(5, 4))
    status: Mapped[VoucherStatus] = mapped_column(stored(VoucherStatus))
    expires_at: Mapped[datetime]
    granted_by: Mapped[str]  # what brought it: a campaign, a person, the demo data
    used_by: Mapped[str | None]  # the payment that spent it
    only_at: Mapped[str | None]  # the store that gave it into a wallet it does not keep
    created_at: Mapped[datetime] = stamp()


class LedgerEntry(TenantRow):
    """One movement of money: append-only, its postings are its substance."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        _customer_key(),
        Index(None, "merchant_id", "kind", "reference", unique=True),
        Index(None, "merchant_id", "customer_id", "created_at", "id"),
        Index(None, "merchant_id", "created_at", "id"),
        # Most entries are payments: those are found by the one before.
        Index(
            None,
            "merchant_id",
            "kind",
            "created_at",
            "id",
            postgresql_where=text("kind <> 'PAYMENT'"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[EntryKind] = mapped_column(stored(EntryKind))
    reference: Mapped[str]  # the payment, top-up or refund it is about; once per kind
    customer_id: Mapped[str | None]  # null: between two stores
    amount_minor: Mapped[int]
    currency: Mapped[Currency]
    details: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = stamp()


class LedgerPosting(TenantRow):
    """`amount_minor` moved from one account to another: two ends, so it always balances."""

    __tablename__ = "ledger_postings"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "entry_id"], ["ledger_entries.merchant_id", "ledger_entries.id"]
        ),
        CheckConstraint("amount_minor > 0", name="positive"),
        CheckConstraint("source <> destination", name="two_ends"),
        Index(None, "merchant_id", "source", "entry_id"),
        Index(None, "merchant_id", "destination", "entry_id"),
    )

    entry_id: Mapped[str] = mapped_column(primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str]
    destination: Mapped[str]
    amount_minor: Mapped[int]


class TopUp(TenantRow):
    __tablename__ = "top_ups"
    __table_args__ = (
        _customer_key(),
        CheckConstraint("amount_minor > 0 AND bonus_minor >= 0", name="amounts"),
        Index(None, "merchant_id", "created_at", "id"),
        Index(None, "merchant_id", "customer_id", "created_at", "id"),
        Index(None, "merchant_id", "method", "created_at", "id"),
        Index(None, "merchant_id", "taken_by", "created_at", "id"),
        Index(None, "merchant_id", "taken_by", "method", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str]
    entry_id: Mapped[str]
    amount_minor: Mapped[int]
    bonus_minor: Mapped[int]
    method: Mapped[TopUpMethod] = mapped_column(stored(TopUpMethod))
    note: Mapped[str]
    taken_by: Mapped[str]
    created_at: Mapped[datetime] = stamp()


class TopUpRule(TenantRow):
    """Who pays in at least `from_minor` gets `bonus_minor` on top; the highest step counts."""

    __tablename__ = "top_up_rules"
    __table_args__ = (
        CheckConstraint(
            "from_minor > 0 AND bonus_minor > 0 AND bonus_minor <= from_minor", name="amounts"
        ),
        CheckConstraint("valid_days > 0", name="valid_days"),
        Index(None, "merchant_id", "from_minor", unique=True),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    from_minor: Mapped[int]
    bonus_minor: Mapped[int]
    valid_days: Mapped[int | None]  # null: the bonus never expires
    created_by: Mapped[str]
    created_at: Mapped[datetime] = stamp()


class SettlementPosition(TenantRow):
    """What this merchant owes one partner (below zero: the partner owes it), and for whom it waits.

    `position_minor` is the balance of the account `settlement:<partner>` in this merchant's book;
    the partner's row says the opposite. `held_minor` is what the partner will owe more once orders
    that wait here for outside money are paid; `cap_minor` what it may owe at most, held included.
    """

    __tablename__ = "settlement_positions"
    __table_args__ = (
        CheckConstraint("merchant_id <> partner_id", name="two"),
        CheckConstraint("held_minor >= 0 AND cap_minor >= 0", name="not_negative"),
    )

    partner_id: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[Currency]
    position_minor: Mapped[int] = mapped_column(server_default=text("0"))
    held_minor: Mapped[int] = mapped_column(server_default=text("0"))
    cap_minor: Mapped[int | None]  # null: no limit


class SharedHold(TenantRow):
    """What a payment that waits at another store, `store_id`, reserves of a wallet kept here.

    The payment itself is a row of that store, which this merchant does not see.
    """

    __tablename__ = "shared_holds"
    __table_args__ = (
        _customer_key(),
        CheckConstraint(
            "least(principal_minor, bonus_minor, silver_minor) >= 0", name="not_negative"
        ),
        Index(None, "merchant_id", "customer_id"),
    )

    store_id: Mapped[str] = mapped_column(primary_key=True)
    payment_id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str]
    principal_minor: Mapped[int]
    bonus_minor: Mapped[int]
    silver_minor: Mapped[int]
    lots: Mapped[dict[str, Any]]  # bonus lot -> minor units
    created_at: Mapped[datetime] = stamp()
