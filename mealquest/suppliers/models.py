from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Computed, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.core.db import TenantRow, stamp, stored
from mealquest.core.money import Currency
from mealquest.suppliers.domain import HistoryKind, OrderStatus

SPREAD = (
    "GREATEST(amount_minor, delivered_minor, invoiced_minor)"
    " - LEAST(amount_minor, delivered_minor, invoiced_minor)"
)


class Partner(TenantRow):
    """Somebody whose orders a merchant honours. Of its key only a hash is kept."""

    __tablename__ = "supplier_partners"
    __table_args__ = (
        Index(None, "merchant_id", "key_id", unique=True),
        CheckConstraint("tolerance_minor >= 0", name="tolerance_not_negative"),
    )

    partner_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    tolerance_minor: Mapped[int] = mapped_column(server_default=text("0"))
    key_id: Mapped[str | None]  # null: no key, or one that was revoked
    key_hash: Mapped[str | None]
    key_made_at: Mapped[datetime | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = stamp()


class PartnerOrder(TenantRow):
    """An order at a partner, and what was delivered and invoiced for it."""

    __tablename__ = "partner_orders"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "partner_id"],
            ["supplier_partners.merchant_id", "supplier_partners.partner_id"],
            name="fk_partner_orders_merchant_id_partner_id_supplier_partners",
        ),
        Index(None, "merchant_id", "partner_id", "order_id", unique=True),
        Index(None, "merchant_id", "created_at", "id"),
        Index(None, "merchant_id", "partner_id", "created_at", "id"),
        Index(
            "ix_partner_orders_differing",
            "merchant_id",
            "created_at",
            "id",
            postgresql_where=text("spread_minor > 0"),
        ),
        CheckConstraint(
            "amount_minor > 0 AND delivered_minor >= 0 AND invoiced_minor >= 0", name="amounts"
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    partner_id: Mapped[str]
    order_id: Mapped[str]  # as the partner calls it
    amount_minor: Mapped[int]
    currency: Mapped[Currency]
    status: Mapped[OrderStatus] = mapped_column(stored(OrderStatus))
    paid_at: Mapped[datetime | None]
    delivered_minor: Mapped[int | None]
    invoiced_minor: Mapped[int | None]
    spread_minor: Mapped[int | None] = mapped_column(Computed(SPREAD, persisted=True))
    verified_at: Mapped[datetime | None]  # when it was used up
    verified_by: Mapped[str | None]
    created_at: Mapped[datetime] = stamp()
    updated_at: Mapped[datetime] = stamp()


class PartnerOrderHistory(TenantRow):
    """Every change of an order and every attempt to verify one, also one nobody knows."""

    __tablename__ = "partner_order_history"
    __table_args__ = (Index(None, "merchant_id", "partner_id", "order_id", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    partner_id: Mapped[str]
    order_id: Mapped[str]
    kind: Mapped[HistoryKind] = mapped_column(stored(HistoryKind))
    details: Mapped[dict[str, Any]]
    role: Mapped[str]
    operator_id: Mapped[str]
    request_id: Mapped[str]
    occurred_at: Mapped[datetime] = stamp()


class OrderImport(TenantRow):
    """An uploaded list that was found good: shown, then applied as a whole, or forgotten."""

    __tablename__ = "partner_order_imports"
    __table_args__ = (Index(None, "merchant_id", "created_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    rows: Mapped[dict[str, Any] | None]  # null once it is applied
    result: Mapped[dict[str, Any] | None]  # what was done
    created_by: Mapped[str]
    created_at: Mapped[datetime] = stamp()
    applied_at: Mapped[datetime | None]
