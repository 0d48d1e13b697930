"""Amounts of any currency, as Stripe counts them and as a reader's language writes them. Pure."""

from decimal import Decimal
from typing import Final

from babel import Locale, numbers

# docs.stripe.com/currencies: the minor unit is the currency itself.
_ZERO_DECIMALS = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
ZERO_DECIMALS: Final = frozenset(_ZERO_DECIMALS.split())
THREE_DECIMALS: Final = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
# No decimals of their own any more, but the API still counts hundredths.
HUNDREDTHS_BY_NAME: Final = frozenset({"ISK", "UGX"})
NO_BREAK: Final = "\u00a0"


def exponent(currency: str) -> int:
    """How many decimals Stripe's minor units of a currency (any case) have."""
    code = currency.upper()
    if code in ZERO_DECIMALS:
        return 0
    return 3 if code in THREE_DECIMALS else 2


def major(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-exponent(currency))


def money(minor: int, currency: str, locale: str) -> str:
    """`US$1,234.50`, `¥1,234`, `KWD 1.234` as `locale` ("en", "zh-Hans") has it.

    A sign that several currencies share, such as `$`, stands only beside its code; spaces do not
    break. Decimals are the currency's own, and none where hundredths have no coin.
    """
    code = currency.upper()
    amount = major(minor, code)
    digits = 0 if code in HUNDREDTHS_BY_NAME and amount == int(amount) else exponent(code)
    place = Locale.parse(locale.replace("-", "_"))
    number = numbers.format_decimal(
        amount, format=f"#,##0.{'0' * digits}" if digits else "#,##0", locale=place
    )
    sign = _sign(code, place)
    said = f"{code} {number}" if sign is None else f"{sign}{number}"
    return said.replace(" ", NO_BREAK)


_SIGNS: Final = {"USD": "US$", "EUR": "€", "GBP": "£"}
_YUAN_AND_YEN: Final = {"zh": {"CNY": "¥", "JPY": "JP¥"}, "en": {"JPY": "¥", "CNY": "CN¥"}}


def _sign(code: str, place: Locale) -> str | None:
    """A sign that names this one currency to readers of that language; None: its code does."""
    return _YUAN_AND_YEN.get(place.language, {}).get(code) or _SIGNS.get(code)
