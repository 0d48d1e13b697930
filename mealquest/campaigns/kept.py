"""What of an event's context is kept: enough to explain a decision, and nothing about a person."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from mealquest.campaigns.models import CampaignRow
from mealquest.core.wire import number

TEXT_LENGTH = 64
MOST_ITEMS = 20
MOST_DIGITS = 15
# Phones, mail addresses and control characters have no place in it.
_NOT_KEPT = re.compile(r"\+?\d{7,}|[^\s@]+@[^\s@]+|[\x00-\x1f\x7f]")
_NOTHING = object()


def kept_context(
    context: Mapping[str, Any], campaigns: Iterable[CampaignRow], *, whole: bool
) -> dict[str, Any]:
    """The fields that a listening campaign asks about, or, of our own events, all of them."""
    asked = {condition["field"] for row in campaigns for condition in row.conditions}
    found = {name: _kept(value) for name, value in context.items() if name in asked or whole}
    return {name: value for name, value in found.items() if value is not _NOTHING}


def _kept(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float | Decimal):
        exact = Decimal(str(value))
        small = exact.is_finite() and abs(exact.adjusted()) <= MOST_DIGITS
        return number(exact) if small else _NOTHING
    if isinstance(value, str):
        clean = _NOT_KEPT.sub("…", value)[:TEXT_LENGTH]
        return clean.encode(errors="ignore").decode()
    if isinstance(value, list):
        items = [_kept(item) for item in value[:MOST_ITEMS] if not isinstance(item, list | dict)]
        return [item for item in items if item is not _NOTHING]
    return _NOTHING
