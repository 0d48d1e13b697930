"""Why a card was declined, and what follows: one table of every code that Stripe documents. Pure.

Sources: [S] docs.stripe.com/declines/codes, the 50 codes for cards and the ones for other methods;
[O] `outcome.reason` of docs.stripe.com/api/charges/object; [R] the list of declines after which
docs.stripe.com/billing/revenue-recovery/smart-retries makes no attempt of its own.

A payer never reads that a card counts as lost, stolen or fraudulent: [S] asks for generic words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DAY_S: Final = 86_400


class DeclineClass(StrEnum):
    HARD = "hard"  # this card will never pay: ask for another method, never charge
    SOFT = "soft"  # it may pay later: wait, and remind by the schedule
    AUTHENTICATION = "authentication"  # only the payer can let it through
    UNKNOWN = "unknown"  # no code, or one that is not in the table: handled as soft


class Ask(StrEnum):
    """What a mail asks of the payer; `letters` has the words."""

    METHOD = "method"  # another method, without a reason
    EXPIRED = "expired"  # the card has run out: another one, or its new date
    DETAILS = "details"  # what was typed does not agree with the bank's records
    FUNDS = "funds"  # see to the balance, or use another method
    BANK = "bank"  # ask the bank, or use another method
    NOTHING_YET = "nothing_yet"  # a technical failure; another method helps at most
    CONFIRM = "confirm"  # authenticate


@dataclass(frozen=True, slots=True)
class Decline:
    """`wait_s`: how long a mail is pointless, as the next attempt may work by itself."""

    kind: DeclineClass
    ask: Ask
    wait_s: int = 0


_NEW_METHOD = Decline(DeclineClass.HARD, Ask.METHOD)
_EXPIRED = Decline(DeclineClass.HARD, Ask.EXPIRED)
_DETAILS = Decline(DeclineClass.HARD, Ask.DETAILS)
_CONFIRM = Decline(DeclineClass.AUTHENTICATION, Ask.CONFIRM)
_FUNDS = Decline(DeclineClass.SOFT, Ask.FUNDS)
_DAILY_LIMIT = Decline(DeclineClass.SOFT, Ask.FUNDS, wait_s=DAY_S)
_BANK = Decline(DeclineClass.SOFT, Ask.BANK)
_TECHNICAL = Decline(DeclineClass.SOFT, Ask.NOTHING_YET, wait_s=DAY_S)

UNKNOWN: Final = Decline(DeclineClass.UNKNOWN, Ask.BANK)

DECLINES: Final[Mapping[str, Decline]] = {
    # The payer has to be there.
    "authentication_required": _CONFIRM,  # [S] ask them to come back and authenticate
    "authentication_not_handled": _CONFIRM,  # [S] charged again without authentication
    "mobile_device_authentication_required": _CONFIRM,  # [S] the device asks once more
    # The card, or the right to charge it, is gone.
    "lost_card": _NEW_METHOD,  # [S] say generic_decline [R]
    "stolen_card": _NEW_METHOD,  # [S] say generic_decline [R]
    "pickup_card": _NEW_METHOD,  # [S] may be lost or stolen [R]
    "fraudulent": _NEW_METHOD,  # [S] Stripe or the bank suspects fraud; say generic_decline
    "merchant_blacklist": _NEW_METHOD,  # [S] on the merchant's block list; say generic_decline
    "highest_risk_level": _NEW_METHOD,  # [O] blocked by Radar [R]
    "highest_risk": _NEW_METHOD,  # [O] as older accounts have it
    "rule": _NEW_METHOD,  # [O] a rule of the merchant blocked it
    "previously_declined_do_not_retry": _NEW_METHOD,  # [O] blocked after a final decline
    "restricted_card": _NEW_METHOD,  # [S] may be lost or stolen
    "security_violation": _NEW_METHOD,  # [S] ask the bank; nothing about it may be guessed
    "revocation_of_authorization": _NEW_METHOD,  # [S] the payer stopped this payment [R]
    "revocation_of_all_authorizations": _NEW_METHOD,  # [S] and all later ones [R]
    "stop_payment_order": _NEW_METHOD,  # [S] stopped at the bank
    "transaction_not_allowed": _NEW_METHOD,  # [S] the card does not do this [R]
    "service_not_allowed": _NEW_METHOD,  # [S]
    "not_permitted": _NEW_METHOD,  # [S]
    "card_not_supported": _NEW_METHOD,  # [S] not for this kind of purchase
    "currency_not_supported": _NEW_METHOD,  # [S] not in this currency
    "do_not_try_again": _NEW_METHOD,  # [S] deprecated
    "no_action_taken": _BANK,  # [S] unknown reason
    "offline_pin_required": _NEW_METHOD,  # [S] asks for a PIN, which a renewal cannot give
    "online_or_offline_pin_required": _NEW_METHOD,  # [S]
    "incorrect_pin": _NEW_METHOD,  # [S] card readers only
    "invalid_pin": _NEW_METHOD,  # [S] card readers only
    "pin_try_exceeded": _NEW_METHOD,  # [S] use another card
    "testmode_decline": _NEW_METHOD,  # [S] a test card in live mode
    "invalid_account": _NEW_METHOD,  # [S] the account is closed or not valid
    "new_account_information_available": _NEW_METHOD,  # [S] the card has been replaced
    "expired_card": _EXPIRED,  # [S] use another card [R]
    # What was typed is wrong; the same details cannot work again.
    "incorrect_number": _DETAILS,  # [S] [R]
    "invalid_number": _DETAILS,  # [S]
    "invalid_expiry_month": _DETAILS,  # [S]
    "invalid_expiry_year": _DETAILS,  # [S]
    "incorrect_cvc": _DETAILS,  # [S]
    "invalid_cvc": _DETAILS,  # [S]
    "incorrect_zip": _DETAILS,  # [S]
    "incorrect_address": _DETAILS,  # [S]
    # It may work another day.
    "insufficient_funds": _FUNDS,  # [S] an alternative method, or later
    "card_velocity_exceeded": _DAILY_LIMIT,  # [S] over the balance or a limit of the card
    "withdrawal_count_limit_exceeded": _DAILY_LIMIT,  # [S]
    "processing_error": _TECHNICAL,  # [S] try again
    "issuer_not_available": _TECHNICAL,  # [S] the bank did not answer
    "reenter_transaction": _TECHNICAL,  # [S] the bank did not process it
    "try_again_later": _TECHNICAL,  # [S] deprecated
    "approve_with_id": _BANK,  # [S] try again, then ask the bank
    "call_issuer": _BANK,  # [S]
    "do_not_honor": _BANK,  # [S]
    "generic_decline": _BANK,  # [S] also what Radar's blocks are called
    "duplicate_transaction": _BANK,  # [S] the same amount was just taken; look first
    "invalid_amount": _BANK,  # [S] over what the bank lets through
    "card_declined": _BANK,  # the error's code where no decline code came
    # Methods other than cards. [S]
    "partner_generic_decline": _BANK,
    "invalid_customer_account": _NEW_METHOD,
    "payment_limit_exceeded": _DAILY_LIMIT,
    "invalid_authorization": _NEW_METHOD,
    "expired_payment_method": _EXPIRED,
    "partner_high_risk": _NEW_METHOD,
}


def decline_of(decline_code: str | None, code: str | None = None) -> Decline:
    """What a decline code, or else the error's own code, means; UNKNOWN for what is not known."""
    known = [DECLINES[one] for one in (decline_code, code) if one and one in DECLINES]
    return known[0] if known else UNKNOWN


def may_charge(kind: DeclineClass) -> bool:
    """Whether the same method may be charged again at all."""
    return kind in {DeclineClass.SOFT, DeclineClass.UNKNOWN}
