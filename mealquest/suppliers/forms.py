"""What suppliers take in. Amounts are in major units of the merchant's currency."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from mealquest.core.clock import utc_now
from mealquest.core.paging import ListForm, OptionalDay, OptionalOrder, OptionalText, Order
from mealquest.core.wire import AmountOrZero, Input, Key, PositiveAmount, Str, refuse
from mealquest.suppliers.domain import Match, OrderStatus

MOST_ORDERS = 100  # of one request
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)  # what another clock, or a day without its time, may be ahead of ours
_PARTNER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ORDER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:#-]{0,63}")
NAME_LENGTH = 64


def _of_form(pattern: re.Pattern[str], words: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise refuse(words)
        return value

    return check


PartnerId = Annotated[Str, AfterValidator(_of_form(_PARTNER_ID, "partnerId format invalid"))]
OrderId = Annotated[Str, AfterValidator(_of_form(_ORDER_ID, "orderId format invalid"))]


def _blank_is_none(value: Any) -> Any:
    return None if value is None or value == "" else value


def _upper(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


def _sensible(moment: datetime) -> datetime:
    if not EARLIEST <= moment <= utc_now() + AHEAD:
        raise refuse("paidAt is not valid")
    return moment.astimezone(UTC)


def _no_seconds_since_1970(value: Any) -> Any:
    """A time is written in ISO 8601; a bare number may mean anything."""
    return value if isinstance(value, str | datetime) else str(value)


PaidAt = Annotated[
    AwareDatetime, BeforeValidator(_no_seconds_since_1970), AfterValidator(_sensible)
]
Status = Annotated[OrderStatus, BeforeValidator(_upper)]
OptionalAmount = Annotated[AmountOrZero | None, BeforeValidator(_blank_is_none)]


class OrderInput(Input):
    """An order as its partner knows it. `status` in any case; `paid_at`: ISO, with its zone."""

    order_id: OrderId
    amount: PositiveAmount
    status: Status = OrderStatus.PAID
    currency: OptionalText = None  # the merchant's, or left out
    paid_at: Annotated[PaidAt | None, BeforeValidator(_blank_is_none)] = None


class OrdersForm(Input):
    """A batch, taken as a whole. `partner_id`: left out by a partner, whose key says it."""

    partner_id: Annotated[PartnerId | None, BeforeValidator(_blank_is_none)] = None
    orders: Annotated[list[OrderInput], Field(min_length=1, max_length=MOST_ORDERS)]


def _min_spend(value: Any, info: ValidationInfo) -> Decimal:
    """What is no sum is zero, as the contract has it. A form is told, a person typed it."""
    typed = (info.context or {}).get("form") and not (isinstance(value, str) and not value.strip())
    try:
        return TypeAdapter(AmountOrZero).validate_python(value)
    except ValidationError as wrong:
        message = str(wrong.errors()[0]["msg"]).replace("value ", "minSpend ", 1)
        if typed or message.endswith(("decimals", "too large")):
            raise refuse(message) from None
        return Decimal(0)


class VerifyOrderForm(Input):
    """An order number as somebody brings it: of any form, it need not exist."""

    partner_id: Key
    order_id: Key
    user_id: OptionalText = None  # the customer who shows it, when campaigns are to reward them
    min_spend: Annotated[
        Decimal,
        BeforeValidator(_min_spend),
        WithJsonSchema({"type": "number", "description": "Major units; what is no sum is 0."}),
    ] = Decimal(0)

    @model_validator(mode="before")
    @classmethod
    def _both_are_needed(cls, sent: dict[str, Any]) -> dict[str, Any]:
        for name, ours in (("partnerId", "partner_id"), ("orderId", "order_id")):
            value = sent.get(name, sent.get(ours))
            if value is None or (isinstance(value, str) and not value.strip()):
                raise refuse("merchantId, partnerId and orderId are required")
        return sent


class DeskForm(Input):
    """What the clerk's page may be opened with; `query` looks for the customer to be rewarded."""

    partner_id: OptionalText = None
    order_id: OptionalText = None
    min_spend: OptionalText = None
    user_id: OptionalText = None
    query: OptionalText = None


class OrderPathForm(Input):
    partner_id: Key
    order_id: Key


class DeliveryForm(OrderPathForm):
    amount: AmountOrZero

    @model_validator(mode="before")
    @classmethod
    def _absent_amount_is_no_amount(cls, sent: dict[str, Any]) -> dict[str, Any]:
        return {"amount": None} | sent


class InvoiceForm(DeliveryForm):
    pass


def _name(value: str) -> str:
    if not value:
        raise refuse("name is required")
    if len(value) > NAME_LENGTH:
        raise refuse("name is too long")
    return value


Name = Annotated[Str, AfterValidator(_name)]


class PartnerForm(Input):
    partner_id: PartnerId
    name: Name


class PartnerPathForm(Input):
    partner_id: Key


class PartnerChangeForm(PartnerPathForm):
    """What is left out stays. `tolerance`: a difference up to this much is none."""

    name: Name | None = None
    tolerance: OptionalAmount = None


class Use(StrEnum):
    USED = "used"
    OPEN = "open"


class OrdersListForm(ListForm):
    """Filters of the list; the days are the merchant's, of when an order came in."""

    partner_id: OptionalText = None
    status: Annotated[OrderStatus | None, BeforeValidator(lambda v: _upper(v) or None)] = None
    match: Annotated[Match | None, BeforeValidator(lambda v: _upper(v) or None)] = None
    use: Annotated[Use | None, BeforeValidator(lambda v: v or None)] = None
    query: OptionalText = None  # an order number, or how it begins
    from_day: OptionalDay = None
    to_day: OptionalDay = None
    order: OptionalOrder = Order.NEWEST


class ImportForm(Input):
    """A list of orders as CSV. `partner_id`: of rows that name none."""

    file: bytes
    partner_id: Annotated[PartnerId | None, BeforeValidator(_blank_is_none)] = None

    @model_validator(mode="before")
    @classmethod
    def _no_file_is_an_empty_one(cls, sent: dict[str, Any]) -> dict[str, Any]:
        if not sent.get("file"):
            raise refuse("file is required")
        return sent


class ImportPathForm(Input):
    import_id: Key


class ImportRow(Input):
    """One row of a list; what is left empty stays as it is."""

    partner_id: PartnerId
    order_id: OrderId
    amount: PositiveAmount
    status: Annotated[Status, BeforeValidator(lambda value: value or OrderStatus.PAID)] = (
        OrderStatus.PAID
    )
    paid_at: Annotated[PaidAt | None, BeforeValidator(_blank_is_none)] = None
    delivered: OptionalAmount = None
    invoiced: OptionalAmount = None
