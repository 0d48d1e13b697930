from mealquest.core.errors import Conflict, Invalid, NotFound


class PaymentNotFound(NotFound):
    """No such payment at this merchant, or not one the caller may see."""

    code = "PAYMENT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("payment not found")


class PaidAmountMismatch(Invalid):
    """Other money came than was asked for; the payment goes on waiting."""

    code = "PAID_AMOUNT_MISMATCH"

    def __init__(self) -> None:
        super().__init__("paidAmount mismatch")


class NotWaiting(Invalid):
    """A callback for a payment that the wallet covered: no outside money was ever asked for."""

    code = "PAYMENT_NOT_EXTERNAL"

    def __init__(self) -> None:
        super().__init__("payment is not waiting for external callback")


class NoReceipt(Conflict):
    """A payment that is not paid has none; the message says how it stands."""

    code = "NO_RECEIPT"


class ReceiptNotFound(NotFound):
    """The link is not one of ours, or too old; strangers are not told which."""

    code = "RECEIPT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("receipt not found")
