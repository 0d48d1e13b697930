"""What pages say where the wire contract has its own words: what to do, in the reader's language.

JSON keeps the contract's English to the letter. A message that is missing here is shown as it is;
`tests/web/test_wording.py` finds it.
"""

import re
from typing import Any

from flask_babel import gettext, lazy_gettext, ngettext

from mealquest.core.errors import AppError, TooManyRequests
from mealquest.web.refusals import MESSAGES

OWN_LIMIT = "TENANT_RATE_LIMITED"  # what a merchant has set itself

# A field's name and one of these make a message; on a page the words stand beside the field.
FIELD_MESSAGES: dict[str, Any] = {
    "is required": lazy_gettext("This is needed."),
    "must be a positive number": lazy_gettext(
        "Enter a sum of more than zero, such as 52 or 13.80."
    ),
    "must not be negative": lazy_gettext("Enter zero or more."),
    "must have at most 2 decimals": lazy_gettext("Use at most two decimals."),
    "must be a number of days": lazy_gettext("Enter a number of days, such as 3 or 0.5."),
    "must be at most 30 days": lazy_gettext("Enter at most 30 days."),
    "must be a whole number": lazy_gettext("Enter a whole number."),
    "must be a whole number that is not negative": lazy_gettext(
        "Enter a whole number, zero or more."
    ),
    "must be a number": lazy_gettext("Enter a number, such as 0.88."),
    "must be at least 0.5 and below 1": lazy_gettext("Enter a share from 0.5 to 0.99."),
    "must not be larger than the amount paid in": lazy_gettext(
        "The bonus may not be more than what is paid in."
    ),
    "must be text": lazy_gettext("Enter a text."),
    "must be true or false": lazy_gettext("Choose yes or no."),
    "must be a list": lazy_gettext("This must be a list."),
    "must be an array": lazy_gettext("This must be a list."),
    "must be between 0 and 1": lazy_gettext("Enter a share between 0 and 1, such as 0.88."),
    "must be an object": lazy_gettext("This must be an object."),
    "is too large": lazy_gettext("This is more than is possible."),
    "is too small": lazy_gettext("This is less than is possible."),
    "is too long": lazy_gettext("This is too long."),
    "is not one of the allowed values": lazy_gettext("Choose one of the values offered."),
    "must be APPROVE or REJECT": lazy_gettext("Approve or reject it."),
    "is not valid": lazy_gettext("This is not valid."),
    "is not known here": lazy_gettext("This is not known here."),
    "is not known": lazy_gettext("This is not known here."),
    "must be an IANA time zone": lazy_gettext("Choose one of the time zones offered."),
    "format invalid": lazy_gettext("This does not have the right form."),
    "contains characters that are not allowed": lazy_gettext(
        "This contains characters that are not allowed."
    ),
}

PATTERNS: tuple[tuple[re.Pattern[str], Any], ...] = (
    (
        re.compile(r"a voucher of .+ is more than you may give"),
        lazy_gettext("This voucher is worth more than you may give."),
    ),
    (
        re.compile(r"at most \d+ vouchers a day by one person"),
        lazy_gettext("You have given as many vouchers today as one person may."),
    ),
    (
        re.compile(r"store not found: .*"),
        lazy_gettext("There is no store with this id or name."),
    ),
    (
        re.compile(r"stores must name at most \d+ stores"),
        lazy_gettext("These are more stores than an alliance can have."),
    ),
    (
        re.compile(r"at most \d+ top-up rules"),
        lazy_gettext("There are as many rules as there can be. Remove one first."),
    ),
    (
        re.compile(r"an amount in \w+ has at most \d decimals"),
        lazy_gettext("The currency does not have that many decimals."),
    ),
    (
        re.compile(r"\w+ must be between \d+ and \d+"),
        lazy_gettext("This is outside of what is possible."),
    ),
    (
        re.compile(r"\w+ quota exceeded for merchant .+"),
        lazy_gettext("The shop has done this as often as its own limit allows for now."),
    ),
    (
        re.compile(r"unsupported limit operation: .*"),
        lazy_gettext("Nothing of this name can be limited."),
    ),
    (
        re.compile(r"\w+ limit must be number or object"),
        lazy_gettext("Enter a whole number."),
    ),
    (
        re.compile(r"unknown task type \w+"),
        lazy_gettext("This kind of task is not known here."),
    ),
    (
        re.compile(r"the merchant cannot move: .+", re.DOTALL),
        lazy_gettext(
            "Not everything is ready for the move. Look at what is not met, and do what stands"
            " beside it."
        ),
    ),
    (
        re.compile(r"migration is not ready: .+", re.DOTALL),
        lazy_gettext(
            "The move is not ready for this yet. Look at its state, and try again in a moment."
        ),
    ),
    (
        re.compile(r"migration snapshot verify failed: .+"),
        lazy_gettext("The two sides differ, so the move was given up. The shop stays where it is."),
    ),
    (
        re.compile(r"rollback is not possible: .+"),
        lazy_gettext("There is no way back: the old copy is gone, or did not get every change."),
    ),
    (
        re.compile(r"unsupported migration step: .*"),
        lazy_gettext("Choose one of the steps."),
    ),
    (
        re.compile(r"Idempotency-Key must be printable and at most \d+ characters"),
        lazy_gettext("Open this page again, then repeat."),
    ),
)


def page_words(message: str) -> str:
    """A message of the wire contract as a page says it; empty when it adds nothing."""
    words = MESSAGES.get(message)
    if words is None:
        words = FIELD_MESSAGES.get(message.partition(" ")[2])
    if words is None:
        words = next((w for pattern, w in PATTERNS if pattern.fullmatch(message)), message)
    return str(words)


def error_words(error: AppError) -> str:
    """What a page says about an error; of a throttle also how long to wait."""
    if isinstance(error, TooManyRequests):
        is_own = error.reason == OWN_LIMIT
        wait = _wait(error.retry_after)
        return f"{page_words(error.message)} {wait}" if is_own else wait
    return page_words(error.message)


def _wait(seconds: int) -> str:
    if seconds <= 90:
        return str(
            ngettext(
                "Too many tries. Wait %(num)s second, then try again.",
                "Too many tries. Wait %(num)s seconds, then try again.",
                seconds,
            )
        )
    minutes = -(-seconds // 60)
    return str(
        gettext("Too many tries. Wait %(minutes)s minutes, then try again.", minutes=minutes)
    )
