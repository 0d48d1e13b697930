"""What payments take in."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mealquest.core.wire import Input, Key, PositiveAmount, Str

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


class PaymentsForm(Input):
    limit: Annotated[int, BeforeValidator(_limit)] = DEFAULT_LIMIT
    cursor: _Optional = None
