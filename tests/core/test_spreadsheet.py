"""CSV files that a spreadsheet opens as they were meant."""

import csv
import io
import tracemalloc
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mealquest.core.money import Currency
from mealquest.core.spreadsheet import cell, lines, local

RUN = "=+-@\uff1d\uff0b\uff0d\uff20"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        (True, "TRUE"),
        (-5, "-5"),
        (Decimal("-13.08"), "-13.08"),
        (Decimal("1E+3"), "1000"),
        (date(2026, 3, 1), "2026-03-01"),
        (Currency.CNY, "CNY"),
        ("Li Lei", "Li Lei"),
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("\n=1", "'\n=1"),
        ("\ufeff=1", "'\ufeff=1"),
        ("a=1", "a=1"),
    ],
)
def test_a_cell_holds_its_value_and_no_formula(value, written):
    assert cell(value) == written


@given(st.text(max_size=20))
def test_no_text_begins_as_a_formula_does(text):
    written = cell(text)
    assert not written.lstrip(" \t\r\n\u00a0\u3000\ufeff").startswith(tuple(RUN))
    assert written.removeprefix("'").endswith(text.removeprefix("'"))


@given(st.lists(st.lists(st.text(max_size=9), min_size=2, max_size=2), max_size=5))
def test_what_is_written_can_be_read_again(rows):
    written = b"".join(lines(["a", "b"], [rows])).decode("utf-8-sig")
    read = list(csv.reader(io.StringIO(written, newline="")))
    assert read == [["a", "b"], *([cell(value) for value in row] for row in rows)]


def test_a_time_is_the_zones_with_its_milliseconds():
    moment = datetime(2026, 3, 1, 16, 30, 5, 7_999, tzinfo=UTC)
    assert local(moment, ZoneInfo("Asia/Shanghai")) == "2026-03-02 00:30:05.007"


def test_a_long_file_needs_no_more_memory_than_a_short_one():
    def peak(batches: int) -> int:
        rows = ([["text", n] for n in range(1000)] for _ in range(batches))
        tracemalloc.start()
        for _ in lines(["a", "b"], rows):
            pass
        _now, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # what is made once
    assert peak(60) < 2 * peak(2)
