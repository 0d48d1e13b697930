"""What crosses the wire: inputs that are checked field by field, views that print one way.

JSON names are camelCase. Amounts are numbers in major units with at most 2 decimals; times are
ISO-8601 UTC with milliseconds.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PrivateAttr,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from mealquest.core.clock import iso_millis

MAX_AMOUNT = Decimal(100_000_000)
CENT = Decimal("0.01")
PHONE = re.compile(r"\+?\d{10,20}", re.ASCII)
_CONTACT = re.compile(r"\+?\d{10,20}|[^\s@]+@[^\s@]+\.[^\s@]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def refuse(message: str, kind: str = "refused") -> PydanticCustomError:
    """A validation error whose whole text is `message`, which the contract may fix to the word."""
    return PydanticCustomError(kind, message)


def wire_name(info: ValidationInfo) -> str:
    return to_camel(info.field_name or "value")


# --- inputs -------------------------------------------------------------------------------


class Input(BaseModel):
    """What a handler takes, from JSON, a form or the query alike. Unknown fields are ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )


class NoInput(Input):
    pass


def _plain_text(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, bytes):  # a file where no file belongs
        raise refuse(f"{wire_name(info)} must be text")
    if isinstance(value, str) and (_CONTROL.search(value) or _unpaired(value)):
        raise refuse(f"{wire_name(info)} contains characters that are not allowed")
    return value


def _unpaired(value: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in value)


def _whole_cents(value: Any, info: ValidationInfo) -> Decimal:
    number = _as_decimal(value, wire_name(info))
    if not -MAX_AMOUNT <= number <= MAX_AMOUNT:
        raise refuse(f"{wire_name(info)} is too large")
    cents = number.quantize(CENT)  # 52 and 52.0 are the same request
    if cents != number:
        raise refuse(f"{wire_name(info)} must have at most 2 decimals")
    return cents


def _as_decimal(value: Any, name: str) -> Decimal:
    number = _number_or_none(value)
    if number is None:
        raise refuse(f"{name} must be a positive number")
    return number


def _number_or_none(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | float | str):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and len(str(value)) <= 40 else None


def _positive(value: Decimal, info: ValidationInfo) -> Decimal:
    if value <= 0:
        raise refuse(f"{wire_name(info)} must be a positive number")
    return value


def _not_negative(value: Decimal, info: ValidationInfo) -> Decimal:
    if value < 0:
        raise refuse(f"{wire_name(info)} must not be negative")
    return value


def _flag(value: Any, info: ValidationInfo) -> Any:
    """JSON says true or false; a form says `on` or nothing."""
    if (info.context or {}).get("form") and isinstance(value, str):
        return value.lower() in {"on", "true", "1", "yes"}
    if not isinstance(value, bool):
        raise refuse(f"{wire_name(info)} must be true or false")
    return value


def _phone(value: Any) -> Any:
    if not isinstance(value, str) or not PHONE.fullmatch(value.strip()):
        raise refuse("phone format invalid")
    return value.strip()


def without_contacts(value: str) -> str:
    """Phones and mail addresses replaced by an ellipsis."""
    return _CONTACT.sub("…", value)


Str = Annotated[str, BeforeValidator(_plain_text), StringConstraints(strip_whitespace=True)]
Line = Annotated[Str, StringConstraints(max_length=200)]
# Free text that ends where nothing can be erased: without phones and mail addresses.
Remark = Annotated[Line, AfterValidator(without_contacts)]
Key = Annotated[Str, StringConstraints(min_length=1, max_length=128)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Phone = Annotated[str, BeforeValidator(_phone)]
_NUMBER = WithJsonSchema({"type": "number", "description": "Major units, at most 2 decimals."})
PositiveAmount = Annotated[
    Decimal, BeforeValidator(_whole_cents), AfterValidator(_positive), _NUMBER
]
AmountOrZero = Annotated[
    Decimal, BeforeValidator(_whole_cents), AfterValidator(_not_negative), _NUMBER
]


# --- views --------------------------------------------------------------------------------


def number(amount: Decimal) -> int | float:
    """52 rather than 52.0; 13.08 exactly as JSON writes it."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


Amount = Annotated[
    Decimal, PlainSerializer(number, return_type=int | float, when_used="json"), _NUMBER
]


Timestamp = Annotated[
    datetime,
    PlainSerializer(iso_millis, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class View(BaseModel):
    """What a service answers: printed as JSON for apps, read by templates for pages.

    A view that replays a stored answer carries that answer's bytes, so that the second answer
    equals the first one to the byte.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    _stored: str | None = PrivateAttr(None)

    @classmethod
    def from_stored(cls, answer: str) -> Self:
        view = cls.model_validate_json(answer)
        view._stored = answer
        return view

    @property
    def replayed(self) -> bool:
        return self._stored is not None

    def as_json(self) -> str:
        return self._stored or self.model_dump_json(by_alias=True)


class Page(View):
    """A page of a list: `next_cursor` is null on the last one."""

    next_cursor: str | None = None


class Listing(View):
    """A list that the contract prints as a bare array; a header says where it goes on."""

    items: list[Any]
    next_cursor: str | None = None

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> Any:
        described = handler.resolve_ref_schema(handler(core))
        return described["properties"]["items"]

    def as_json(self) -> str:
        rows = ",".join(item.model_dump_json(by_alias=True) for item in self.items)
        return f"[{rows}]"


class PageInfo(View):
    """As `Page`, the way the contract's own lists tell it."""

    limit: int
    has_more: bool
    next_cursor: str | None
