from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.core.db import TenantRow, stamp, stored
from mealquest.core.money import Currency
from mealquest.invoices.domain import InvoiceKind, MailState


class Invoice(TenantRow):
    """An invoice or a credit note, as issued; no row of it ever changes.

    The sealed columns are the customer's, under their personal key: erased with it. A credit note
    has none, it goes by those of the invoice that it corrects.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "payment_id"], ["payments.merchant_id", "payments.id"]
        ),
        ForeignKeyConstraint(
            ["merchant_id", "customer_id"], ["customers.merchant_id", "customers.id"]
        ),
        ForeignKeyConstraint(
            ["merchant_id", "corrects"], ["invoices.merchant_id", "invoices.number"]
        ),
        CheckConstraint(
            "voucher_minor + bonus_minor + principal_minor + silver_minor + external_minor"
            " = gross_minor AND gross_minor > 0",
            name="parts_sum_to_gross",
        ),
        CheckConstraint(
            "(kind = 'INVOICE' AND corrects IS NULL AND refund_id IS NULL"
            " AND refunded_minor BETWEEN 0 AND gross_minor"
            " AND amount_minor = gross_minor - refunded_minor)"
            " OR (kind = 'CREDIT_NOTE' AND corrects IS NOT NULL AND refund_id IS NOT NULL"
            " AND refunded_minor = 0 AND amount_minor = -gross_minor)",
            name="amount",
        ),
        Index(None, "merchant_id", "issued_at", "number"),
        Index(None, "merchant_id", "customer_id", "issued_at", "number"),
        Index(None, "merchant_id", "kind", "issued_at", "number"),
        Index(None, "merchant_id", "corrects", postgresql_where=text("corrects IS NOT NULL")),
        Index(
            None,
            "merchant_id",
            "payment_id",
            unique=True,
            postgresql_where=text("kind = 'INVOICE'"),
        ),
    )

    number: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[InvoiceKind] = mapped_column(stored(InvoiceKind))
    payment_id: Mapped[str]
    refund_id: Mapped[str | None]
    corrects: Mapped[str | None]
    customer_id: Mapped[str]
    shop_name: Mapped[str]  # as it was called then
    currency: Mapped[Currency]
    gross_minor: Mapped[int]
    voucher_minor: Mapped[int]
    bonus_minor: Mapped[int]
    principal_minor: Mapped[int]
    silver_minor: Mapped[int]
    external_minor: Mapped[int]
    refunded_minor: Mapped[int]
    amount_minor: Mapped[int]
    paid_at: Mapped[datetime]
    issued_at: Mapped[datetime]
    issued_by: Mapped[str]
    title_sealed: Mapped[str | None]
    tax_no_sealed: Mapped[str | None]
    email_sealed: Mapped[str | None]
    content_hash: Mapped[str]


class InvoiceRefund(TenantRow):
    """Which invoice took a refund off, or which credit note tells of it: each refund once."""

    __tablename__ = "invoice_refunds"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "number"], ["invoices.merchant_id", "invoices.number"]
        ),
    )

    refund_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str]


class InvoiceNumber(TenantRow):
    """How many of a kind a merchant has issued. Its row's lock makes the numbers gapless."""

    __tablename__ = "invoice_numbers"

    kind: Mapped[InvoiceKind] = mapped_column(stored(InvoiceKind), primary_key=True)
    last: Mapped[int]


class InvoiceMail(TenantRow):
    """An invoice on its way to somebody by mail, and what became of that."""

    __tablename__ = "invoice_mails"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "number"], ["invoices.merchant_id", "invoices.number"]
        ),
        Index(None, "merchant_id", "number", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str]
    message_id: Mapped[str]
    recipient_sealed: Mapped[str]  # under the customer's personal key
    state: Mapped[MailState] = mapped_column(stored(MailState))
    asked_by: Mapped[str]
    created_at: Mapped[datetime] = stamp()
    settled_at: Mapped[datetime | None]
    error: Mapped[str | None]
