"""Limits, cursors and days of lists."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mealquest.core.errors import Invalid
from mealquest.core.paging import (
    FIRST_DAY,
    LAST_DAY,
    Keyset,
    ListForm,
    Span,
    batches,
    cut,
    page_size,
    span_of_days,
)

SECOND_DAY = datetime(1, 1, 2, tzinfo=UTC)
LAST_BUT_ONE = datetime(9999, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "taken"),
    [(7, 7), ("7", 7), (100, 100), (1000, 100), (0, 20), (-1, 20), ("x", 20), (None, 20), ([], 20)],
)
def test_a_page_has_a_size_whatever_was_sent(sent, taken):
    assert page_size(sent) == taken
    assert ListForm.model_validate({"limit": sent}).limit == taken


@given(
    moment=st.datetimes(
        min_value=SECOND_DAY.replace(tzinfo=None),
        max_value=LAST_BUT_ONE.replace(tzinfo=None),
        timezones=st.just(UTC),
    ),
    row_id=st.text(st.characters(categories=("L", "N", "P")), max_size=40),
)
def test_a_cursor_names_the_place_it_was_made_of(moment, row_id):
    place = Keyset(moment, row_id)
    assert Keyset.decode(place.encode()) == place


@pytest.mark.parametrize(
    "moment",
    [datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), SECOND_DAY.replace(tzinfo=None)],
)
def test_a_cursor_out_of_the_calendar_or_without_a_zone_is_refused(moment):
    with pytest.raises(Invalid, match="cursor"):
        Keyset.decode(Keyset(moment, "x").encode())


def test_one_row_too_many_says_that_there_are_more():
    assert cut([1, 2, 3], 2, str) == ([1, 2], "2")
    assert cut([1, 2], 2, str) == ([1, 2], None)
    assert cut([], 2, str) == ([], None)


def test_batches_are_read_only_when_they_are_wanted():
    pages = {None: ([1, 2], "b"), "b": ([3], None)}
    asked = []

    def read(cursor):
        asked.append(cursor)
        return pages[cursor]

    every = batches(read)
    assert next(every) == [1, 2]
    assert asked == [None]
    assert list(every) == [[3]]


def test_days_are_the_zones_and_both_ends_belong_to_them():
    berlin = ZoneInfo("Europe/Berlin")
    span = span_of_days(date(2026, 3, 29), date(2026, 3, 29), berlin)  # an hour is missing
    assert span.since
    assert span.until
    assert span.since.astimezone(UTC) == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert span.until.astimezone(UTC) - span.since.astimezone(UTC) == timedelta(hours=23)
    assert span_of_days(None, None, berlin) == Span(None, None)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_ends_of_the_calendar_are_days_in_every_zone(zone):
    span = span_of_days(FIRST_DAY, LAST_DAY, ZoneInfo(zone))
    assert span.since
    assert span.until
    assert span.since.astimezone(UTC) < span.until.astimezone(UTC)
