"""What identity takes in."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, model_validator

from mealquest.core.wire import Input, Line, Phone, Str, refuse
from mealquest.tenancy.service import tidy_merchant_id

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
_CODE = re.compile(r"\d{6}", re.ASCII)


def _code(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not _CODE.fullmatch(text):
        raise refuse("code format invalid")
    return text


def _limit(value: Any) -> int:
    """As everywhere on the wire: what is no positive number is the default."""
    try:
        limit = int(value)
    except (TypeError, ValueError, OverflowError):
        return DEFAULT_LIMIT
    return min(limit, MAX_LIMIT) if limit > 0 else DEFAULT_LIMIT


def _or_none(value: str) -> str | None:
    return value or None


PageSize = Annotated[int, BeforeValidator(_limit)]
# Checked after the code, which is used up all the same when this turns out to be wrong.
TidyMerchantId = Annotated[str | None, BeforeValidator(tidy_merchant_id)]
OptionalLine = Annotated[Line, AfterValidator(_or_none)] | None
OptionalText = Annotated[Str, AfterValidator(_or_none)] | None


class _WrongWhenAbsent(Input):
    """What is left out is refused in the words for what is wrong."""

    @model_validator(mode="before")
    @classmethod
    def _absent_is_empty(cls, sent: dict[str, Any]) -> dict[str, Any]:
        needed = (field.alias for field in cls.model_fields.values() if field.is_required())
        return {name: "" for name in needed if name} | sent


class RequestCodeForm(_WrongWhenAbsent):
    phone: Phone


class SignInForm(_WrongWhenAbsent):
    phone: Phone
    code: Annotated[str, BeforeValidator(_code)]
    merchant_id: TidyMerchantId = None


class CustomerForm(_WrongWhenAbsent):
    phone: Phone
    display_name: OptionalLine = None


class CustomersForm(Input):
    query: OptionalText = None
    limit: PageSize = DEFAULT_LIMIT
    cursor: OptionalText = None
