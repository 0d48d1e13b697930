"""What can go wrong with recovery, with the words that clients know."""

from mealquest.core.errors import (
    AppError,
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    UpstreamFailed,
)


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


class MailAway(Exception):
    """The mail service did not take a mail now; it may later, under the same key.

    `wait_s`: how long it asked to be left alone. `may_be_out`: nobody knows whether the mail left.
    """

    def __init__(self, why: str, *, wait_s: float | None = None, may_be_out: bool = False) -> None:
        super().__init__(why)
        self.wait_s = wait_s
        self.may_be_out = may_be_out


class MailRefused(Exception):
    """This mail will never be taken. The text names no person."""


class NotSuppressed(NotFound):
    code = "SUPPRESSION_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("this address is not on the list")


class LinkIncomplete(Invalid):
    code = "LINK_INCOMPLETE"

    def __init__(self, field: str) -> None:
        message = f"{field} is required"
        super().__init__(message, fields=(FieldError(field, message),))


class LinkForged(Forbidden):
    """The signature is not ours for this address, or is no longer."""

    code = "LINK_SIGNATURE_INVALID"

    def __init__(self) -> None:
        super().__init__("invalid signature")


class WebhookNotSigned(Invalid):
    code = "WEBHOOK_NOT_SIGNED"

    def __init__(self) -> None:
        super().__init__("Missing Stripe-Signature header")


class WebhookForged(Invalid):
    """Another secret, other bytes, or a signature that is over five minutes old."""

    code = "WEBHOOK_FORGED"

    def __init__(self) -> None:
        super().__init__("Invalid Stripe signature")


class WebhookUnreadable(Invalid):
    code = "WEBHOOK_UNREADABLE"


class NoWebhookSecret(AppError):
    """Nothing can be proved until an operator names one."""

    code = "WEBHOOK_SECRET_MISSING"

    def __init__(self) -> None:
        super().__init__("STRIPE_WEBHOOK_SECRET is not set")


class WordsMissing(Invalid):
    code = "WORDS_MISSING"

    def __init__(self, field: str) -> None:
        message = f"{field} is required"
        super().__init__(message, fields=(FieldError(field, message),))


class NoTestAddress(Invalid):
    code = "NO_TEST_ADDRESS"

    def __init__(self) -> None:
        super().__init__("the merchant has no e-mail address")


class NoSuchTask(NotFound):
    """Also a task of another merchant."""

    code = "TASK_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Task not found")


class TaskNotFailed(Conflict):
    """Only what has failed is taken up again: anything else runs by itself, or has ended well."""

    code = "TASK_NOT_FAILED"

    def __init__(self) -> None:
        super().__init__("only a failed task can be retried")


class TaskIsLive(Conflict):
    code = "TASK_IS_LIVE"

    def __init__(self) -> None:
        super().__init__("another task for the same is waiting or running")


class TaskNotClaimed(Conflict):
    """Whoever tells of its end does not hold it: it was lost, or has ended otherwise."""

    code = "TASK_NOT_CLAIMED"

    def __init__(self) -> None:
        super().__init__("the task is not running for this claim")


class NoSuchCase(NotFound):
    """No failed payment of this invoice is known at this merchant."""

    code = "INVOICE_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Invoice not found")


class NothingToSend(Conflict):
    """No reminder of this invoice waits, or it has left recovery."""

    code = "NO_REMINDER_WAITS"

    def __init__(self) -> None:
        super().__init__("no reminder of this invoice waits")


class ChargeRefused(Conflict):
    """`code` says which rule keeps an invoice from being charged by hand."""

    code = "CHARGE_REFUSED"
