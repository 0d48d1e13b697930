"""An invoice for a payment, once; and a credit note for each refund that comes after it."""

from datetime import datetime

from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.money import Money
from mealquest.core.outbox import Event
from mealquest.core.principal import SYSTEM, Principal
from mealquest.core.wire import number
from mealquest.identity import service as identity
from mealquest.invoices import mailing, persons, queries
from mealquest.invoices.domain import Content, InvoiceKind, number_of, to_millis
from mealquest.invoices.errors import PaymentNotSettled
from mealquest.invoices.forms import IssueForm
from mealquest.invoices.models import Invoice
from mealquest.invoices.replies import InvoiceView, Person
from mealquest.payments import service as payments
from mealquest.payments.service import PaymentOnPaper, PaymentStatus, RefundOnPaper
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantFacts, Operation

CREDIT_NOTE = "CREDIT_NOTE_ISSUE"


def issue(merchant_id: str, form: IssueForm, by: Principal) -> InvoiceView:
    """Issue the invoice of a settled payment, net of refunds; later calls answer the same one.

    Raises:
        PaymentNotFound: no such payment at this merchant.
        PaymentNotSettled: it is not paid.
    """
    with transaction(merchant_id) as session:
        shop = tenancy.settings_of(session, merchant_id)
        payment = payments.payment_on_paper(session, merchant_id, form.payment_txn_id)
        row = queries.of_payment(session, merchant_id, payment.id)
        if row is None:
            if payment.status is not PaymentStatus.PAID:
                raise PaymentNotSettled
            row = _issue(session, shop, payment, form, by)
        person = persons.persons_of(session, merchant_id, [row])[row.number]
        known = identity.shown_customers(session, merchant_id, [row.customer_id])
    return InvoiceView.of(row, person, known[row.customer_id].user_id)


def credit(event: Event) -> None:
    """Hear of a refund. Safe to run twice."""
    credit_refund(event.merchant_id, event.payload["refundTxnId"])


def credit_refund(merchant_id: str, refund_id: str) -> None:
    """Write the credit note of a refund, once; none where no invoice is, or it took it off."""
    with transaction(merchant_id) as session:
        credit_in(session, merchant_id, refund_id)


def credit_in(session: Session, merchant_id: str, refund_id: str) -> None:
    """As `credit_refund`, inside the caller's transaction."""
    refund = payments.refund_on_paper(session, merchant_id, refund_id)
    invoice = queries.of_payment(session, merchant_id, refund.payment_id)
    if invoice is None:
        return
    queries.lock_count(session, merchant_id, InvoiceKind.CREDIT_NOTE)
    if not queries.is_accounted_for(session, merchant_id, refund_id):
        _credit(session, invoice, refund)


def _issue(
    session: Session,
    shop: MerchantFacts,
    payment: PaymentOnPaper,
    form: IssueForm,
    by: Principal,
) -> Invoice:
    merchant_id = shop.merchant_id
    parts = payment.parts
    key = identity.personal_key(session, merchant_id, payment.customer_id)
    queries.lock_count(session, merchant_id, InvoiceKind.INVOICE)
    content = Content(
        merchant_id=merchant_id,
        number=_next(session, merchant_id, InvoiceKind.INVOICE),
        kind=InvoiceKind.INVOICE,
        payment_id=payment.id,
        refund_id=None,
        corrects=None,
        shop_name=shop.name,
        currency=payment.currency.value,
        gross=parts.order,
        voucher=parts.voucher,
        bonus=parts.bonus,
        principal=parts.principal,
        silver=parts.silver,
        external=parts.external,
        refunded=payment.refunded_minor,
        amount=parts.order - payment.refunded_minor,
        paid_at=to_millis(payment.paid_at),
        issued_at=_now(),
    )
    person = Person(title=form.made_out_to, tax_no=form.tax_no, email=form.email)
    sealed = persons.sealed(key, content.number, person)
    row = _write(session, content, payment.customer_id, by, sealed)
    refunds = payments.refund_ids(session, merchant_id, payment.id)
    queries.account_for(session, merchant_id, row.number, refunds)
    details = {"paymentTxnId": payment.id, "invoiceNo": row.number}
    audit.record(session, merchant_id, Operation.INVOICE_ISSUE, by, details)
    if form.email and not key.is_erased:
        mailing.post(session, shop, row, person, key, form.email, by)
    return row


def _credit(session: Session, invoice: Invoice, refund: RefundOnPaper) -> None:
    merchant_id, parts = invoice.merchant_id, refund.parts
    content = Content(
        merchant_id=merchant_id,
        number=_next(session, merchant_id, InvoiceKind.CREDIT_NOTE),
        kind=InvoiceKind.CREDIT_NOTE,
        payment_id=invoice.payment_id,
        refund_id=refund.id,
        corrects=invoice.number,
        shop_name=tenancy.settings_of(session, merchant_id).name,
        currency=invoice.currency.value,
        gross=refund.amount_minor,
        voucher=parts.voucher,
        bonus=parts.bonus,
        principal=parts.principal,
        silver=parts.silver,
        external=parts.external,
        refunded=0,
        amount=-refund.amount_minor,
        paid_at=invoice.paid_at,
        issued_at=_now(),
    )
    row = _write(session, content, invoice.customer_id, SYSTEM, {})
    queries.account_for(session, merchant_id, row.number, [refund.id])
    details = {
        "paymentTxnId": row.payment_id,
        "invoiceNo": invoice.number,
        "creditNoteNo": row.number,
        "refundTxnId": refund.id,
        "amount": number(Money(row.amount_minor, row.currency).major),
    }
    audit.record(session, merchant_id, CREDIT_NOTE, SYSTEM, details)


def _write(
    session: Session,
    content: Content,
    customer_id: str,
    by: Principal,
    sealed: dict[str, str | None],
) -> Invoice:
    row = queries.row_of(content, customer_id=customer_id, issued_by=by.subject, **sealed)
    session.add(row)
    session.flush()
    return row


def _next(session: Session, merchant_id: str, kind: InvoiceKind) -> str:
    return number_of(kind, queries.next_count(session, merchant_id, kind))


def _now() -> datetime:
    return to_millis(utc_now())
