"""What the page of the sandbox Stripe takes in."""

from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from mealquest.core.wire import Input, Key, PositiveAmount
from mealquest.sandbox.errors import PartOfUnit


class Failure(StrEnum):
    """Why a card refuses, in Stripe's words for it."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    EXPIRED_CARD = "expired_card"
    AUTHENTICATION_REQUIRED = "authentication_required"
    PROCESSING_ERROR = "processing_error"
    DO_NOT_HONOR = "do_not_honor"
    LOST_CARD = "lost_card"
    STOLEN_CARD = "stolen_card"


CARD_OF = {
    Failure.INSUFFICIENT_FUNDS: "4000000000009995",
    Failure.EXPIRED_CARD: "4000000000000069",
    Failure.AUTHENTICATION_REQUIRED: "4000002500003155",
    Failure.PROCESSING_ERROR: "4000000000000119",
    Failure.DO_NOT_HONOR: "4000000000000101",
    Failure.LOST_CARD: "4000000000009987",
    Failure.STOLEN_CARD: "4000000000009979",
}


class ChargedIn(StrEnum):
    """Currencies to try, with two decimals, with none and with three."""

    USD = "usd"
    EUR = "eur"
    CNY = "cny"
    JPY = "jpy"
    KWD = "kwd"

    @property
    def exponent(self) -> int:
        return {ChargedIn.JPY: 0, ChargedIn.KWD: 3}.get(self, 2)


class FailForm(Input):
    """A payer's renewal that is to fail."""

    reason: Failure = Failure.INSUFFICIENT_FUNDS
    amount: PositiveAmount = Decimal(42)
    currency: ChargedIn = ChargedIn.USD
    email: str = Field("payer@example.com", max_length=254, pattern=r"^[^\s@]+@[^\s@]+$")

    @property
    def minor(self) -> int:
        """PartOfUnit: the currency has fewer decimals."""
        exact = self.amount.scaleb(self.currency.exponent)
        if exact % 1:
            raise PartOfUnit
        return int(exact)


class Step(StrEnum):
    RETRY = "retry"  # Stripe tries again by itself
    PAY = "pay"  # the payer pays with another card


class StepForm(Input):
    invoice_id: Key
    step: Step
