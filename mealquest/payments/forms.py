"""What payments take in."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mealquest.core.wire import AmountOrZero, Input, Key, Line, PositiveAmount, Str
from mealquest.tenancy.service import MerchantId

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


def _or_none(value: str) -> str | None:
    return value or None


def _limit(value: Any) -> int:
    """What is no positive number is the default, as everywhere on the wire."""
    try:
        limit = int(value)
    except (TypeError, ValueError, OverflowError):
        return DEFAULT_LIMIT
    return min(limit, MAX_LIMIT) if limit > 0 else DEFAULT_LIMIT


_Optional = Annotated[Str, Field(max_length=300), AfterValidator(_or_none)] | None


class QuoteForm(Input):
    """An order in major units. `voucher_id`: an id, `NONE` for no voucher, None for the rule."""

    user_id: Key
    order_amount: PositiveAmount
    voucher_id: _Optional = None

    @model_validator(mode="before")
    @classmethod
    def _absent_amount_is_no_amount(cls, sent: dict[str, Any]) -> dict[str, Any]:
        """So that a missing amount is refused in the words for a wrong one."""
        absent = "orderAmount" not in sent and "order_amount" not in sent
        return sent | {"orderAmount": None} if absent else sent


class VerifyForm(QuoteForm):
    """As a quote; the console's form calls the order's amount `amount`."""

    @model_validator(mode="before")
    @classmethod
    def _by_the_console_name(cls, sent: dict[str, Any]) -> dict[str, Any]:
        return {"orderAmount": sent["amount"]} | sent if "amount" in sent else sent


class CallbackForm(Input):
    """What the gateway reports. Its first known id is the key under which it is settled once."""

    merchant_id: MerchantId
    payment_txn_id: Key
    external_txn_id: Annotated[Line, AfterValidator(_or_none)] | None = None
    status: Line
    paid_amount: AmountOrZero | None = None
    callback_id: Annotated[Line, AfterValidator(_or_none)] | None = None

    @property
    def succeeded(self) -> bool:
        return self.status.upper() == "SUCCESS"

    @property
    def key(self) -> str:
        return self.callback_id or self.external_txn_id or self.payment_txn_id


class PaymentIdForm(Input):
    payment_id: Key


class PaymentsForm(Input):
    limit: Annotated[int, BeforeValidator(_limit)] = DEFAULT_LIMIT
    cursor: _Optional = None
