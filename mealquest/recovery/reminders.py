"""The words of reminders: what is due, why it did not work as far as a payer may know, what to do.

Call inside `letters.in_language_of`.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date
from flask_babel import gettext

from mealquest.recovery.declines import Ask
from mealquest.recovery.letters import Brand, Parts
from mealquest.recovery.money_words import money
from mealquest.recovery.own_words import AMOUNT, CUSTOMER_NAME, UPDATE_URL, Words, fill


@dataclass(frozen=True, slots=True)
class Reminder:
    """What a reminder says. Amount in minor units of `currency`; `link` is the payer's page.

    `tracked_link` and `pixel_url` only go into the HTML; `hosted_url` is the invoice's own page.
    `own` are the merchant's words for this attempt.
    """

    invoice_id: str
    amount_minor: int
    currency: str
    attempt: int
    ask: Ask
    link: str | None
    tracked_link: str | None = None
    pixel_url: str | None = None
    next_attempt: datetime | None = None
    zone: ZoneInfo = ZoneInfo("UTC")  # noqa: RUF009 - never changes
    is_last: bool = False
    hosted_url: str | None = None
    own: Words | None = None


def failed_payment(brand: Brand, about: Reminder) -> Parts:
    """A payment failed: another method is asked for, or patience, by why."""
    amount = money(about.amount_minor, about.currency, brand.locale)
    subject = gettext("Action Required: your payment of %(amount)s failed", amount=amount)
    if about.is_last:
        subject = gettext(
            "Action Required, last notice: your payment of %(amount)s failed", amount=amount
        )
    parts = Parts(
        subject=subject,
        heading=gettext("Payment update required"),
        amount=amount,
        paragraphs=(
            gettext(
                "Your payment to %(shop)s failed (attempt %(attempt)s).",
                shop=brand.name,
                attempt=about.attempt,
            ),
            *_what_to_do(about.ask),
            *_what_comes(brand, about),
        ),
        notice=_notice(about),
        button=gettext("Update payment method"),
        button_url=about.tracked_link or about.link,
        text_url=about.link,
        small=_small(brand),
        invoice_id=about.invoice_id,
        invoice_url=about.hosted_url,
        pixel_url=about.pixel_url,
    )
    return _in_own_words(parts, about) if about.own else parts


def to_authenticate(brand: Brand, about: Reminder) -> Parts:
    """The bank wants the payer to confirm a payment."""
    amount = money(about.amount_minor, about.currency, brand.locale)
    return Parts(
        subject=gettext("Action Required: please verify your payment of %(amount)s", amount=amount),
        heading=gettext("Payment verification required"),
        amount=amount,
        paragraphs=(
            gettext(
                "Your bank asks you to confirm your payment to %(shop)s. It goes through once you"
                " have done so.",
                shop=brand.name,
            ),
        ),
        notice=_notice(about),
        button=gettext("Complete verification"),
        button_url=about.tracked_link or about.link,
        text_url=about.link,
        small=_small(brand),
        invoice_id=about.invoice_id,
        invoice_url=about.hosted_url,
        pixel_url=about.pixel_url,
    )


def someone() -> str:
    """What a payer is called: names are never kept."""
    said: str = gettext("valued customer")
    return said


def _in_own_words(parts: Parts, about: Reminder) -> Parts:
    """The merchant's words in place of the product's; what the rules demand stays."""
    values = {
        CUSTOMER_NAME: someone(),
        AMOUNT: parts.amount,
        UPDATE_URL: parts.button_url or "",
    }
    filled = fill(about.own or Words("", ""), values)
    in_text = fill(about.own or Words("", ""), values | {UPDATE_URL: parts.text_url or ""})
    return replace(
        parts,
        subject=filled.subject or parts.subject,
        own_body=filled.body,
        own_text=in_text.text,
    )


def _what_to_do(ask: Ask) -> list[str]:
    said = {
        Ask.METHOD: gettext("Please add another payment method to avoid an interruption."),
        Ask.EXPIRED: gettext(
            "Your card has expired. Please add another payment method, or its new date, to avoid an"
            " interruption."
        ),
        Ask.DETAILS: gettext(
            "The payment details do not agree with your bank's records. Please enter them again to"
            " avoid an interruption."
        ),
        Ask.FUNDS: gettext(
            "Please make sure that there is enough money on your account, or use another payment"
            " method, to avoid an interruption."
        ),
        Ask.BANK: gettext(
            "Please update your payment method, or ask your bank to let the payment through, to"
            " avoid an interruption."
        ),
        Ask.NOTHING_YET: gettext(
            "The bank could not be reached. You can try again, or use another payment method, to"
            " avoid an interruption."
        ),
        Ask.CONFIRM: gettext(
            "Your bank wants you to confirm the payment. Please do so to avoid an interruption."
        ),
    }
    return [said[ask]]


def _what_comes(brand: Brand, about: Reminder) -> list[str]:
    if about.next_attempt is None:
        return []
    local = about.next_attempt.astimezone(about.zone).date()
    day = format_date(local, "long", locale=brand.locale.replace("-", "_"))
    return [gettext("The payment is tried again on %(day)s.", day=day)]


def _notice(about: Reminder) -> str:
    said: str = gettext("This is the last notice about this payment.")
    return said if about.is_last else ""


def _small(brand: Brand) -> tuple[str, ...]:
    if brand.support_email:
        ask = gettext("Questions? Write to %(email)s.", email=brand.support_email)
    else:
        ask = gettext("Questions? Please contact the support of %(shop)s.", shop=brand.name)
    return (ask,)
