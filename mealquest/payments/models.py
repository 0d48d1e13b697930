from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.core.db import TenantRow, stamp, stored
from mealquest.core.money import Currency
from mealquest.payments.domain import ExternalStatus, GatewayRefundState, PaymentStatus


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


class GatewayRefund(TenantRow):
    """Money from outside that goes back through the gateway; a job sends it until it is there."""

    __tablename__ = "gateway_refunds"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "payment_id"], ["payments.merchant_id", "payments.id"]
        ),
        CheckConstraint("amount_minor > 0", name="positive"),
        Index(None, "merchant_id", "payment_id"),
        Index(None, "merchant_id", "run_at", postgresql_where=text("state = 'PENDING'")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    payment_id: Mapped[str]
    external_txn_id: Mapped[str]
    amount_minor: Mapped[int]
    currency: Mapped[Currency]
    state: Mapped[GatewayRefundState] = mapped_column(stored(GatewayRefundState))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None]
    run_at: Mapped[datetime] = stamp()
    done_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = stamp()
