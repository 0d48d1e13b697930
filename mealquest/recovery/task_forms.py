"""What the routes about tasks take in."""

import json
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from mealquest.core.clock import utc_now
from mealquest.core.paging import ListForm, OptionalMoment
from mealquest.core.wire import Flag, Input, Str, refuse, wire_name
from mealquest.recovery.domain import TaskStatus, TaskType

MOST_NUMBER = 2**63 - 1
MOST_CENTS = 10**14
PAYLOAD_BYTES = 16 * 1024
FARTHEST = timedelta(days=366)
EVERY_STATUS = "all"  # as good as no filter


def _number(value: Any) -> int:
    """A task's id; what is no number names no task, and is told as any other that is not there."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def _cents(value: Any, info: ValidationInfo) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= MOST_CENTS:
        raise refuse(f"{wire_name(info)} must be a whole number that is not negative")
    return value


def _payload(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise refuse("payload must be an object")
    try:
        text = json.dumps(value, default=float, allow_nan=False)
    except (ValueError, RecursionError):
        raise refuse("payload holds a number that is out of range") from None
    if len(text) > PAYLOAD_BYTES:
        raise refuse("payload is too large")
    if "\\u0000" in text:
        raise refuse("payload contains characters that are not allowed")
    plain: dict[str, Any] = json.loads(text)
    return plain


def _near(value: datetime | None) -> datetime | None:
    if value and value > utc_now() + FARTHEST:
        raise refuse("runAt must be within a year")
    return value


def _fresh(value: Any) -> Any:
    if value not in (None, "", TaskStatus.PENDING.value):
        raise refuse("status of a new task cannot be chosen")
    return None


def _blank_is_none(value: Any) -> Any:
    return None if value in ("", EVERY_STATUS) else value


TaskNumber = Annotated[int, BeforeValidator(_number), WithJsonSchema({"type": "string"})]
Name = Annotated[Str, Field(min_length=1, max_length=128)]


class TasksForm(ListForm):
    status: Annotated[TaskStatus | None, BeforeValidator(_blank_is_none)] = None
    task_type: Annotated[TaskType | None, BeforeValidator(_blank_is_none)] = None


class TaskForm(Input):
    task_id: TaskNumber


class NewTaskForm(Input):
    """`merchant_id` is the caller's own, or the one that an operator names."""

    task_type: TaskType
    payload: Annotated[dict[str, Any], BeforeValidator(_payload)]
    run_at: Annotated[OptionalMoment, AfterValidator(_near)] = None
    status: Annotated[None, BeforeValidator(_fresh)] = None


class CompleteForm(TaskForm):
    """`merchant_id` spares the search for whose task it is; `claim_token` proves the claim."""

    success: Flag
    recovered_cents: Annotated[int | None, BeforeValidator(_cents)] = None
    claim_token: Name | None = None
    merchant_id: Name | None = None
