"""What a change of the tenant policy takes: switches, and limits per operation."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from mealquest.core.wire import Flag, Input, refuse
from mealquest.tenancy.domain import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Limit,
    Operation,
    PolicyChange,
)

MOST = 1_000_000_000
LONGEST_MS = 366 * DAY_MS
UNITS = {"second": 1_000, "minute": MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS}
_NAMES = {operation.value: operation for operation in Operation}
_SHOWN = 64  # characters of a name that is none

_NUMBER = {"type": "integer", "minimum": 1}
_AS_WRITTEN = WithJsonSchema(
    {
        "type": "object",
        "description": "By operation: so many a minute, or in a window; null removes the limit.",
        "propertyNames": {"enum": sorted(_NAMES)},
        "additionalProperties": {
            "anyOf": [
                _NUMBER,
                {
                    "type": "object",
                    "properties": {"limit": _NUMBER, "windowMs": _NUMBER},
                    "required": ["limit"],
                },
                {"type": "null"},
            ]
        },
    }
)

Limits = dict[Operation, Limit | None]  # None: the merchant's own limit is removed


def limits_of(value: Any) -> Limits:
    """Limits as the wire writes them: a number a minute, `{limit, windowMs?}`, or null."""
    if not isinstance(value, dict):
        raise refuse("limits must be an object")
    return {_operation(name): _limit(name, said) for name, said in value.items()}


def _operation(name: str) -> Operation:
    if name not in _NAMES:
        raise refuse(f"unsupported limit operation: {_plain(name)}")
    return _NAMES[name]


def _plain(name: str) -> str:
    """A template of pydantic's would take braces for places to fill."""
    return name[:_SHOWN].replace("{", "(").replace("}", ")")


def _limit(name: str, said: Any) -> Limit | None:
    if said is None:
        return None
    if _is_number(said):
        return Limit(_whole(said, f"{name}.limit", MOST))
    if not isinstance(said, dict):
        raise refuse(f"{name} limit must be number or object")
    return Limit(
        _whole(said.get("limit"), f"{name}.limit", MOST),
        _whole(said.get("windowMs", MINUTE_MS), f"{name}.windowMs", LONGEST_MS),
    )


def _whole(value: Any, name: str, most: int) -> int:
    if not _is_number(value) or not value > 0:
        raise refuse(f"{name} must be a positive number")
    if value > most:
        raise refuse(f"{name} is too large")
    if value != int(value):
        raise refuse(f"{name} must be a whole number")
    return int(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


class PolicyForm(Input):
    """A change: what is left out stays. Limits are changed by operation; null removes one."""

    write_enabled: Flag | None = None
    ws_enabled: Flag | None = None
    limits: Annotated[Limits, BeforeValidator(limits_of), _AS_WRITTEN] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _says_something(cls, sent: dict[str, Any]) -> dict[str, Any]:
        named = {"writeEnabled", "wsEnabled", "limits"} & sent.keys()
        if not named:
            raise refuse("tenant policy patch is empty")
        for name in named - {"limits"}:
            if sent[name] is None:
                raise refuse(f"{name} must be true or false")
        return sent

    @property
    def change(self) -> PolicyChange:
        limits = self.limits if "limits" in self.model_fields_set else None
        return PolicyChange(self.write_enabled, self.ws_enabled, limits)


def _switch(value: Any) -> bool:
    """A form's two words, and nothing that could be one of them by mistake."""
    words = {"true": True, "false": False}
    if not isinstance(value, str) or value not in words:
        raise refuse("enabled must be true or false")
    return words[value]


def _count(value: Any) -> Any:
    """What somebody typed; an empty field is none."""
    return value.strip() if isinstance(value, str) else value


class SwitchForm(Input):
    """One of the page's switches: whether it is to be on."""

    enabled: Annotated[bool, BeforeValidator(_switch)]


class LimitForm(Input):
    """A limit as a page's form has it: so many in so many seconds, minutes, hours or days."""

    operation: Operation
    limit: Annotated[int, BeforeValidator(_count), Field(ge=1, le=MOST)]
    every: Annotated[int, BeforeValidator(_count), Field(ge=1, le=LONGEST_MS // 1000)] = 1
    unit: Annotated[str, AfterValidator(lambda unit: unit if unit in UNITS else "minute")] = (
        "minute"
    )

    @property
    def as_limit(self) -> Limit:
        return Limit(self.limit, min(self.every * UNITS[self.unit], LONGEST_MS))


class OperationForm(Input):
    operation: Operation
