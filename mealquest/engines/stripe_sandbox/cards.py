"""Test cards by number, as Stripe documents them: each says what becomes of a payment."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Card:
    """`decline_code` None works; `code` is the error's, `needs_person` asks for authentication."""

    number: str
    label: str
    decline_code: str | None = None
    code: str = "card_declined"
    message: str = "Your card was declined."
    needs_person: bool = False
    brand: str = "visa"

    @property
    def last4(self) -> str:
        return self.number[-4:]

    def fingerprint(self, account: str) -> str:
        """The same for one card at one account, whoever brings it."""
        return hashlib.sha256(f"{account}/{self.number}".encode()).hexdigest()[:16]


FUNDS = "Your card has insufficient funds."
EXPIRED = "Your card has expired."
PROCESSING = "An error occurred while processing your card. Try again in a little bit."
PERSON = "Your card was declined. This transaction requires authentication."

CARDS = {
    card.number: card
    for card in (
        Card("4242424242424242", "works"),
        Card("5555555555554444", "works", brand="mastercard"),
        Card("378282246310005", "works", brand="amex"),
        Card("4000000000000341", "generic decline", "generic_decline"),
        Card("4000000000000002", "generic decline", "generic_decline"),
        Card("4000000000009995", "insufficient funds", "insufficient_funds", message=FUNDS),
        Card("4000000000009987", "lost card", "lost_card"),
        Card("4000000000009979", "stolen card", "stolen_card"),
        Card("4000000000000069", "expired card", "expired_card", "expired_card", EXPIRED),
        Card(
            "4000000000000119",
            "processing error",
            "processing_error",
            "processing_error",
            PROCESSING,
        ),
        Card("4000000000006975", "over the card's limit", "card_velocity_exceeded"),
        Card("4000000000000101", "do not honor", "do_not_honor"),
        Card("4000000000000259", "transaction not allowed", "transaction_not_allowed"),
        Card("5105105105105100", "works", brand="mastercard"),
        Card(
            "5200828282828210",
            "insufficient funds",
            "insufficient_funds",
            message=FUNDS,
            brand="mastercard",
        ),
        *(
            Card(
                number,
                "asks for authentication",
                "authentication_required",
                "authentication_required",
                PERSON,
                needs_person=True,
            )
            for number in ("4000002500003155", "4000002760003184")
        ),
    )
}
GOOD = CARDS["4242424242424242"]

# Stripe's named payment methods, as tests without card numbers use them.
NAMED = {
    "pm_card_visa": "4242424242424242",
    "pm_card_mastercard": "5555555555554444",
    "pm_card_amex": "378282246310005",
    "pm_card_chargeCustomerFail": "4000000000000341",
    "pm_card_visa_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclined": "4000000000000002",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_visa_chargeDeclinedLostCard": "4000000000009987",
    "pm_card_visa_chargeDeclinedStolenCard": "4000000000009979",
    "pm_card_chargeDeclinedExpiredCard": "4000000000000069",
    "pm_card_chargeDeclinedProcessingError": "4000000000000119",
    "pm_card_authenticationRequired": "4000002760003184",
}

# After these Stripe does not try by itself again: the card has to change.
HARD = frozenset(
    {
        "lost_card",
        "stolen_card",
        "pickup_card",
        "expired_card",
        "incorrect_number",
        "transaction_not_allowed",
        "revocation_of_authorization",
        "fraudulent",
        "authentication_required",
    }
)
