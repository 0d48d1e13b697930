"""Invoices looked at: one, a list of them, one on paper."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from mealquest.core.db import transaction
from mealquest.core.money import Money
from mealquest.core.paging import EXPORT_BATCH, Keyset, batches, cut, span_of_days
from mealquest.core.principal import MERCHANT, Principal, Role
from mealquest.identity import service as identity
from mealquest.identity.service import UserScopeDenied
from mealquest.invoices import persons, queries
from mealquest.invoices.domain import Language
from mealquest.invoices.errors import InvoiceNotFound
from mealquest.invoices.forms import InvoicesForm
from mealquest.invoices.models import Invoice
from mealquest.invoices.queries import Wanted
from mealquest.invoices.replies import (
    CorrectionView,
    InvoiceDetail,
    InvoicesPage,
    InvoiceView,
    MailView,
    PageInfo,
)
from mealquest.tenancy import service as tenancy


@dataclass(frozen=True, slots=True)
class Paper:
    """A drawn invoice; `is_erased`: it names nobody any more."""

    file_name: str
    content: bytes
    is_erased: bool


def invoice(merchant_id: str, number: str, by: Principal) -> InvoiceDetail:
    """One invoice or credit note. InvoiceNotFound also for another customer's own."""
    with transaction(merchant_id) as session:
        row = _seen(session, merchant_id, number, by)
        person = persons.persons_of(session, merchant_id, [row])[row.number]
        notes = queries.notes_of(session, merchant_id, number)
        mails = queries.mails_of(session, merchant_id, number)
        whose = identity.shown_customers(session, merchant_id, [row.customer_id])[
            row.customer_id
        ].user_id
        key = identity.personal_keys(session, merchant_id, [row.customer_id])[row.customer_id]
        staff = by.role in MERCHANT
        shown = [
            MailView.of(mail, persons.recipient_of(key, mail), for_staff=staff) for mail in mails
        ]
    return InvoiceDetail(
        **dict(InvoiceView.of(row, person, whose)),
        credit_notes=[_correction(note) for note in notes],
        mails=shown,
        verified=queries.is_as_issued(row),
    )


def number_of_payment(merchant_id: str, payment_id: str) -> str | None:
    """The number of a payment's invoice; None while there is none."""
    with transaction(merchant_id) as session:
        row = queries.of_payment(session, merchant_id, payment_id)
    return row.number if row else None


def listed(merchant_id: str, form: InvoicesForm, by: Principal) -> InvoicesPage:
    """Invoices and credit notes, newest first; a customer sees own ones only.

    Raises:
        UserScopeDenied: a customer asked for somebody else's.
        Invalid: not a cursor of ours.
    """
    items, following = _page(merchant_id, form, by, form.cursor, form.limit)
    info = PageInfo(limit=form.limit, has_more=following is not None, next_cursor=following)
    return InvoicesPage(merchant_id=merchant_id, items=list(items), page_info=info)


def every(merchant_id: str, form: InvoicesForm, by: Principal) -> Iterator[Sequence[InvoiceView]]:
    """All invoices of the filter, in batches that are read as they are asked for."""
    return batches(lambda cursor: _page(merchant_id, form, by, cursor, EXPORT_BATCH))


def paper(
    merchant_id: str, number: str, language: Language | None = None, by: Principal | None = None
) -> Paper:
    """The invoice as a PDF, in the shop's language unless another is asked for.

    The same bytes every time, until its customer's data are erased. InvoiceNotFound also for
    another customer's own; without `by` nobody is asked who they are.
    """
    from mealquest.invoices import drawing  # its libraries are large; most processes never draw

    with transaction(merchant_id) as session:
        row = _seen(session, merchant_id, number, by)
        person = persons.persons_of(session, merchant_id, [row])[row.number]
        shop = tenancy.settings_of(session, merchant_id)
    view = InvoiceView.of(row, person)
    drawn = drawing.draw(view, ZoneInfo(shop.time_zone), language or Language(shop.locale))
    return Paper(file_name(row), drawn, person.is_erased)


def file_name(row: Invoice) -> str:
    return f"{row.number}.pdf"


def _seen(session: Session, merchant_id: str, number: str, by: Principal | None) -> Invoice:
    row = queries.one(session, merchant_id, number)
    own = by.subject if by and by.role is Role.CUSTOMER else None
    if row is None or own not in {None, row.customer_id}:
        raise InvoiceNotFound
    return row


def _correction(row: Invoice) -> CorrectionView:
    amount = Money(row.amount_minor, row.currency).major
    return CorrectionView(invoice_no=row.number, amount=amount, issued_at=row.issued_at)


def _page(
    merchant_id: str, form: InvoicesForm, by: Principal, cursor: str | None, limit: int
) -> tuple[Sequence[InvoiceView], str | None]:
    own = by.subject if by.role is Role.CUSTOMER else None
    if own and form.user_id not in {None, own}:
        raise UserScopeDenied
    after = Keyset.decode(cursor) if cursor else None
    with transaction(merchant_id) as session:
        zone = "UTC"
        if form.from_day or form.to_day:
            zone = tenancy.settings_of(session, merchant_id).time_zone
        days = span_of_days(form.from_day, form.to_day, ZoneInfo(zone))
        asked = identity.named_user_id(merchant_id, form.user_id) if form.user_id else None
        wanted = Wanted(own or asked, form.kind, days.since, days.until)
        found = queries.page(session, merchant_id, wanted, after, limit + 1)
        rows, following = cut(found, limit, lambda row: Keyset(row.issued_at, row.number).encode())
        known = persons.persons_of(session, merchant_id, rows)
        people = identity.shown_customers(session, merchant_id, {row.customer_id for row in rows})
    items = [InvoiceView.of(r, known[r.number], people[r.customer_id].user_id) for r in rows]
    return items, following
