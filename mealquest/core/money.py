"""Money is an exact number of minor units in one currency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from mealquest.core.errors import Invalid


class Currency(StrEnum):
    """ISO 4217 currencies a wallet may hold."""

    CNY = "CNY"
    USD = "USD"
    EUR = "EUR"
    GBP = "GBP"
    HKD = "HKD"
    SGD = "SGD"
    JPY = "JPY"

    @property
    def exponent(self) -> int:
        """Decimals of the minor unit: 2 for the cent, 0 for the yen."""
        return 0 if self is Currency.JPY else 2


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount: `Money(1250, Currency.CNY)` is CNY 12.50."""

    minor: int
    currency: Currency

    def __post_init__(self) -> None:
        if type(self.minor) is not int:  # bool, float and Decimal are refused too
            raise TypeError(f"minor units must be int, got {self.minor!r}")

    @classmethod
    def of_major(cls, major: Decimal, currency: Currency) -> Money:
        """From major units as typed or sent. Invalid: more decimals than the currency has."""
        scaled = major.scaleb(currency.exponent)
        if scaled != scaled.to_integral_value():
            raise Invalid(f"an amount in {currency} has at most {currency.exponent} decimals")
        return cls(int(scaled), currency)

    @classmethod
    def zero(cls, currency: Currency) -> Money:
        return cls(0, currency)

    @property
    def major(self) -> Decimal:
        return Decimal(self.minor).scaleb(-self.currency.exponent)

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same_currency(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same_currency(other), self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same_currency(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same_currency(other)

    def __bool__(self) -> bool:
        return self.minor != 0

    def _same_currency(self, other: Money) -> int:
        if other.currency is not self.currency:
            raise ValueError(f"cannot mix {self.currency} with {other.currency}")
        return other.minor


def total(amounts: Sequence[Money], currency: Currency) -> Money:
    """The sum, which is zero in `currency` when there are none."""
    return sum(amounts, Money.zero(currency))
