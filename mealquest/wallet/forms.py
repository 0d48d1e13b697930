"""What the wallet takes in."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from mealquest.core.wire import AmountOrZero, Input, Key, Line, PositiveAmount
from mealquest.wallet.models import TopUpMethod

MAX_BONUS_DAYS = 3650


def _blank_is_zero(value: Any) -> Any:
    return 0 if isinstance(value, str) and not value.strip() else value


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


Days = Annotated[
    Annotated[int, Field(ge=1, le=MAX_BONUS_DAYS)] | None, BeforeValidator(_blank_is_none)
]


class TopUpForm(Input):
    """Money paid in at the counter, in major units; a form's empty field counts as left out."""

    user_id: Key
    amount: PositiveAmount
    bonus: Annotated[AmountOrZero, BeforeValidator(_blank_is_zero)] = Decimal(0)
    method: TopUpMethod
    note: Line = ""
    bonus_valid_days: Days = None  # None: the bonus never expires

    @model_validator(mode="before")
    @classmethod
    def _absent_amount_is_no_amount(cls, sent: dict[str, Any]) -> dict[str, Any]:
        """So that a missing amount is refused in the words for a wrong one."""
        return {"amount": None} | sent
