"""Invoices sent by mail: asked for here, written as messages, sent by a job with the paper."""

from flask import current_app
from flask_babel import gettext
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import idempotency, mail, messages
from mealquest.core.db import transaction
from mealquest.core.idempotency import KeyedRequest
from mealquest.core.ids import new_id
from mealquest.core.mail import File
from mealquest.core.messages import Message, MessageKind, MessageState, NotTaken, StoredMessage
from mealquest.core.money import Money
from mealquest.core.principal import Principal
from mealquest.identity import service as identity
from mealquest.identity.service import PersonalKey
from mealquest.invoices import persons, queries, reading, words
from mealquest.invoices.domain import Language, MailState
from mealquest.invoices.errors import DataErased, InvoiceNotFound, NoRecipient
from mealquest.invoices.forms import MailForm
from mealquest.invoices.models import Invoice, InvoiceMail
from mealquest.invoices.replies import MailedView, MailView, Person
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantFacts, Operation

INVOICE = "invoice"  # what a message says it is about
_TEMPLATE = "invoices/mail.html"


def mail_again(
    merchant_id: str, form: MailForm, by: Principal, request: KeyedRequest
) -> MailedView:
    """Send an invoice or credit note by mail, once per key: to the address given, or its own.

    Raises:
        InvoiceNotFound: no such number at this merchant.
        DataErased: the customer's data are erased; there is nobody to write to.
        NoRecipient: no address is given, and the invoice has none.
    """
    with transaction(merchant_id) as session:
        if stored := idempotency.claim(session, merchant_id, request, MailedView):
            return stored
        row = queries.one(session, merchant_id, form.invoice_no)
        if row is None:
            raise InvoiceNotFound
        key = identity.personal_key(session, merchant_id, row.customer_id)
        person = persons.persons_of(session, merchant_id, [row])[row.number]
        if key.is_erased:
            raise DataErased
        address = form.email or person.email
        if not address:
            raise NoRecipient
        shop = tenancy.settings_of(session, merchant_id)
        sent = post(session, shop, row, person, key, address, by)
        audit.record(session, merchant_id, Operation.INVOICE_MAIL, by, {"invoiceNo": row.number})
        view = MailedView(invoice_no=row.number, mail=MailView.of(sent, address, for_staff=True))
        whose = row.customer_id
        idempotency.store(session, merchant_id, request, view, customer_id=whose)
        return view


def post(
    session: Session,
    shop: MerchantFacts,
    row: Invoice,
    person: Person,
    key: PersonalKey,
    address: str,
    by: Principal,
) -> InvoiceMail:
    """Write the mail; it leaves after the commit. Without a mail edge it is only kept."""
    mail_id, has_edge = new_id("mail"), mail.has_edge()
    message = _message(shop, row, address, mail_id)
    sent = InvoiceMail(
        merchant_id=row.merchant_id,
        id=mail_id,
        number=row.number,
        message_id=messages.post(session, MessageKind.EMAIL, message, has_edge=has_edge),
        recipient_sealed=persons.seal_recipient(key, mail_id, address),
        state=MailState.QUEUED if has_edge else MailState.KEPT,
        asked_by=by.subject,
    )
    session.add(sent)
    session.flush()
    session.refresh(sent)
    return sent


def attached(stored: StoredMessage) -> list[File]:
    """The paper that goes with a mail of ours, drawn when it is sent; none with other mails.

    NotTaken, for good: the customer's data were erased meanwhile.
    """
    about = stored.message.about
    if about.get("kind") != INVOICE:
        return []
    drawn = reading.paper(about["merchantId"], about["invoiceNo"], Language(about["lang"]))
    if drawn.is_erased:
        raise NotTaken("the customer's data are erased", for_good=True)
    return [File(drawn.file_name, drawn.content)]


def settled(stored: StoredMessage, state: MessageState, error: str | None) -> None:
    """Note what became of a mail of ours; the first answer stands."""
    about = stored.message.about
    if about.get("kind") == INVOICE:
        merchant_id = about["merchantId"]
        with transaction(merchant_id) as session:
            became = MailState(state.value)
            queries.settle_mail(session, merchant_id, about["mailId"], became, error)


def forget(session: Session, merchant_id: str, customer_id: str) -> None:
    """Erase what messages still hold of a customer; the rest goes with the personal key."""
    messages.drop(session, queries.messages_of_customer(session, merchant_id, customer_id))


def _message(shop: MerchantFacts, row: Invoice, address: str, mail_id: str) -> Message:
    language = Language(shop.locale)
    with words.in_language(language):
        amount = words.money(Money(row.amount_minor, row.currency).major, row.currency, language)
        kind = words.kind(row.kind)
        subject = gettext(
            "%(kind)s %(number)s from %(shop)s", kind=kind, number=row.number, shop=row.shop_name
        )
        said = [
            gettext("Hello,"),
            gettext(
                "Attached is %(number)s from %(shop)s for %(amount)s, as a PDF to print or keep.",
                number=row.number,
                shop=row.shop_name,
                amount=amount,
            ),
            gettext("If you did not ask for this, please tell the shop."),
        ]
    template = current_app.jinja_env.get_template(_TEMPLATE)
    about = {
        "kind": INVOICE,
        "merchantId": row.merchant_id,
        "invoiceNo": row.number,
        "mailId": mail_id,
        "lang": language.value,
    }
    return Message(
        to=address,
        subject=mail.one_line(subject),
        text="\n\n".join([*said, row.shop_name]),
        html=template.render(
            lang=language.value, subject=subject, paragraphs=said, shop=row.shop_name
        ),
        about=about,
        attachments=[reading.file_name(row)],
    )
