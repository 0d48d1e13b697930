from mealquest.core.errors import Conflict, FieldError, Invalid, NotFound, Unavailable


class NoSandbox(NotFound):
    """Outside development there is no such thing; nothing says that there could be."""

    def __init__(self) -> None:
        super().__init__("Not Found")


class ShopRefused(Unavailable):
    """The product did not take the sandbox's callback; `status` is what it answered, 0 for none."""

    code = "SANDBOX_CALLBACK_REFUSED"

    def __init__(self, status: int) -> None:
        super().__init__("the shop did not take the callback", status=status)


class NotConnected(Conflict):
    code = "STRIPE_NOT_CONNECTED"

    def __init__(self) -> None:
        super().__init__("connect an account of the sandbox first")


class PartOfUnit(Invalid):
    """An amount with more decimals than its currency has."""

    def __init__(self) -> None:
        message = "amount has more decimals than its currency"
        super().__init__(message, fields=(FieldError("amount", message),))


class SandboxAway(Unavailable):
    """The sandbox Stripe did not do what it was asked; `said` are its words."""

    code = "SANDBOX_STRIPE_REFUSED"

    def __init__(self, said: str) -> None:
        super().__init__("the sandbox Stripe refused", said=said)
