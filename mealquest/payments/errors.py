from mealquest.core.errors import Conflict, NotFound
from mealquest.core.money import Money
from mealquest.core.wire import number


class PaymentNotFound(NotFound):
    """No such payment at this merchant, or not one the caller may see."""

    code = "PAYMENT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("payment not found")


class ExternalPaymentUnavailable(Conflict):
    """Wallet and voucher do not cover the order, and nothing else can pay the rest."""

    code = "EXTERNAL_PAYMENT_UNAVAILABLE"

    def __init__(self, missing: Money) -> None:
        super().__init__(
            f"wallet and voucher leave {missing.currency} {missing.major} to pay,"
            " and paying from outside is not available yet",
            payable=number(missing.major),
        )
