"""What refunds and receivables take in."""

from typing import Annotated, Any

from pydantic import BeforeValidator, model_validator

from mealquest.core.paging import ListForm, OptionalDay, OptionalOrder, OptionalText, Order
from mealquest.core.wire import Input, Key, Line, PositiveAmount, Remark, Str
from mealquest.payments.domain import ReceivableState, SettleMethod


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


class OfPaymentForm(Input):
    """Names a payment: apps in the request, a page by its address."""

    payment_txn_id: Key

    @model_validator(mode="before")
    @classmethod
    def _by_the_pages_address(cls, sent: dict[str, Any]) -> dict[str, Any]:
        named = sent.get("paymentTxnId") or sent.get("paymentId")
        return sent | {"paymentTxnId": named} if named else sent


class RefundForm(OfPaymentForm):
    """`refund_amount` in major units; `user_id`, when it is given, must be the payer's."""

    refund_amount: PositiveAmount
    user_id: OptionalText = None

    @model_validator(mode="before")
    @classmethod
    def _absent_amount_is_no_amount(cls, sent: dict[str, Any]) -> dict[str, Any]:
        """So that a missing amount is refused in the words for a wrong one."""
        absent = "refundAmount" not in sent and "refund_amount" not in sent
        return sent | {"refundAmount": None} if absent else sent


class RefundPreviewForm(OfPaymentForm):
    """Lenient: half-typed input is shown with a hint, not refused."""

    refund_amount: Str = ""
    idempotency_key: Line = ""


class RefundsForm(ListForm):
    """Filters of the list of refunds; the days are the merchant's, both inclusive."""

    payment_txn_id: OptionalText = None
    user_id: OptionalText = None
    from_day: OptionalDay = None
    to_day: OptionalDay = None
    order: OptionalOrder = Order.NEWEST


class ReceivablesForm(ListForm):
    """Filters of what customers owe."""

    state: Annotated[ReceivableState | None, BeforeValidator(_blank_is_none)] = None
    user_id: OptionalText = None
    order: OptionalOrder = Order.NEWEST


class ReceivableIdForm(Input):
    receivable_id: Key


class SettleForm(ReceivableIdForm):
    """`amount`: in major units; None for all that is open."""

    method: SettleMethod
    amount: Annotated[PositiveAmount | None, BeforeValidator(_blank_is_none)] = None
    note: Remark = ""
