"""States of a payment and the moves between them."""

from enum import StrEnum


class PaymentStatus(StrEnum):
    PAID = "PAID"  # settled; refunds are rows of their own
