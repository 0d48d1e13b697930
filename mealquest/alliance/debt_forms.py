"""What settling between stores takes in."""

from typing import Annotated, Any

from pydantic import BeforeValidator, model_validator

from mealquest.core.paging import ListForm, OptionalDay, OptionalText
from mealquest.core.wire import AmountOrZero, Input, PositiveAmount, Remark, refuse
from mealquest.tenancy.service import MerchantId
from mealquest.wallet.service import SettlementKind


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _kind(value: Any) -> Any:
    if isinstance(value, str) and value.strip().upper() in set(SettlementKind):
        return value.strip().upper()
    raise refuse("kind must be PAID or WRITTEN_OFF")


class DaysForm(ListForm):
    """Filters of the daily statement; the days are the store's, both inclusive."""

    partner_id: OptionalText = None
    from_day: OptionalDay = None
    to_day: OptionalDay = None


class StoreIdForm(Input):
    store_id: MerchantId


class SettleForm(StoreIdForm):
    """`amount` in major units; without one, all that is owed."""

    kind: Annotated[SettlementKind, BeforeValidator(_kind)] = SettlementKind.PAID
    amount: Annotated[PositiveAmount | None, BeforeValidator(_blank_is_none)] = None
    note: Remark = ""


class LimitForm(StoreIdForm):
    """`limit` in major units; null, or an empty field, takes it away."""

    limit: Annotated[AmountOrZero | None, BeforeValidator(_blank_is_none)]

    @model_validator(mode="before")
    @classmethod
    def _said(cls, sent: dict[str, Any]) -> dict[str, Any]:
        """Taking a limit away must be meant."""
        if "limit" not in sent:
            raise refuse("limit must be an amount, or null for none")
        return sent
