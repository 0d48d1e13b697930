"""What payments take in."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from mealquest.core.paging import (
    ListForm,
    OptionalDay,
    OptionalMoment,
    OptionalOrder,
    OptionalText,
    Order,
)
from mealquest.core.wire import AmountOrZero, Input, Key, Line, PositiveAmount, refuse
from mealquest.payments.domain import PaymentStatus
from mealquest.tenancy.service import MerchantId

YES, NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


def _or_none(value: str) -> str | None:
    return value or None


def _is_yes(value: Any) -> bool:
    return str(value).lower() in {"yes", "true"}


def asked_for_state(value: Any) -> bool:
    """A flag in any of the words that the wire contract allows."""
    word = str(value).strip().lower() if isinstance(value, str | bool | int) else "?"
    if word not in YES | NO:
        raise refuse("includeState must be true or false")
    return word in YES


IncludeState = Annotated[bool, BeforeValidator(asked_for_state)]
OptionalLine = Annotated[Line, AfterValidator(_or_none)] | None
OptionalPart = Annotated[
    Literal["voucher", "bonus", "principal", "silver", "external"] | None,
    BeforeValidator(lambda value: value or None),
]
OptionalStatus = Annotated[PaymentStatus | None, BeforeValidator(lambda value: value or None)]


class QuoteForm(Input):
    """An order in major units. `voucher_id`: an id, `NONE` for no voucher, None for the rule."""

    user_id: Key
    order_amount: PositiveAmount
    voucher_id: OptionalText = None

    @model_validator(mode="before")
    @classmethod
    def _absent_amount_is_no_amount(cls, sent: dict[str, Any]) -> dict[str, Any]:
        """So that a missing amount is refused in the words for a wrong one."""
        absent = "orderAmount" not in sent and "order_amount" not in sent
        return sent | {"orderAmount": None} if absent else sent


class VerifyForm(QuoteForm):
    """As a quote; the console's form calls the order's amount `amount`.

    `expected_external`: what was shown as to be paid outside; None leaves it open. It guards the
    order and is no part of it: a repeat under the same key may say something else.
    `include_state` says how to answer, which is no part of the order either.
    """

    expected_external: AmountOrZero | None = Field(None, exclude=True)
    include_state: IncludeState = Field(False, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _by_the_console_name(cls, sent: dict[str, Any]) -> dict[str, Any]:
        return {"orderAmount": sent["amount"]} | sent if "amount" in sent else sent

    def with_state_if(self, asked: str | None) -> Self:
        """The same order; a flag in the address asks for the state as one in the body does."""
        wanted = self.include_state or asked_for_state(asked or "")
        return self.model_copy(update={"include_state": wanted})


class CallbackForm(Input):
    """What the gateway reports, once under its `key`."""

    merchant_id: MerchantId
    payment_txn_id: Key
    external_txn_id: OptionalLine = None
    status: Annotated[Line, StringConstraints(min_length=1)]
    paid_amount: AmountOrZero | None = None
    callback_id: OptionalLine = None

    @property
    def succeeded(self) -> bool:
        return self.status.upper() == "SUCCESS"

    @property
    def key(self) -> str:
        """The gateway's own id of this report, else what the report is about and says.

        Without an id a payment that failed and is paid after all must not look like a repeat.
        """
        about = (self.payment_txn_id, self.external_txn_id or "", self.status.upper())
        return self.callback_id or ":".join(about)


class PaymentIdForm(Input):
    payment_id: Key


class PaymentsForm(ListForm):
    """Filters of the list; the days are the merchant's, both inclusive.

    `since` and `until` (not inclusive) are moments. `going_back`: outside money of theirs is on
    its way back to the customer. `part` leaves nothing out: the page shows that source by itself.
    """

    status: OptionalStatus = None
    user_id: OptionalText = None
    from_day: OptionalDay = None
    to_day: OptionalDay = None
    since: OptionalMoment = None
    until: OptionalMoment = None
    going_back: Annotated[bool, BeforeValidator(_is_yes)] = False
    paid_again: Annotated[bool, BeforeValidator(_is_yes)] = False  # outside, as the gateway says
    part: OptionalPart = None
    order: OptionalOrder = Order.NEWEST
