"""A merchant writes its own words for reminders, looks at them, and sends itself one."""

from flask import current_app
from flask_babel import gettext
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import mail, messages
from mealquest.core.db import transaction
from mealquest.core.messages import Message, MessageKind
from mealquest.core.principal import Principal
from mealquest.recovery import letters, own_words, sequence
from mealquest.recovery.declines import Ask
from mealquest.recovery.errors import NoTestAddress, WordsMissing
from mealquest.recovery.letters import Brand, Parts
from mealquest.recovery.own_words import ATTEMPTS, Words
from mealquest.recovery.reminders import Reminder, failed_payment
from mealquest.recovery.sequence_forms import WordsForm
from mealquest.recovery.sequence_replies import (
    AllWordsView,
    ForgottenView,
    LetterView,
    SequencePage,
    TestMailView,
    WordsView,
)
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation

SAMPLE_INVOICE = "in_1Sample"
SAMPLE_MINOR, SAMPLE_CURRENCY = 4_900, "usd"


def page(merchant_id: str) -> SequencePage:
    """Settings, own words, and each reminder as it reads now."""
    with transaction(merchant_id) as session:
        found = sequence.sequence_of(session, merchant_id)
        rows = own_words.all_of(session, merchant_id)
        brand = brand_of(session, merchant_id)
        email = tenancy.account_of(session, merchant_id).email
    own = {row.retry_attempt: Words(row.subject, row.body) for row in rows}
    return SequencePage(
        **dict(found),
        words=[WordsView.of(row) for row in rows],
        letters=[_letter(brand, number, own.get(number)) for number in ATTEMPTS],
        test_address=email,
    )


def all_words(merchant_id: str) -> AllWordsView:
    with transaction(merchant_id) as session:
        rows = own_words.all_of(session, merchant_id)
        return AllWordsView(items=[WordsView.of(row) for row in rows])


def write(merchant_id: str, form: WordsForm, by: Principal) -> WordsView:
    """Store words over those there were. WordsMissing: nothing is left of subject or body."""
    words = _checked(form)
    with transaction(merchant_id) as session:
        row = own_words.store(session, merchant_id, form.retry_attempt, words)
        _note(session, merchant_id, by, {"retryAttempt": form.retry_attempt, "isOwn": True})
        return WordsView.of(row)


def forget(merchant_id: str, attempt: int | None, by: Principal) -> ForgottenView:
    """Go back to the product's words, for one attempt or for all."""
    with transaction(merchant_id) as session:
        count = own_words.forget(session, merchant_id, attempt)
        if count:
            _note(session, merchant_id, by, {"retryAttempt": attempt, "isOwn": False})
        return ForgottenView(forgotten=count)


def preview(merchant_id: str, form: WordsForm) -> LetterView:
    """How a reminder would read with these words; with none, how the product's does."""
    with transaction(merchant_id) as session:
        brand = brand_of(session, merchant_id)
    words = Words(own_words.tidy_subject(form.subject), own_words.clean(form.body))
    return _letter(brand, form.retry_attempt, words if words.subject or words.body else None)


def send_test(merchant_id: str, attempt: int, by: Principal) -> TestMailView:
    """Send a reminder with sample values to the merchant's own address, never to another.

    NoTestAddress: it has none.
    """
    with transaction(merchant_id) as session:
        to = tenancy.account_of(session, merchant_id).email
        if not to:
            raise NoTestAddress
        brand = brand_of(session, merchant_id)
        words = own_words.words_of(session, merchant_id, attempt)
        letter = letters.written(brand, _parts(brand, attempt, words), to, task_id=0)
        message = Message(
            to=to,
            subject=letter.subject,
            text=letter.text,
            html=letter.html,
            headers=letter.headers,
        )
        messages.post(session, MessageKind.EMAIL, message, has_edge=mail.has_edge())
        _note(session, merchant_id, by, {"retryAttempt": attempt, "testMail": True})
    return TestMailView(to=to, retry_attempt=attempt)


def brand_of(session: Session, merchant_id: str) -> Brand:
    account = tenancy.account_of(session, merchant_id)
    return Brand(
        merchant_id=merchant_id,
        name=account.from_name or account.name,
        color=account.brand_color,
        logo_url=account.logo_url,
        support_email=account.support_email,
        locale=tenancy.place_of(session, merchant_id).locale,
    )


def _checked(form: WordsForm) -> Words:
    words = Words(own_words.tidy_subject(form.subject), own_words.clean(form.body).strip())
    if not words.subject:
        raise WordsMissing("subject")
    if not words.body:
        raise WordsMissing("body")
    return words


def _letter(brand: Brand, attempt: int, words: Words | None) -> LetterView:
    parts = _parts(brand, attempt, words)
    with letters.in_language_of(brand):
        invoice = gettext("Bill")
    return LetterView(
        retry_attempt=attempt,
        subject=parts.subject,
        heading=parts.heading,
        amount=parts.amount,
        paragraphs=list(parts.paragraphs),
        button=parts.button,
        small=[f"{invoice}: {parts.invoice_id}", *parts.small],
        own_body=str(parts.own_body),
        brand_color=letters.color_of(brand.color),
        shop=brand.name,
        locale=brand.locale,
    )


def _parts(brand: Brand, attempt: int, words: Words | None) -> Parts:
    """A reminder of an invoice that does not exist."""
    link = current_app.config["SETTINGS"].base_url + "/"
    about = Reminder(
        invoice_id=SAMPLE_INVOICE,
        amount_minor=SAMPLE_MINOR,
        currency=SAMPLE_CURRENCY,
        attempt=attempt,
        ask=Ask.FUNDS,
        link=link,
        own=words,
    )
    with letters.in_language_of(brand):
        return failed_payment(brand, about)


def _note(session: Session, merchant_id: str, by: Principal, details: dict[str, object]) -> None:
    audit.record(session, merchant_id, Operation.RECOVERY_SEQUENCE_SET, by, details)
