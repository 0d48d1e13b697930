from decimal import Decimal

from mealquest.core.errors import Conflict, FieldError, Invalid, NotFound
from mealquest.core.wire import number


class PaymentNotFound(NotFound):
    """No such payment at this merchant, or not one the caller may see."""

    code = "PAYMENT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("payment not found")


class QuoteChanged(Conflict):
    """The part to be paid outside is not the one that was shown; facts have both."""

    code = "QUOTE_CHANGED"

    def __init__(self, expected: Decimal, payable: Decimal) -> None:
        super().__init__(
            "the part to be paid outside has changed",
            expectedExternal=number(expected),
            payable=number(payable),
        )


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


class PaymentNotSettled(Invalid):
    """Nothing was taken for it, so nothing can be given back."""

    code = "PAYMENT_NOT_SETTLED"

    def __init__(self) -> None:
        super().__init__("payment is not settled")


class PaymentUserMismatch(Invalid):
    """The customer named is not the one who paid."""

    code = "PAYMENT_USER_MISMATCH"

    def __init__(self) -> None:
        super().__init__("payment user mismatch")


class RefundTooLarge(Invalid):
    """More than is left of the payment."""

    code = "REFUND_TOO_LARGE"

    def __init__(self) -> None:
        words = "refundAmount exceeds available amount"
        super().__init__(words, fields=(FieldError("refundAmount", words),))


class ReceivableNotFound(NotFound):
    code = "RECEIVABLE_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("receivable not found")


class ReceivableClosed(Conflict):
    """It was paid or given up before."""

    code = "RECEIVABLE_CLOSED"

    def __init__(self) -> None:
        super().__init__("receivable is settled")


class SettledTooMuch(Invalid):
    """More than is still owed."""

    code = "AMOUNT_EXCEEDS_RECEIVABLE"

    def __init__(self) -> None:
        words = "amount exceeds what is owed"
        super().__init__(words, fields=(FieldError("amount", words),))
