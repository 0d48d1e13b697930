"""What a reader of a model's words finds: what it leaves out, what it cannot take."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

FIELD_LENGTH = 64

_UNSAFE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")
# Ours to say, whatever a model says: leaving them out is no change.
_OURS = frozenset({"id", "merchantId", "status", "strategyMeta", "createdAt", "updatedAt"})
# Parts of names that speak of who gets something, how much, how often or when.
_TELLING = re.compile(
    "user|customer|member|guest|people|audience|segment|target|tag|recipient|group|store|shop|"
    "only|include|exclude|filter|when|where|unless|amount|value|limit|max|min|cap|cost|spend|"
    "grant|gift|bonus|silver|principal|voucher|discount|rate|action|condition|repeat|frequency|"
    "count|quantity|qty|multipl|budget|percent|event|trigger|schedule|start|until|ttl|day|time|"
    "hour|fragment|reward|priority"
)


@dataclass(slots=True)
class Found:
    """What became of the parts that were left out; `faults` are reasons to block."""

    dropped: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def unknown(self, said: Mapping[str, Any], known: frozenset[str], path: str = "") -> None:
        for key in said:
            if key not in known:
                self._leave_out(clean_text(key, FIELD_LENGTH), path)

    def _leave_out(self, key: str, path: str) -> None:
        where = f"{path}.{key}" if path else key
        if key not in _OURS and _TELLING.search(key.lower()):
            self.faults.append(f"unsupported field: {where}")
        else:
            self.dropped.append(where)

    def drop(self, path: str) -> None:
        self.dropped.append(path)

    def fault(self, reason: str) -> None:
        if reason not in self.faults:
            self.faults.append(reason)


def clean_text(value: Any, most: int) -> str:
    """One line without characters that no database or page takes; empty for what is no text."""
    if not isinstance(value, str):
        return ""
    return " ".join(_UNSAFE.sub(" ", value).split())[:most]


def as_number(value: Any) -> Decimal | None:
    """A finite number; None for all else, Booleans and text included."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        found = Decimal(str(value))
    except (InvalidOperation, ValueError):  # an int of more digits than Python prints
        return None
    return found if found.is_finite() else None
