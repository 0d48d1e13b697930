from mealquest.core.errors import Conflict, Invalid, NotFound


class InvoiceNotFound(NotFound):
    """No such invoice or credit note at this merchant, or not one the caller may see."""

    code = "INVOICE_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("invoice not found")


class PaymentNotSettled(Invalid):
    """There is nothing to invoice until the payment is paid."""

    code = "PAYMENT_NOT_SETTLED"

    def __init__(self) -> None:
        super().__init__("payment is not settled")


class NoRecipient(Invalid):
    """A mail needs an address: one that is sent along, or the invoice's own."""

    code = "NO_RECIPIENT"

    def __init__(self) -> None:
        super().__init__("email is required")


class DataErased(Conflict):
    """The customer's personal data are gone, and with them whom an invoice could be sent to."""

    code = "PERSONAL_DATA_ERASED"

    def __init__(self) -> None:
        super().__init__("personal data of the customer is erased")
