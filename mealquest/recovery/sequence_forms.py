"""What the sequence of reminders, and a merchant's own words for them, take in."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
)

from mealquest.core.wire import Flag, Input, Str, refuse, wire_name
from mealquest.recovery.own_words import ATTEMPTS, BODY_LENGTH

DAY_S = 86_400
LONGEST_DELAY_S = 30 * DAY_S
LONGEST_GAP_H = 24 * 30


def _whole(low: int, high: int) -> BeforeValidator:
    """A whole number between two; a form's text counts as one."""

    def checked(value: Any, info: ValidationInfo) -> int:
        name = wire_name(info)
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdecimal():
            value = int(value.strip()[:12])
        if isinstance(value, Decimal) and value == value.to_integral_value():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise refuse(f"{name} must be a whole number")
        if not low <= value <= high:
            raise refuse(f"{name} must be between {low} and {high}")
        return value

    return BeforeValidator(checked)


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _days(value: Any, info: ValidationInfo) -> int:
    """Days with decimals, as seconds."""
    number = str(value).strip().replace(",", ".")
    if isinstance(value, bool) or not number.replace(".", "", 1).isdecimal() or len(number) > 12:
        raise refuse(f"{wire_name(info)} must be a number of days")
    seconds = int(Decimal(number) * DAY_S)
    if seconds > LONGEST_DELAY_S:
        raise refuse(f"{wire_name(info)} must be at most 30 days")
    return seconds


def _attempt(value: Any) -> int:
    if isinstance(value, str) and value.strip() in {"1", "2", "3"}:
        value = int(value)
    if isinstance(value, Decimal) and value in ATTEMPTS:
        value = int(value)
    if isinstance(value, bool) or value not in ATTEMPTS or not isinstance(value, int):
        raise refuse("retryAttempt must be 1, 2 or 3")
    return value


Hour = Annotated[Annotated[int, _whole(0, 23)] | None, BeforeValidator(_blank_is_none)]
Days = Annotated[int, BeforeValidator(_days)]
Attempt = Annotated[int, BeforeValidator(_attempt)]
Gap = Annotated[int, _whole(24, LONGEST_GAP_H)]
MostMails = Annotated[int, _whole(1, 4)]
Percent = Annotated[int, _whole(0, 20)]


class StepForm(Input):
    model_config = ConfigDict(extra="forbid")

    attempt: Attempt
    delay_s: Annotated[int, _whole(0, LONGEST_DELAY_S)]
    is_enabled: Flag = True


def _complete(steps: list[StepForm]) -> list[StepForm]:
    if sorted(one.attempt for one in steps) != list(range(1, len(steps) + 1)):
        raise refuse("steps must name the attempts from 1 on, each once")
    return sorted(steps, key=lambda one: one.attempt)


_IN_ORDER = AfterValidator(_complete)


class SequenceForm(Input):
    """Any of the settings; what is left out stays. A field that is none is refused."""

    model_config = ConfigDict(extra="forbid")

    merchant_id: Any = None  # the token's counts
    steps: Annotated[list[StepForm], Field(min_length=1, max_length=3), _IN_ORDER] | None = None
    quiet_from: Hour = None
    quiet_until: Hour = None
    gap_hours: Gap = 24
    most_mails: MostMails = 4
    holdout_percent: Percent = 0
    is_paused: Flag = False

    def changes(self) -> dict[str, Any]:
        """Only what was sent, by column."""
        sent = self.model_fields_set - {"merchant_id"}
        values = {name: getattr(self, name) for name in sent}
        if self.steps is None:
            values.pop("steps", None)
        else:
            values["steps"] = [one.model_dump(by_alias=True) for one in self.steps]
        return values


class SequencePageForm(Input):
    """The page's form: a box that is not ticked is not sent, so all of it counts."""

    days1: Days
    days2: Days
    days3: Days
    on1: Flag = False
    on2: Flag = False
    on3: Flag = False
    quiet_from: Hour = None
    quiet_until: Hour = None
    gap_hours: Gap
    most_mails: MostMails
    holdout_percent: Percent
    is_paused: Flag = False

    def changes(self) -> dict[str, Any]:
        given = ((self.days1, self.on1), (self.days2, self.on2), (self.days3, self.on3))
        steps = [
            {"attempt": number, "delayS": delay_s, "isEnabled": is_on}
            for number, (delay_s, is_on) in enumerate(given, start=1)
        ]
        names = ("quiet_from", "quiet_until", "gap_hours", "most_mails", "holdout_percent")
        own = {name: getattr(self, name) for name in (*names, "is_paused")}
        return {"steps": steps, **own}


class WordsForm(Input):
    """A merchant's own words for an attempt. A longer subject is cut."""

    retry_attempt: Attempt
    subject: Annotated[Str, Field(max_length=2_000)] = ""
    body: Annotated[Str, Field(max_length=BODY_LENGTH)] = ""


class AttemptForm(Input):
    retry_attempt: Attempt


class AttemptPathForm(Input):
    """The attempt as it stands in an address."""

    retry_attempt: Annotated[Attempt, WithJsonSchema({"type": "string", "enum": ["1", "2", "3"]})]
