"""What invoices answer. Amounts are in major units of the invoice's currency."""

from typing import Literal, Self

from mealquest.core.money import Currency, Money
from mealquest.core.wire import Amount, Timestamp, View
from mealquest.invoices.domain import InvoiceKind, MailState
from mealquest.invoices.models import Invoice, InvoiceMail
from mealquest.payments.service import DeductionView


class Person(View):
    """What an invoice says of its customer; all None once that is erased."""

    title: str | None = None
    tax_no: str | None = None
    email: str | None = None

    @property
    def is_erased(self) -> bool:
        return self.title is None


class InvoiceView(View):
    """`amount` is the order less what had been refunded, below zero on a credit note.

    `order_amount` is what the parts of `deduction` sum to: the order, or the refund of a credit
    note. `title`, `tax_no` and `email` are null once the customer's data are erased.
    """

    invoice_no: str
    merchant_id: str
    user_id: str
    payment_txn_id: str
    amount: Amount
    title: str | None
    tax_no: str | None
    email: str | None
    status: Literal["ISSUED"] = "ISSUED"
    issued_at: Timestamp
    kind: InvoiceKind
    corrects_invoice_no: str | None
    refund_txn_id: str | None
    currency: Currency
    order_amount: Amount
    deduction: DeductionView
    refunded_amount: Amount
    paid_at: Timestamp
    shop_name: str
    personal_data_erased: bool
    content_hash: str

    @classmethod
    def of(cls, row: Invoice, person: Person, user_id: str | None = None) -> Self:
        """`user_id`: how its customer is named, when they have left by another id."""

        def shown(minor: int) -> Amount:
            return Money(minor, row.currency).major

        return cls(
            invoice_no=row.number,
            merchant_id=row.merchant_id,
            user_id=user_id or row.customer_id,
            payment_txn_id=row.payment_id,
            amount=shown(row.amount_minor),
            title=person.title,
            tax_no=person.tax_no,
            email=person.email,
            issued_at=row.issued_at,
            kind=row.kind,
            corrects_invoice_no=row.corrects,
            refund_txn_id=row.refund_id,
            currency=row.currency,
            order_amount=shown(row.gross_minor),
            deduction=DeductionView(
                voucher=shown(row.voucher_minor),
                bonus=shown(row.bonus_minor),
                principal=shown(row.principal_minor),
                silver=shown(row.silver_minor),
                external=shown(row.external_minor),
            ),
            refunded_amount=shown(row.refunded_minor),
            paid_at=row.paid_at,
            shop_name=row.shop_name,
            personal_data_erased=person.is_erased,
            content_hash=row.content_hash,
        )


class MailView(View):
    """One mail of an invoice. `error` is told to staff only."""

    mail_id: str
    recipient: str | None  # null once the customer's data are erased
    state: MailState
    created_at: Timestamp
    settled_at: Timestamp | None
    error: str | None

    @classmethod
    def of(cls, row: InvoiceMail, recipient: str | None, *, for_staff: bool) -> Self:
        return cls(
            mail_id=row.id,
            recipient=recipient,
            state=row.state,
            created_at=row.created_at,
            settled_at=row.settled_at,
            error=row.error if for_staff else None,
        )


class CorrectionView(View):
    """A credit note, as the invoice that it corrects knows it."""

    invoice_no: str
    amount: Amount
    issued_at: Timestamp


class InvoiceDetail(InvoiceView):
    """One invoice with its credit notes and mails; `verified`: it is as it was issued."""

    credit_notes: list[CorrectionView]
    mails: list[MailView]
    verified: bool


class PageInfo(View):
    limit: int
    has_more: bool
    next_cursor: str | None


class InvoicesPage(View):
    merchant_id: str
    items: list[InvoiceView]
    page_info: PageInfo


class MailedView(View):
    """That an invoice is on its way to somebody."""

    invoice_no: str
    mail: MailView
