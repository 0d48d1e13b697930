"""What invoices know of people, sealed under each customer's key: written here, read here."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from mealquest.identity import service as identity
from mealquest.identity.service import PersonalKey
from mealquest.invoices import queries
from mealquest.invoices.models import Invoice, InvoiceMail
from mealquest.invoices.replies import Person

_RECIPIENT = "invoice_mails.recipient"


def sealed(key: PersonalKey, number: str, person: Person) -> dict[str, str | None]:
    """Column values; nothing at all of somebody whose data are erased already."""
    if key.is_erased:
        return dict.fromkeys(("title_sealed", "tax_no_sealed", "email_sealed"))
    return {
        f"{name}_sealed": key.seal(text or "", _place(name, number))
        for name, text in person.model_dump().items()
    }


def persons_of(session: Session, merchant_id: str, rows: Iterable[Invoice]) -> dict[str, Person]:
    """By invoice number; a credit note has the person of the invoice that it corrects."""
    rows = list(rows)
    corrected = {row.corrects for row in rows if row.corrects}
    known = {row.number: row for row in rows}
    originals = queries.some(session, merchant_id, corrected - known.keys()) | known
    keys = identity.personal_keys(session, merchant_id, {row.customer_id for row in rows})
    return {
        row.number: _opened(originals[row.corrects or row.number], keys[row.customer_id])
        for row in rows
    }


def seal_recipient(key: PersonalKey, mail_id: str, address: str) -> str:
    return key.seal(address, f"{_RECIPIENT}:{mail_id}")


def recipient_of(key: PersonalKey, mail: InvoiceMail) -> str | None:
    return key.open(mail.recipient_sealed, f"{_RECIPIENT}:{mail.id}")


def _opened(row: Invoice, key: PersonalKey) -> Person:
    if row.title_sealed is None or key.is_erased:
        return Person()
    return Person(
        title=key.open(row.title_sealed, _place("title", row.number)),
        tax_no=key.open(row.tax_no_sealed or "", _place("tax_no", row.number)),
        email=key.open(row.email_sealed or "", _place("email", row.number)),
    )


def _place(name: str, number: str) -> str:
    return f"invoices.{name}:{number}"
