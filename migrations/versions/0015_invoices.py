"""Let shops issue invoices: invoices, what they tell of refunds, their mails, their numbers.

Safe while the old code runs: new tables that older code does not read. Invoices are append-only,
so that one that was issued can never read differently.
"""

import sqlalchemy as sa
from alembic import op
from rls import tenant_table

revision = "0015_invoices"
down_revision = "0014_list_indexes"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    _invoices()
    _about_invoices()
    tenant_table("invoices", append_only=True)
    tenant_table("invoice_refunds", append_only=True)
    tenant_table("invoice_numbers")
    tenant_table("invoice_mails")


def downgrade() -> None:
    for table in ("invoice_mails", "invoice_numbers", "invoice_refunds", "invoices"):
        op.drop_table(table)


def _invoices() -> None:
    op.create_table(
        "invoices",
        *_keys("invoices", "number"),
        _word("kind"),
        _text("payment_id"),
        _text("refund_id", nullable=True),
        _text("corrects", nullable=True),
        _text("customer_id"),
        _text("shop_name"),
        _word("currency"),
        _minor("gross_minor"),
        _minor("voucher_minor"),
        _minor("bonus_minor"),
        _minor("principal_minor"),
        _minor("silver_minor"),
        _minor("external_minor"),
        _minor("refunded_minor"),
        _minor("amount_minor"),
        _time("paid_at"),
        _time("issued_at"),
        _text("issued_by"),
        _text("title_sealed", nullable=True),
        _text("tax_no_sealed", nullable=True),
        _text("email_sealed", nullable=True),
        _text("content_hash"),
        _reference("invoices", "payment_id", "payments", "id"),
        _reference("invoices", "customer_id", "customers", "id"),
        _reference("invoices", "corrects", "invoices", "number"),
        sa.CheckConstraint(
            "voucher_minor + bonus_minor + principal_minor + silver_minor + external_minor"
            " = gross_minor AND gross_minor > 0",
            name=op.f("ck_invoices_parts_sum_to_gross"),
        ),
        sa.CheckConstraint(
            "(kind = 'INVOICE' AND corrects IS NULL AND refund_id IS NULL"
            " AND refunded_minor BETWEEN 0 AND gross_minor"
            " AND amount_minor = gross_minor - refunded_minor)"
            " OR (kind = 'CREDIT_NOTE' AND corrects IS NOT NULL AND refund_id IS NOT NULL"
            " AND refunded_minor = 0 AND amount_minor = -gross_minor)",
            name=op.f("ck_invoices_amount"),
        ),
    )
    for columns, where in (
        (["issued_at", "number"], None),
        (["customer_id", "issued_at", "number"], None),
        (["kind", "issued_at", "number"], None),
        (["corrects"], "corrects IS NOT NULL"),
    ):
        _index("invoices", columns, where=where)
    _index("invoices", ["payment_id"], where="kind = 'INVOICE'", unique=True)


def _about_invoices() -> None:
    op.create_table(
        "invoice_refunds",
        *_keys("invoice_refunds", "refund_id"),
        _text("number"),
        _reference("invoice_refunds", "number", "invoices", "number"),
    )
    op.create_table(
        "invoice_numbers",
        _text("merchant_id"),
        _word("kind"),
        _minor("last"),
        sa.PrimaryKeyConstraint("merchant_id", "kind", name=op.f("pk_invoice_numbers")),
    )
    op.create_table(
        "invoice_mails",
        *_keys("invoice_mails", "id"),
        _text("number"),
        _text("message_id"),
        _text("recipient_sealed"),
        _word("state"),
        _text("asked_by"),
        _time("created_at", server_default=sa.func.now()),
        _time("settled_at", nullable=True),
        _text("error", nullable=True),
        _reference("invoice_mails", "number", "invoices", "number"),
    )
    _index("invoice_mails", ["number", "created_at"])


def _keys(table: str, column: str) -> list:
    primary = sa.PrimaryKeyConstraint("merchant_id", column, name=op.f(f"pk_{table}"))
    return [_text("merchant_id"), _text(column), primary]


def _text(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _word(name: str) -> sa.Column:
    return sa.Column(name, sa.String(40), nullable=False)


def _minor(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _time(name: str, *, nullable: bool = False, **options) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, **options)


def _reference(table: str, column: str, target: str, key: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["merchant_id", column],
        [f"{target}.merchant_id", f"{target}.{key}"],
        name=op.f(f"fk_{table}_merchant_id_{column}_{target}"),
    )


def _index(
    table: str, columns: list[str], *, where: str | None = None, unique: bool = False
) -> None:
    keys = ["merchant_id", *columns]
    op.create_index(
        op.f(f"ix_{table}_{'_'.join(keys)}"),
        table,
        keys,
        unique=unique,
        postgresql_where=sa.text(where) if where else None,
    )
