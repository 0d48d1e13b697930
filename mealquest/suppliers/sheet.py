"""A list of orders as spreadsheets write it: UTF-8 or GB18030, commas, semicolons or tabs."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from mealquest.core.errors import FieldError, Invalid
from mealquest.suppliers.forms import ImportRow

MOST_ROWS = 5000
MOST_ERRORS = 50  # told at once
# What a column may be called, without blanks, marks and capitals.
_COLUMNS = {
    "partnerid": "partner_id",
    "partner": "partner_id",
    "合作方": "partner_id",
    "orderid": "order_id",
    "order": "order_id",
    "ordernumber": "order_id",
    "订单号": "order_id",
    "amount": "amount",
    "金额": "amount",
    "订单金额": "amount",
    "status": "status",
    "state": "status",
    "状态": "status",
    "paidat": "paid_at",
    "付款时间": "paid_at",
    "delivered": "delivered",
    "deliveredamount": "delivered",
    "送货金额": "delivered",
    "invoiced": "invoiced",
    "invoicedamount": "invoiced",
    "发票金额": "invoiced",
}
_BETWEEN = re.compile(r"[\W_]+")
_LOCAL_TIME = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Line:
    """A row that is well-formed, with its number in the file: the header is row 1."""

    row: int
    order: ImportRow


def error_at(row: int, column: str, message: str) -> FieldError:
    return FieldError(f"rows.{row}.{column}", message)


def refused(errors: list[FieldError]) -> Invalid:
    return Invalid(
        "the file has rows that cannot be taken",
        code="IMPORT_REFUSED",
        fields=tuple(errors[:MOST_ERRORS]),
        wrongRows=len({error.field.split(".")[1] for error in errors}),
    )


def read(data: bytes, partner_id: str | None, zone: ZoneInfo) -> list[Line]:
    """The rows of a file. `partner_id`: of rows that name none; `zone`: of times without one.

    Invalid: no text, no header, a column missing, too many rows, or what is wrong in which row.
    """
    rows = _rows(_text(data))
    columns = _columns(next(rows, (0, []))[1], needs_partner=partner_id is None)
    lines: list[Line] = []
    errors: list[FieldError] = []
    for number, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        if len(lines) + len(errors) >= MOST_ROWS:
            raise Invalid("the file has too many rows", code="IMPORT_TOO_LONG")
        values = {name: cells[i].strip() if i < len(cells) else "" for name, i in columns.items()}
        values["partner_id"] = values.get("partner_id") or partner_id or ""
        values["paid_at"] = _moment(values.get("paid_at", ""), zone)
        try:
            lines.append(Line(number, ImportRow.model_validate(values)))
        except ValidationError as wrong:
            errors += [_error(number, error) for error in wrong.errors(include_url=False)]
    if errors:
        raise refused(errors)
    if not lines:
        raise Invalid("the file has no rows", code="IMPORT_EMPTY")
    return lines


def _text(data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise Invalid("the file must be text in UTF-8 or GB18030", code="IMPORT_NO_TEXT")


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with their numbers; of a cell in several lines, the number of its row."""
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from enumerate(reader, start=1)
    except csv.Error:
        raise Invalid("the file is no proper CSV", code="IMPORT_NO_CSV") from None


def _columns(header: list[str], *, needs_partner: bool) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, title in enumerate(header):
        name = _COLUMNS.get(_BETWEEN.sub("", title).lower())
        if name in found:
            raise Invalid("the header names a column twice", code="IMPORT_HEADER")
        if name:
            found[name] = place
    needed = {"order_id", "amount"} | ({"partner_id"} if needs_partner else set())
    if missing := sorted(map(to_camel, needed - found.keys())):
        raise Invalid("the header lacks a column", code="IMPORT_HEADER", missing=missing)
    return found


def _moment(text: str, zone: ZoneInfo) -> Any:
    """A time as a spreadsheet shows it, which is the shop's own; else what may be ISO 8601."""
    parts = _LOCAL_TIME.fullmatch(text)
    if parts is None:
        return text
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in parts.groups())
        return datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return text


def _error(row: int, error: Any) -> FieldError:
    name = to_camel(str(error["loc"][0]))
    if error["type"] == "refused":
        return error_at(row, name, error["msg"])
    words = "is not one of the allowed values" if error["type"] == "enum" else "is not valid"
    return error_at(row, name, f"{name} {words}")
