"""Why a connection to Stripe did not come about, in words that may stand in an address. Pure."""

from enum import StrEnum


class Reason(StrEnum):
    """A closed set: nothing that Stripe or a stranger wrote ever stands in a redirect."""

    DENIED = "Access was denied at Stripe"
    BY_STRIPE = "Stripe did not accept the connection"
    INCOMPLETE = "Code or state is missing"
    LATE = "This connection is invalid or expired, begin again"
    AWAY = "Stripe did not answer, begin again"
    OTHER_MODE = "This account is of the other mode, test or live"
    TAKEN = "This account is connected to another merchant"
    ANOTHER = "Another account is connected, disconnect it first"
    FROZEN = "The merchant is read-only at the moment"
    FAILED = "Something went wrong on our side"


class Refused(Exception):
    """A connection that did not come about."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason
