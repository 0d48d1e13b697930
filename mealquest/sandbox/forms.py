"""What the sandbox gateway takes in."""

from enum import StrEnum

from mealquest.core.wire import Input, Key, PositiveAmount
from mealquest.tenancy.service import MerchantId


class Decision(StrEnum):
    PAY = "pay"
    DECLINE = "decline"


class AskedForm(Input):
    """Which payment the customer is asked to pay; `sent` is what the gateway told the shop."""

    merchant_id: MerchantId
    payment_id: Key
    sent: str = ""


class DecisionForm(Input):
    merchant_id: MerchantId
    payment_id: Key
    decision: Decision


class RefundForm(Input):
    """Money that the shop wants to go back to the customer."""

    refund_id: Key
    payment_txn_id: Key
    amount: PositiveAmount
