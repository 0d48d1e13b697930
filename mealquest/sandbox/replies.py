"""What the sandbox gateway answers."""

from typing import Literal

from mealquest.core.money import Currency
from mealquest.core.wire import Amount, View
from mealquest.payments.service import PaymentStatus


class AskedView(View):
    """The customer's page: who asks for how much, and where the shop's side of it stands."""

    merchant_id: str
    payment_id: str
    shop: str
    amount: Amount
    currency: Currency
    status: PaymentStatus


class SettledView(View):
    """How the shop took the callback."""

    merchant_id: str
    payment_id: str
    status: PaymentStatus


class RefundTakenView(View):
    """The same for every repeat: the sandbox keeps no money, so a refund has only one outcome."""

    refund_id: str
    status: Literal["ACCEPTED"] = "ACCEPTED"
