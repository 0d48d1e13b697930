"""What campaigns take in."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from mealquest.campaigns.domain import CampaignStatus
from mealquest.core.paging import ListForm, OptionalDay, OptionalText
from mealquest.core.wire import Flag, Input, Key, Str, refuse
from mealquest.tenancy.service import MerchantId
from mealquest.wallet.service import VoucherState

SKU, TTL_MINUTES, VOUCHER_VALUE, MAX_QTY = "sku_hot_soup", 30, 15, 30
LEAST_TTL, MOST = 5, 1_000_000


def _event(value: str) -> str:
    if not value:
        raise refuse("event is required")
    return value


def _context(value: Any) -> Any:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise refuse("context must be an object")
    return value


class TriggerForm(Input):
    """An event of a customer that somebody reports. `context`: what conditions are asked of."""

    user_id: Key
    event: Annotated[Str, Field(max_length=64), AfterValidator(_event)]
    context: Annotated[dict[str, Any], BeforeValidator(_context)] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _absent_event_is_empty(cls, sent: dict[str, Any]) -> dict[str, Any]:
        return {"event": ""} | sent


class CampaignPathForm(Input):
    campaign_id: Key


class PaymentPathForm(Input):
    payment_id: Key


class StatusForm(CampaignPathForm):
    """`status` in any case; any text, so that the contract's words refuse it."""

    status: Annotated[Str, Field(max_length=40)] = CampaignStatus.ACTIVE.value


class KillSwitchForm(Input):
    enabled: Flag

    @model_validator(mode="before")
    @classmethod
    def _absent_is_none(cls, sent: dict[str, Any]) -> dict[str, Any]:
        return {"enabled": None} | sent


class DashboardForm(Input):
    merchant_id: MerchantId

    @model_validator(mode="before")
    @classmethod
    def _absent_is_empty(cls, sent: dict[str, Any]) -> dict[str, Any]:
        return {"merchantId": ""} | sent


def _or(default: int, least: int) -> Callable[[Any], int]:
    """What is no number is the default; else rounded down, and never under the least."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
            return default
        try:
            found = Decimal(str(value).strip())
        except InvalidOperation:
            return default
        if not found.is_finite():
            return default
        return int(min(max(found, Decimal(least)), Decimal(MOST)))

    return read


def _whole(default: int, least: int) -> Any:
    shown = {"type": "integer", "minimum": least, "maximum": MOST, "default": default}
    return Annotated[int, BeforeValidator(_or(default, least)), WithJsonSchema(shown)]


def _sku(value: Any) -> Any:
    return value if isinstance(value, str) and value.strip() else SKU


class FireSaleForm(Input):
    target_sku: Annotated[Str, Field(max_length=64), BeforeValidator(_sku)] = SKU
    ttl_minutes: _whole(TTL_MINUTES, LEAST_TTL) = TTL_MINUTES  # type: ignore[valid-type]
    voucher_value: _whole(VOUCHER_VALUE, 1) = VOUCHER_VALUE  # type: ignore[valid-type]
    max_qty: _whole(MAX_QTY, 1) = MAX_QTY  # type: ignore[valid-type]


def _upper(value: Any) -> Any:
    return value.strip().upper() or None if isinstance(value, str) else value


class CampaignsForm(ListForm):
    """Filters of the list: a state, an event, and how a name or an id begins.

    ENDED: whose time is over, and which are not put away; ACTIVE leaves those out.
    """

    status: Annotated[CampaignStatus | Literal["ENDED"] | None, BeforeValidator(_upper)] = None
    event: OptionalText = None
    query: OptionalText = None


class DecisionsForm(ListForm):
    """`outcome`: HIT, MISS (whatever was no hit) or HELD_OUT; the days are the merchant's."""

    campaign_id: Key
    outcome: Annotated[Str | None, BeforeValidator(_upper)] = None
    user_id: OptionalText = None
    from_day: OptionalDay = None
    to_day: OptionalDay = None

    @model_validator(mode="after")
    def _known_outcome(self) -> "DecisionsForm":
        if self.outcome not in (None, "HIT", "MISS", "HELD_OUT"):
            raise refuse("outcome is not one of the allowed values")
        return self


class HitsForm(ListForm):
    """`by`: HAND of what somebody triggered, EVENT of what came by itself. `voucher`: hits that
    gave one which is in this state now. The days are the merchant's."""

    campaign_id: Key
    by: Annotated[Literal["HAND", "EVENT"] | None, BeforeValidator(_upper)] = None
    voucher: Annotated[VoucherState | None, BeforeValidator(_upper)] = None
    user_id: OptionalText = None
    from_day: OptionalDay = None
    to_day: OptionalDay = None
