"""What the wallet takes in."""

from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from mealquest.core.paging import (
    ListForm,
    OptionalDay,
    OptionalMoment,
    OptionalOrder,
    OptionalText,
    Order,
)
from mealquest.core.wire import AmountOrZero, Input, Key, Line, PositiveAmount, Remark, refuse
from mealquest.wallet.domain import VoucherType
from mealquest.wallet.ledger import Bucket
from mealquest.wallet.models import EntryKind, TopUpMethod

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


class TopUpRuleForm(Input):
    """Who pays in at least `from_amount` gets `bonus` on top, in major units."""

    from_amount: PositiveAmount
    bonus: PositiveAmount
    valid_days: Days = None  # None: the bonus never expires

    @model_validator(mode="before")
    @classmethod
    def _absent_amounts_are_no_amounts(cls, sent: dict[str, Any]) -> dict[str, Any]:
        return {"fromAmount": None, "bonus": None} | sent


class RuleIdForm(Input):
    rule_id: Key


class PreviewForm(Input):
    """Lenient: half-typed input shows nothing instead of an error."""

    user_id: Key
    amount: Line = ""
    bonus: Line = ""


def _rate(value: Any) -> Any:
    """A share of the price that is left to pay, as 0.88; a form's blank is none."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise refuse("discountRate must be a number") from None


class MoveForm(Input):
    user_id: Key


class MoveAllForm(Input):
    """`after`: where an earlier answer said that there is more."""

    after: OptionalText = None


class GrantVoucherForm(Input):
    user_id: Key
    type: VoucherType
    name: Annotated[Line, Field(min_length=1)]
    value: Annotated[AmountOrZero, BeforeValidator(_blank_is_zero)] = Decimal(0)
    min_spend: Annotated[AmountOrZero, BeforeValidator(_blank_is_zero)] = Decimal(0)
    discount_rate: Annotated[
        Annotated[Decimal, Field(max_digits=5, decimal_places=4)] | None, BeforeValidator(_rate)
    ] = None
    valid_days: Annotated[int, Field(ge=1, le=365)] = 30
    reason: Remark = ""


OptionalKind = Annotated[EntryKind | None, BeforeValidator(_blank_is_none)]
OptionalBucket = Annotated[Bucket | None, BeforeValidator(_blank_is_none)]
OptionalMethod = Annotated[TopUpMethod | None, BeforeValidator(_blank_is_none)]
OptionalType = Annotated[VoucherType | None, BeforeValidator(_blank_is_none)]


class SpanForm(ListForm):
    """A list over time; the days are the merchant's and inclusive, `until` is not."""

    user_id: OptionalText = None
    from_day: OptionalDay = None
    to_day: OptionalDay = None
    since: OptionalMoment = None
    until: OptionalMoment = None


class LedgerForm(SpanForm):
    """Entries of the ledger. `bucket`: those that moved it, of the customer `user_id` names."""

    type: OptionalKind = None
    bucket: OptionalBucket = None
    order: OptionalOrder = Order.NEWEST

    @model_validator(mode="after")
    def _a_bucket_is_somebodys(self) -> Self:
        if self.bucket and not self.user_id:
            raise refuse("userId is required with bucket")
        return self


class EntryForm(Input):
    txn_id: Key


class TopUpsForm(SpanForm):
    method: OptionalMethod = None
    taken_by: OptionalText = None
    order: OptionalOrder = Order.NEWEST


class WalletsForm(ListForm):
    pass


class VoucherState(StrEnum):
    """Which vouchers a list shows; one past its expiry counts as expired at once."""

    ACTIVE = "ACTIVE"
    HELD = "HELD"
    USED = "USED"
    EXPIRED = "EXPIRED"
    WITHDRAWN = "WITHDRAWN"
    ALL = "ALL"


class VoucherOrder(StrEnum):
    SOONEST = "soonest"  # expiry first
    LATEST = "latest"


class VouchersForm(SpanForm):
    """Vouchers by state, those that can be used where none is named; the days are of expiry."""

    status: Annotated[VoucherState, BeforeValidator(lambda sent: sent or VoucherState.ACTIVE)] = (
        VoucherState.ACTIVE
    )
    type: OptionalType = None
    order: Annotated[VoucherOrder, BeforeValidator(lambda sent: sent or VoucherOrder.SOONEST)] = (
        VoucherOrder.SOONEST
    )
