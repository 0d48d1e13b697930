"""Invoices as another server issued them: under their own numbers, over the whole order.

What was refunded of such an order never reached its invoice there, so each refund gets the credit
note here that it should have had.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.orm import Session

from mealquest.core.money import Currency
from mealquest.identity import service as identity
from mealquest.invoices import issuing, persons, queries
from mealquest.invoices.domain import Content, InvoiceKind, to_millis
from mealquest.invoices.models import InvoiceNumber
from mealquest.invoices.replies import Person
from mealquest.payments import service as payments
from mealquest.wallet.service import Deduction


@dataclass(frozen=True, slots=True)
class OldInvoice:
    """Whom it is made out to is sealed as it is written, and left out where they have left."""

    number: str
    payment_id: str
    customer_id: str
    parts: Deduction
    title: str | None
    tax_no: str | None
    email: str | None
    paid_at: datetime
    issued_at: datetime


def restore(
    session: Session,
    merchant_id: str,
    shop_name: str,
    currency: Currency,
    invoices: Sequence[OldInvoice],
    by: str,
) -> int:
    """Write invoices of payments that are there; returns how many credit notes they needed."""
    if not invoices:
        return 0
    keys = identity.personal_keys(session, merchant_id, {one.customer_id for one in invoices})
    for one in invoices:
        content = _content(merchant_id, shop_name, currency, one)
        person = Person(title=one.title, tax_no=one.tax_no, email=one.email)
        sealed = persons.sealed(keys[one.customer_id], one.number, person)
        who = {"customer_id": one.customer_id, "issued_by": by}
        session.add(queries.row_of(content, **who, **sealed))
    session.flush()
    count = {"merchant_id": merchant_id, "kind": InvoiceKind.INVOICE, "last": len(invoices)}
    session.execute(insert(InvoiceNumber).values(count))
    return sum(_credit_all(session, merchant_id, one.payment_id) for one in invoices)


def _credit_all(session: Session, merchant_id: str, payment_id: str) -> int:
    refund_ids = payments.refund_ids(session, merchant_id, payment_id)
    for refund_id in refund_ids:
        issuing.credit_in(session, merchant_id, refund_id)
    return len(refund_ids)


def _content(merchant_id: str, shop_name: str, currency: Currency, one: OldInvoice) -> Content:
    parts: Mapping[str, int] = {name: getattr(one.parts, name) for name in one.parts.__slots__}
    return Content(
        merchant_id=merchant_id,
        number=one.number,
        kind=InvoiceKind.INVOICE,
        payment_id=one.payment_id,
        refund_id=None,
        corrects=None,
        shop_name=shop_name,
        currency=currency.value,
        gross=one.parts.order,
        refunded=0,
        amount=one.parts.order,
        paid_at=to_millis(one.paid_at),
        issued_at=to_millis(one.issued_at),
        **parts,
    )
