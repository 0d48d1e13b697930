"""Expected failures, in domain words. `web.problems` is the one place that knows their status.

A message is part of the wire contract where a client compares it, so messages stay English;
pages translate them. `code` is stable and UPPER_SNAKE; `facts` are safe to show.
"""

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one input field, by its wire name."""

    field: str
    message: str


class AppError(Exception):
    """`short` is what `error` says on the wire where the contract has two texts; else the message
    stands there too."""

    code: ClassVar[str] = "ERROR"
    short: ClassVar[str] = ""

    def __init__(self, message: str, *, code: str | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.reason = code or self.code
        self.facts = facts


class Invalid(AppError):
    """The request itself is wrong; sending it again unchanged cannot work."""

    code = "INVALID_REQUEST"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        fields: tuple[FieldError, ...] = (),
        **facts: Any,
    ) -> None:
        super().__init__(message, code=code, **facts)
        self.fields = fields


class Unauthenticated(AppError):
    code = "UNAUTHENTICATED"


class PaymentRequired(AppError):
    """What the merchant's plan includes is used up."""

    code = "PAYMENT_REQUIRED"
    short = "Payment Required"


class Forbidden(AppError):
    code = "FORBIDDEN"


class NotFound(AppError):
    code = "NOT_FOUND"


class MethodNotAllowed(AppError):
    code = "METHOD_NOT_ALLOWED"


class Conflict(AppError):
    code = "CONFLICT"


class Gone(AppError):
    """It was there, and for good it is not any more."""

    code = "GONE"


class TooLarge(AppError):
    code = "BODY_TOO_LARGE"


class UpgradeRequired(AppError):
    """The path is there, but speaks another protocol: WebSocket, version 13."""

    code = "UPGRADE_REQUIRED"


class TooManyRequests(AppError):
    """`retry_after` is in whole seconds and becomes the header of that name."""

    code = "TOO_MANY_REQUESTS"

    def __init__(self, message: str, *, retry_after: int, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class PolicyBlocked(Forbidden):
    """The merchant's tenant policy does not let this operation through at the moment."""

    code = "TENANT_WRITE_DISABLED"


class Unavailable(AppError):
    """Something we depend on does not answer; the same request may work later."""

    code = "UNAVAILABLE"


class MerchantUnavailable(Unavailable):
    """The database of this merchant does not answer, or is closed for a moment while it moves."""

    code = "MERCHANT_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("the merchant's database is not available at the moment, try again")


class UpstreamFailed(AppError):
    """Another server that has to answer for us did not, or not sensibly."""

    code = "UPSTREAM_FAILED"


class UpstreamTimedOut(AppError):
    """Another server that has to answer for us took too long."""

    code = "UPSTREAM_TIMED_OUT"
