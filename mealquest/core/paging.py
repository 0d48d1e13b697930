"""Lists: how many rows a page has, where the next one begins, and which days it covers.

A list is read along an index whose last columns are a time and an id. A cursor names the last
row shown, so a page costs the same however far down the list it is, and rows that arrive
meanwhile neither shift nor repeat what was seen.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from mealquest.core.errors import Invalid
from mealquest.core.wire import Input, Str

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
EXPORT_BATCH = 1000  # rows that an export reads at a time
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9998, 12, 31)

Row = TypeVar("Row")


class Order(StrEnum):
    NEWEST = "newest"
    OLDEST = "oldest"


def page_size(value: Any) -> int:
    """As everywhere on the wire: what is no positive number is the default, and 100 the most."""
    try:
        limit = int(value)
    except (TypeError, ValueError, OverflowError):
        return DEFAULT_LIMIT
    return min(limit, MAX_LIMIT) if limit > 0 else DEFAULT_LIMIT


def _or_none(value: str) -> str | None:
    return value or None


def _blank_is_none(value: Any) -> Any:
    return None if value == "" else value


def _sensible(day: date | None) -> date | None:
    """Far from the ends of the calendar, where a time zone would lead out of it."""
    return day and min(max(day, FIRST_DAY), LAST_DAY)


def _in_utc(moment: datetime | None) -> datetime | None:
    """UTC where it names no zone; kept from the ends of the calendar, as days are."""
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(aware, _EARLIEST), _LATEST).astimezone(UTC)


_EARLIEST, _LATEST = (datetime.combine(day, time.min, UTC) for day in (FIRST_DAY, LAST_DAY))
PageSize = Annotated[int, BeforeValidator(page_size)]
OptionalText = Annotated[Str, Field(max_length=300), AfterValidator(_or_none)] | None
OptionalDay = Annotated[date | None, BeforeValidator(_blank_is_none), AfterValidator(_sensible)]
OptionalMoment = Annotated[
    datetime | None, BeforeValidator(_blank_is_none), AfterValidator(_in_utc)
]
OptionalOrder = Annotated[Order, BeforeValidator(lambda value: value or Order.NEWEST)]


class ListForm(Input):
    """What every list takes; a list adds its filters."""

    limit: PageSize = DEFAULT_LIMIT
    cursor: OptionalText = None


@dataclass(frozen=True, slots=True)
class Keyset:
    """A row's place in a list that is ordered by time and id."""

    moment: datetime
    id: str

    @classmethod
    def decode(cls, cursor: str) -> Self:
        """Invalid: no list gave out this cursor."""
        refusal = Invalid("cursor is not valid", code="CURSOR_INVALID")
        try:
            moment, _, row_id = base64.urlsafe_b64decode(cursor).decode().partition("|")
            place = cls(datetime.fromisoformat(moment), row_id)
            if place.moment.tzinfo is None or not row_id.isprintable():
                raise refusal
            return cls(place.moment.astimezone(UTC), row_id)
        except (binascii.Error, ValueError, OverflowError):
            raise refusal from None

    def encode(self) -> str:
        return base64.urlsafe_b64encode(f"{self.moment.isoformat()}|{self.id}".encode()).decode()


def cut(
    rows: Sequence[Row], limit: int, cursor_of: Callable[[Row], str]
) -> tuple[Sequence[Row], str | None]:
    """A page out of rows of which one more than `limit` was asked for, and the next cursor."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], cursor_of(rows[limit - 1])


def batches(
    read: Callable[[str | None], tuple[Sequence[Row], str | None]],
) -> Iterator[Sequence[Row]]:
    """Every page of a list, each read when it is wanted, so that a whole list needs no memory."""
    cursor: str | None = None
    while True:
        rows, cursor = read(cursor)
        yield rows
        if cursor is None:
            return


@dataclass(frozen=True, slots=True)
class Span:
    """Times from `since` on and before `until`; None leaves that end open."""

    since: datetime | None = None
    until: datetime | None = None

    def within(self, since: datetime | None, until: datetime | None) -> Span:
        """What of it lies also from `since` on and before `until`."""
        later = [moment for moment in (self.since, since) if moment]
        sooner = [moment for moment in (self.until, until) if moment]
        return Span(max(later, default=None), min(sooner, default=None))


def span_of_days(first: date | None, last: date | None, zone: ZoneInfo) -> Span:
    """From the beginning of one day to the end of another, both as the zone counts days."""
    return Span(
        since=_midnight(first, zone) if first else None,
        until=_midnight(last + timedelta(days=1), zone) if last else None,
    )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone)
