"""CSV that spreadsheets open as it was meant: in UTF-8, and with no cell run as a formula."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

BYTE_ORDER_MARK = "\ufeff"  # without it Excel reads UTF-8 as the machine's own code page
# What a spreadsheet takes for the beginning of a formula, also typed full-width, and the blanks
# it skips before looking.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_BLANKS = "\t\r\n \u00a0\u3000\ufeff"


def cell(value: Any) -> str:
    """A value as one cell. Text that a spreadsheet would run gets a quote in front."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | Decimal):
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return _harmless(str(value))


def local(moment: datetime, zone: ZoneInfo) -> str:
    """A time as the zone's clock showed it, in the one form every spreadsheet reads."""
    there = moment.astimezone(zone)
    return there.strftime("%Y-%m-%d %H:%M:%S.") + f"{there.microsecond // 1000:03d}"


def lines(header: Sequence[str], batches: Iterable[Iterable[Sequence[Any]]]) -> Iterator[bytes]:
    """The file piece by piece, one piece for each batch of rows."""
    yield BYTE_ORDER_MARK.encode() + _text([header])
    for rows in batches:
        yield _text(rows)


def _text(rows: Iterable[Sequence[Any]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([cell(value) for value in row] for row in rows)
    return buffer.getvalue().encode()


def _harmless(text: str) -> str:
    begins = text.lstrip(_BLANKS)
    return (
        f"'{text}" if begins.startswith(_FORMULA) or text.startswith(("\t", "\r", "\n")) else text
    )
