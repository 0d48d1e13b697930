"""Words of papers and mails in the language of whoever gets them, not of whoever clicks.

Call inside `in_language`; pages have their own way, see `web.look`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel import numbers
from babel.dates import format_date, format_datetime
from flask_babel import force_locale, gettext

from mealquest.core.money import Currency
from mealquest.invoices.domain import InvoiceKind, Language

_CODE_FIRST = numbers.parse_pattern("¤¤ #,##0.00;¤¤ -#,##0.00")  # with the currency's decimals
_LOCALE = {Language.ENGLISH: "en", Language.CHINESE: "zh_Hans"}
_DAY = {Language.ENGLISH: "d MMMM y", Language.CHINESE: "y年M月d日"}
_MOMENT = {Language.ENGLISH: "d MMMM y, HH:mm", Language.CHINESE: "y年M月d日 HH:mm"}


@contextmanager
def in_language(language: Language) -> Iterator[None]:
    with force_locale(_LOCALE[language]):
        yield


def money(amount: Decimal, currency: Currency, language: Language) -> str:
    """`CNY 52.00`, in Chinese `¥52.00`; spaces never break."""
    pattern = None if language is Language.CHINESE else _CODE_FIRST
    said = numbers.format_currency(amount, currency.value, format=pattern, locale=_LOCALE[language])
    return str(said).replace(" ", "\u00a0")


def day(moment: datetime, zone: ZoneInfo, language: Language) -> str:
    """A date as the shop's calendar has it."""
    local = moment.astimezone(zone).date()
    return str(format_date(local, _DAY[language], locale=_LOCALE[language]))


def time(moment: datetime, zone: ZoneInfo, language: Language) -> str:
    """Date and time by the shop's clock and how far that is from UTC: `…, 08:02 +08:00`."""
    here = format_datetime(moment, _MOMENT[language], tzinfo=zone, locale=_LOCALE[language])
    return f"{here} {moment.astimezone(zone).isoformat()[-6:]}"


def kind(of: InvoiceKind) -> str:
    names: dict[InvoiceKind, str] = {
        InvoiceKind.INVOICE: gettext("Invoice"),
        InvoiceKind.CREDIT_NOTE: gettext("Credit note"),
    }
    return names[of]


def part(name: str) -> str:
    """One of the sources that paid an order."""
    names: dict[str, str] = {
        "voucher": gettext("Voucher"),
        "bonus": gettext("Bonus"),
        "principal": gettext("Principal"),
        "silver": gettext("Change"),
        "external": gettext("Paid outside"),
    }
    return names[name]


def erased() -> str:
    return str(gettext("[erased]"))
