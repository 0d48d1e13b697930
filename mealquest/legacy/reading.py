"""Read one object of a snapshot, field by field; what cannot be understood is noted, not raised.

The old server kept amounts as binary floats in major units: they are rounded to the cent, half up,
each by itself. Numbers were parsed as decimals, so nothing is lost before that.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any, TypeVar

from mealquest.core.wire import number
from mealquest.legacy.notes import Notes

CENT = Decimal("0.01")
MOST = Decimal(10) ** 12  # major units; far below what a column holds
LONGEST_ID = 200
FIRST_YEAR = 1971  # before it is what a clock says that was never set
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_DARK = re.compile(r"[\x00\ud800-\udfff]")  # PostgreSQL keeps neither in a text

Choice = TypeVar("Choice", bound=StrEnum)


def plain(value: Any) -> Any:
    """JSON as it can be stored: decimals as numbers, and no text that PostgreSQL refuses."""
    if isinstance(value, Decimal):
        return number(value) if value.is_finite() else None
    if isinstance(value, str):
        return _DARK.sub("\ufffd", value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {plain(str(name)): plain(item) for name, item in value.items()}
    return value


class Reader:
    """One object. `kind` names it in the report, `where` says which one it is."""

    def __init__(self, kind: str, where: str, data: Mapping[str, Any], notes: Notes) -> None:
        self.kind, self.where, self.notes = kind, where, notes
        self._data = data
        self._read: set[str] = set()

    def raw(self, *names: str) -> Any:
        """The first of the names that has a value; None without one."""
        self._read.update(names)
        return next((self._data[n] for n in names if self._data.get(n) is not None), None)

    def end(self) -> None:
        """Note the fields that nobody asked for."""
        for name in self._data.keys() - self._read:
            self.notes.not_read(self.kind, name)

    def names(self) -> list[str]:
        return list(self._data)

    def problem(self, name: str, what: str) -> None:
        self.notes.problem(f"{self.where}.{name}", what)

    # --- texts ----------------------------------------------------------------------------

    def id(self, *names: str, default: str | None = None) -> str:
        """What names something: text, or a whole number, without control characters."""
        value = self.raw(*names)
        value = default if value is None else value
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value.strip():
            self.problem(names[0], "an id is missing")
            return ""
        if len(value) > LONGEST_ID or _CONTROL.search(value):
            self.problem(names[0], "cannot be an id")
            return ""
        return value

    def id_or_none(self, *names: str) -> str | None:
        return self.id(*names) if self.raw(*names) not in (None, "") else None

    def text(self, *names: str, default: str = "") -> str:
        value = self.raw(*names)
        if value is None:
            return default
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            self.problem(names[0], "must be text")
            return default
        return str(plain(value))

    def choice(self, kind: type[Choice], *names: str, default: Choice | None = None) -> Choice:
        value = self.raw(*names)
        if value is None and default is not None:
            return default
        found = next((one for one in kind if one.value == str(value).strip().upper()), None)
        if found is None:
            known = ", ".join(one.value for one in kind)
            said = "is missing" if value is None else f"{plain(value)!r} is none of {known}"
            self.problem(names[0], said)
            return next(iter(kind))
        return found

    # --- numbers --------------------------------------------------------------------------

    def cents(self, *names: str, default: int | None = None) -> int:
        """An amount in minor units, not below zero; noted when it had to be rounded."""
        value = self.raw(*names)
        if value is None and default is not None:
            return default
        amount = self._decimal(names[0], value)
        if amount is None:
            return 0
        if not 0 <= amount <= MOST:
            self.problem(names[0], f"{number(amount)} is not an amount that can be kept")
            return 0
        rounded = amount.quantize(CENT, rounding=ROUND_HALF_UP)
        if rounded != amount:
            self.notes.change(f"{self.where}.{names[0]}", f"{amount} is kept as {rounded}")
        return int(rounded.scaleb(2))

    def whole(self, *names: str, default: int | None = None) -> int:
        """A whole number; 3.0 is one."""
        value = self.raw(*names)
        if value is None and default is not None:
            return default
        found = self._decimal(names[0], value)
        if found is None:
            return 0
        if found != found.to_integral_value() or abs(found) > MOST:
            self.problem(names[0], f"{number(found)} is not a whole number that can be kept")
            return 0
        return int(found)

    def decimal_or_none(self, *names: str) -> Decimal | None:
        value = self.raw(*names)
        return None if value is None else self._decimal(names[0], value)

    def flag(self, *names: str, default: bool = False) -> bool:
        value = self.raw(*names)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.problem(names[0], "must be true or false")
            return default
        return value

    def _decimal(self, name: str, value: Any) -> Decimal | None:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            self.problem(name, "is missing" if value is None else "must be a number")
            return None
        found = Decimal(value)
        if not found.is_finite():
            self.problem(name, "must be a number")
            return None
        return found

    # --- moments --------------------------------------------------------------------------

    def moment_or_none(self, *names: str) -> datetime | None:
        """ISO-8601, or milliseconds since 1970, as JavaScript writes both."""
        value = self.raw(*names)
        if value is None or value == "":
            return None
        found = _moment(value)
        if found is None:
            self.problem(names[0], f"{plain(value)!r} is no point in time")
        return found

    # --- parts ----------------------------------------------------------------------------

    def part(self, *names: str) -> "Reader | None":
        """An object inside this one; None when it is absent or null."""
        value = self.raw(*names)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.problem(names[0], "must be an object")
            return None
        where = f"{self.where}.{names[0]}"
        return Reader(f"{self.kind}.{names[0]}", where, value, self.notes)

    def object(self, *names: str) -> dict[str, Any]:
        """An object that is kept as it is."""
        value = self.raw(*names)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.problem(names[0], "must be an object")
            return {}
        kept: dict[str, Any] = plain(value)
        return kept

    def listed(self, *names: str) -> list[Any]:
        value = self.raw(*names)
        if value is None:
            return []
        if not isinstance(value, list):
            self.problem(names[0], "must be a list")
            return []
        return value

    def parts(self, *names: str) -> Iterator["Reader"]:
        """The objects of a list inside this one."""
        for index, value in enumerate(self.listed(*names)):
            where = f"{self.where}.{names[0]}[{index}]"
            if isinstance(value, dict):
                yield Reader(f"{self.kind}.{names[0]}", where, value, self.notes)
            else:
                self.notes.problem(where, "must be an object")


def _moment(value: Any) -> datetime | None:
    try:
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return datetime.fromtimestamp(float(value) / 1000, UTC)
        if not isinstance(value, str):
            return None
        found = datetime.fromisoformat(value.strip())
    except (ValueError, OverflowError, OSError):
        return None
    moment = found if found.tzinfo else found.replace(tzinfo=UTC)
    return moment if moment.year >= FIRST_YEAR else None
