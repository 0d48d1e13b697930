from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.core.db import TenantRow, stamp, stored
from mealquest.core.money import Currency
from mealquest.payments.domain import (
    ExternalStatus,
    GatewayRefundState,
    GiftKind,
    PaymentStatus,
    ReceivableState,
)
from mealquest.tenancy.service import RefundPolicy


def _payment_key() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["merchant_id", "payment_id"], ["payments.merchant_id", "payments.id"]
    )


class Payment(TenantRow):
    """One order taken. Its parts say where the money came from and sum to the order."""

    __tablename__ = "payments"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "customer_id"], ["customers.merchant_id", "customers.id"]
        ),
        CheckConstraint(
            "voucher_minor + bonus_minor + principal_minor + silver_minor + external_minor"
            " = order_minor AND order_minor > 0",
            name="parts_sum_to_order",
        ),
        CheckConstraint(
            "refunded_minor >= 0 AND refunded_minor <= order_minor", name="refund_in_range"
        ),
        Index(None, "merchant_id", "created_at", "id"),
        Index(None, "merchant_id", "customer_id", "created_at", "id"),
        # Most payments are paid: those are found by the first of these.
        Index(
            None,
            "merchant_id",
            "status",
            "created_at",
            "id",
            postgresql_where=text("status <> 'PAID'"),
        ),
        Index(
            None,
            "merchant_id",
            "hold_expires_at",
            postgresql_where=text("status = 'PENDING_EXTERNAL'"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str]
    status: Mapped[PaymentStatus] = mapped_column(stored(PaymentStatus))
    currency: Mapped[Currency]
    order_minor: Mapped[int]
    voucher_minor: Mapped[int]
    bonus_minor: Mapped[int]
    principal_minor: Mapped[int]
    silver_minor: Mapped[int]
    external_minor: Mapped[int]
    refunded_minor: Mapped[int] = mapped_column(server_default=text("0"))
    voucher_id: Mapped[str | None]
    quote: Mapped[dict[str, Any]]  # what the counter showed, as sent
    taken_by: Mapped[str]
    created_at: Mapped[datetime] = stamp()
    lots: Mapped[dict[str, Any] | None]  # bonus lot -> minor units it gives, or has given
    hold_expires_at: Mapped[datetime | None]
    provider: Mapped[str | None]
    payment_intent_id: Mapped[str | None]
    external_status: Mapped[ExternalStatus | None] = mapped_column(stored(ExternalStatus))
    external_txn_id: Mapped[str | None]
    confirmed_at: Mapped[datetime | None]
    wallet_merchant_id: Mapped[str | None]  # whose wallet paid; null: the store's own


class Refund(TenantRow):
    """Money of a payment given back, once. Parts and what was reclaimed add up; see `Plan`.

    `lots` says whose share of the bonus it is, also where a clawback turned it into principal.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        _payment_key(),
        CheckConstraint(
            "voucher_minor + bonus_minor + principal_minor + silver_minor + external_minor"
            " = amount_minor AND amount_minor > 0",
            name="parts_sum_to_amount",
        ),
        CheckConstraint(
            "least(voucher_minor, bonus_minor, principal_minor, silver_minor, external_minor) >= 0",
            name="not_negative",
        ),
        CheckConstraint(
            "from_bonus_minor + from_silver_minor + from_principal_minor + receivable_minor"
            " = reclaim_minor AND least(from_bonus_minor, from_silver_minor,"
            " from_principal_minor, receivable_minor) >= 0",
            name="reclaim_adds_up",
        ),
        CheckConstraint(
            "from_granted_minor BETWEEN 0 AND from_principal_minor", name="granted_is_principal"
        ),
        Index(None, "merchant_id", "payment_id"),
        Index(None, "merchant_id", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    payment_id: Mapped[str]
    currency: Mapped[Currency]
    policy: Mapped[RefundPolicy] = mapped_column(stored(RefundPolicy))
    amount_minor: Mapped[int]
    voucher_minor: Mapped[int]
    bonus_minor: Mapped[int]
    principal_minor: Mapped[int]
    silver_minor: Mapped[int]
    external_minor: Mapped[int]
    reclaim_minor: Mapped[int] = mapped_column(server_default=text("0"))
    from_bonus_minor: Mapped[int] = mapped_column(server_default=text("0"))
    from_silver_minor: Mapped[int] = mapped_column(server_default=text("0"))
    from_principal_minor: Mapped[int] = mapped_column(server_default=text("0"))
    from_granted_minor: Mapped[int] = mapped_column(server_default=text("0"))  # of the principal
    receivable_minor: Mapped[int] = mapped_column(server_default=text("0"))
    lots: Mapped[dict[str, Any]]  # bonus lot -> minor units of its share
    voucher_id: Mapped[str | None]  # the order's voucher, when this refund gave it back
    withdrawn: Mapped[list[str]] = mapped_column(JSONB)  # gift vouchers taken back unused
    fragments: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))  # and pieces
    refunded_by: Mapped[str]
    created_at: Mapped[datetime] = stamp()


class PaymentGift(TenantRow):
    """Something a payment earned its customer; a refund of the payment takes it back."""

    __tablename__ = "payment_gifts"
    __table_args__ = (
        _payment_key(),
        CheckConstraint("amount_minor >= 0 AND claimed_minor >= 0", name="not_negative"),
        CheckConstraint(
            "(kind = 'BONUS') = (lot_id IS NOT NULL)"
            " AND (kind = 'VOUCHER') = (voucher_id IS NOT NULL)"
            " AND (kind = 'FRAGMENT') = (fragment IS NOT NULL)",
            name="names_what_was_given",
        ),
        Index(None, "merchant_id", "payment_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    payment_id: Mapped[str]
    kind: Mapped[GiftKind] = mapped_column(stored(GiftKind))
    amount_minor: Mapped[int]
    claimed_minor: Mapped[int] = mapped_column(server_default=text("0"))  # by refunds so far
    lot_id: Mapped[str | None]
    voucher_id: Mapped[str | None]
    fragment: Mapped[str | None]  # their kind; then `_minor` counts pieces
    granted_by: Mapped[str]  # the campaign
    created_at: Mapped[datetime] = stamp()


class Receivable(TenantRow):
    """What a customer still owes, because a refund could not take back all that was earned."""

    __tablename__ = "receivables"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "customer_id"], ["customers.merchant_id", "customers.id"]
        ),
        _payment_key(),
        ForeignKeyConstraint(["merchant_id", "refund_id"], ["refunds.merchant_id", "refunds.id"]),
        CheckConstraint(
            "amount_minor > 0 AND settled_minor >= 0 AND written_off_minor >= 0"
            " AND settled_minor + written_off_minor <= amount_minor",
            name="settled_in_range",
        ),
        CheckConstraint(
            "(state = 'OPEN') = (settled_minor + written_off_minor < amount_minor)",
            name="open_while_something_is_owed",
        ),
        Index(None, "merchant_id", "created_at", "id"),
        Index(None, "merchant_id", "customer_id"),
        Index(None, "merchant_id", "payment_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str]
    payment_id: Mapped[str]
    refund_id: Mapped[str]
    currency: Mapped[Currency]
    amount_minor: Mapped[int]
    settled_minor: Mapped[int] = mapped_column(server_default=text("0"))
    written_off_minor: Mapped[int] = mapped_column(server_default=text("0"))
    state: Mapped[ReceivableState] = mapped_column(stored(ReceivableState))
    settled_by: Mapped[str | None]  # who closed it
    settled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = stamp()


class GatewayRefund(TenantRow):
    """Money from outside that goes back through the gateway; a job sends it until it is there."""

    __tablename__ = "gateway_refunds"
    __table_args__ = (
        _payment_key(),
        CheckConstraint("amount_minor > 0", name="positive"),
        Index(None, "merchant_id", "payment_id"),
        Index(None, "merchant_id", "run_at", postgresql_where=text("state = 'PENDING'")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    payment_id: Mapped[str]
    refund_id: Mapped[str | None]  # null: money that came too late
    external_txn_id: Mapped[str]
    amount_minor: Mapped[int]
    currency: Mapped[Currency]
    state: Mapped[GatewayRefundState] = mapped_column(stored(GatewayRefundState))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None]
    run_at: Mapped[datetime] = stamp()
    done_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = stamp()


class PaidAgain(TenantRow):
    """Money that the gateway says came once more for a payment that had been paid: not booked.

    Whoever runs the shop has to look into it at the gateway.
    """

    __tablename__ = "payments_paid_again"
    __table_args__ = (_payment_key(), Index(None, "merchant_id", "noticed_at"))

    payment_id: Mapped[str] = mapped_column(primary_key=True)
    external_txn_id: Mapped[str] = mapped_column(primary_key=True)  # not the payment's own
    noticed_at: Mapped[datetime] = stamp()
