"""Statements on invoices."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core.money import Currency
from mealquest.core.paging import Keyset
from mealquest.invoices.domain import Content, InvoiceKind, MailState
from mealquest.invoices.models import Invoice, InvoiceMail, InvoiceRefund


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which invoices: from `since` on and before `until`; None leaves a filter out."""

    customer_id: str | None = None
    kind: InvoiceKind | None = None
    since: datetime | None = None
    until: datetime | None = None


_LOCK = text(
    """
    INSERT INTO invoice_numbers AS n (merchant_id, kind, last) VALUES (:merchant, :kind, 0)
        ON CONFLICT (merchant_id, kind) DO UPDATE SET last = n.last
    """
)
_NEXT = text(
    """
    UPDATE invoice_numbers SET last = last + 1 WHERE merchant_id = :merchant AND kind = :kind
    RETURNING last
    """
)


def lock_count(session: Session, merchant_id: str, kind: InvoiceKind) -> None:
    """Others who number this kind wait until the caller has committed."""
    session.execute(_LOCK, {"merchant": merchant_id, "kind": kind.value})


def next_count(session: Session, merchant_id: str, kind: InvoiceKind) -> int:
    """The next of a count that the caller has locked."""
    return int(session.execute(_NEXT, {"merchant": merchant_id, "kind": kind.value}).scalar_one())


def one(session: Session, merchant_id: str, number: str) -> Invoice | None:
    return session.scalar(
        select(Invoice).where(Invoice.merchant_id == merchant_id, Invoice.number == number)
    )


def some(session: Session, merchant_id: str, numbers: Iterable[str]) -> dict[str, Invoice]:
    """Invoices by number, in one statement; none when no number is asked for."""
    wanted = set(numbers)
    if not wanted:
        return {}
    rows = session.scalars(
        select(Invoice).where(Invoice.merchant_id == merchant_id, Invoice.number.in_(wanted))
    )
    return {row.number: row for row in rows}


def of_payment(session: Session, merchant_id: str, payment_id: str) -> Invoice | None:
    """The payment's invoice; its credit notes are not meant."""
    return session.scalar(
        select(Invoice).where(
            Invoice.merchant_id == merchant_id,
            Invoice.payment_id == payment_id,
            Invoice.kind == InvoiceKind.INVOICE,
        )
    )


def notes_of(session: Session, merchant_id: str, number: str) -> list[Invoice]:
    """The credit notes that correct an invoice, in the order of their numbers."""
    mine = [Invoice.merchant_id == merchant_id, Invoice.corrects == number]
    return list(session.scalars(select(Invoice).where(*mine).order_by(Invoice.number)))


def is_accounted_for(session: Session, merchant_id: str, refund_id: str) -> bool:
    """Whether an invoice took a refund off, or a credit note tells of it."""
    mine = [InvoiceRefund.merchant_id == merchant_id, InvoiceRefund.refund_id == refund_id]
    return session.scalar(select(InvoiceRefund.number).where(*mine)) is not None


def account_for(session: Session, merchant_id: str, number: str, refund_ids: list[str]) -> None:
    """Note that a paper tells of these refunds. IntegrityError: another one does already."""
    if refund_ids:
        rows = [
            {"merchant_id": merchant_id, "refund_id": refund_id, "number": number}
            for refund_id in refund_ids
        ]
        session.execute(insert(InvoiceRefund), rows)


def content_of(row: Invoice) -> Content:
    return Content(
        merchant_id=row.merchant_id,
        number=row.number,
        kind=row.kind,
        payment_id=row.payment_id,
        refund_id=row.refund_id,
        corrects=row.corrects,
        shop_name=row.shop_name,
        currency=row.currency.value,
        gross=row.gross_minor,
        voucher=row.voucher_minor,
        bonus=row.bonus_minor,
        principal=row.principal_minor,
        silver=row.silver_minor,
        external=row.external_minor,
        refunded=row.refunded_minor,
        amount=row.amount_minor,
        paid_at=row.paid_at,
        issued_at=row.issued_at,
    )


def is_as_issued(row: Invoice) -> bool:
    return content_of(row).hash == row.content_hash


def row_of(content: Content, **others: Any) -> Invoice:
    """The row that says this; `others`: columns that are no content."""
    return Invoice(
        merchant_id=content.merchant_id,
        number=content.number,
        kind=content.kind,
        payment_id=content.payment_id,
        refund_id=content.refund_id,
        corrects=content.corrects,
        shop_name=content.shop_name,
        currency=Currency(content.currency),
        gross_minor=content.gross,
        refunded_minor=content.refunded,
        amount_minor=content.amount,
        paid_at=content.paid_at,
        issued_at=content.issued_at,
        content_hash=content.hash,
        **{f"{part}_minor": minor for part, minor in content.parts.items()},
        **others,
    )


# --- the list -----------------------------------------------------------------------------


def page(
    session: Session, merchant_id: str, wanted: Wanted, after: Keyset | None, limit: int
) -> list[Invoice]:
    """At most `limit` of them, newest first, behind the place of `after`."""
    place = tuple_(Invoice.issued_at, Invoice.number)
    conditions = [Invoice.merchant_id == merchant_id, *_conditions(wanted)]
    if after is not None:
        conditions.append(place < tuple_(after.moment, after.id))
    newest: list[ColumnElement[Any]] = [Invoice.issued_at.desc(), Invoice.number.desc()]
    return list(session.scalars(select(Invoice).where(*conditions).order_by(*newest).limit(limit)))


def _conditions(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.customer_id is not None:
        yield Invoice.customer_id == wanted.customer_id
    if wanted.kind is not None:
        yield Invoice.kind == wanted.kind
    if wanted.since is not None:
        yield Invoice.issued_at >= wanted.since
    if wanted.until is not None:
        yield Invoice.issued_at < wanted.until


# --- mails --------------------------------------------------------------------------------


def mails_of(session: Session, merchant_id: str, number: str) -> list[InvoiceMail]:
    """Every mail of an invoice, the newest first."""
    mine = [InvoiceMail.merchant_id == merchant_id, InvoiceMail.number == number]
    newest: list[ColumnElement[Any]] = [InvoiceMail.created_at.desc(), InvoiceMail.id.desc()]
    return list(session.scalars(select(InvoiceMail).where(*mine).order_by(*newest)))


def settle_mail(
    session: Session, merchant_id: str, mail_id: str, state: MailState, error: str | None
) -> None:
    """What became of a mail; the first answer stands."""
    session.execute(
        update(InvoiceMail)
        .where(
            InvoiceMail.merchant_id == merchant_id,
            InvoiceMail.id == mail_id,
            InvoiceMail.state == MailState.QUEUED,
        )
        .values(state=state, error=error, settled_at=func.now())
    )


def messages_of_customer(session: Session, merchant_id: str, customer_id: str) -> list[str]:
    """Ids of all messages that went, or are to go, out with a customer's invoices."""
    return list(
        session.scalars(
            select(InvoiceMail.message_id)
            .join(
                Invoice,
                and_(
                    Invoice.merchant_id == InvoiceMail.merchant_id,
                    Invoice.number == InvoiceMail.number,
                ),
            )
            .where(InvoiceMail.merchant_id == merchant_id, Invoice.customer_id == customer_id)
        )
    )


# --- proof --------------------------------------------------------------------------------


def in_order(session: Session, merchant_id: str, after: str, limit: int) -> list[Invoice]:
    """Invoices and credit notes by number, behind `after`."""
    mine = [Invoice.merchant_id == merchant_id, Invoice.number > after]
    return list(session.scalars(select(Invoice).where(*mine).order_by(Invoice.number).limit(limit)))
