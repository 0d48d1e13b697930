"""What can go wrong with recovery, with the words that clients know."""

from mealquest.core.errors import AppError, Conflict, FieldError, Invalid, NotFound, UpstreamFailed


class StripeFailed(Exception):
    """A call to Stripe brought nothing. The text names codes, never a person."""

    def __init__(self, why: str, *, code: str = "") -> None:
        super().__init__(why)
        self.code = code


class StripeAway(StripeFailed):
    """No answer, too many calls, or Stripe's own fault: the same call may be made again.

    `wait_s`: how long Stripe asked to be left alone.
    """

    def __init__(self, why: str, *, code: str = "", wait_s: float | None = None) -> None:
        super().__init__(why, code=code)
        self.wait_s = wait_s


class StripeRefused(StripeFailed):
    """The call as it is will never be taken: a card declined, an object that does not exist."""


class StripeUnauthorized(StripeFailed):
    """The key does not open this account: it was disconnected, or the key is wrong."""


class NoSuchMerchant(NotFound):
    """Also a merchant that is not the caller's."""

    code = "MERCHANT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Merchant not found")


class StripeNotSetUp(AppError):
    """The operator has not told the product who it is at Stripe."""

    code = "STRIPE_NOT_CONFIGURED"

    def __init__(self) -> None:
        super().__init__("STRIPE_CLIENT_ID is not configured")


class NotConnected(Invalid):
    code = "STRIPE_NOT_CONNECTED"

    def __init__(self) -> None:
        super().__init__("Merchant is not connected to Stripe")


class AlreadyConnected(Conflict):
    code = "STRIPE_ALREADY_CONNECTED"

    def __init__(self) -> None:
        super().__init__("Merchant is connected to Stripe already")


class ConfirmDisconnect(Invalid):
    code = "CONFIRM_DISCONNECT"

    def __init__(self, field: str) -> None:
        message = "tick the box to disconnect"
        super().__init__(message, fields=(FieldError(field, message),))


class StripeDidNot(UpstreamFailed):
    """Stripe did not do what had to come first, so nothing was done here either."""

    code = "STRIPE_FAILED"


class NothingToUpdate(Invalid):
    code = "NOTHING_TO_UPDATE"

    def __init__(self) -> None:
        super().__init__("no valid field to update")


class LinkNotFound(NotFound):
    """Forged, cut short, made for something else, or too old to do what it did."""

    code = "LINK_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("this link does not work")
