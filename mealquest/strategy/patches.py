"""What a model's patch may set of a campaign: a closed list. Nothing else ever gets through.

What is not on the list is dropped and said when leaving it out changes nothing for anybody, and
is a fault when it speaks of who gets what: an offer that is not the one described is none.
"""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from mealquest.core.money import Currency
from mealquest.core.wire import number
from mealquest.strategy.found import FIELD_LENGTH, Found, as_number, clean_text
from mealquest.strategy.gifts import clean_action, known_keys

OPERATORS = frozenset({"eq", "neq", "gte", "lte", "includes"})
PATCH = frozenset(
    {"name", "priority", "trigger", "conditions", "budget", "ttlHours", "ttlUntil", "action"}
)
BUDGET = frozenset({"cap", "used", "costPerHit"})
DEFAULT_PRIORITY = 50
NAME_LENGTH, VALUE_LENGTH = 120, 200
MOST_UNITS = 10**15  # more is no budget; it keeps figures within what a column holds

_EVENT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)


def apply(
    base: Mapping[str, Any], patch: Any, found: Found, *, currency: Currency, now: datetime
) -> dict[str, Any]:
    """The base with what the patch may change: objects merge, lists and values replace.

    `found` is told what was left out. The result holds only what is on the list, of the right
    kind; whether it is wise, `risk` says.
    """
    said = patch if isinstance(patch, dict) else {}
    if patch is not None and not isinstance(patch, dict):
        found.fault("campaignPatch must be an object")
    found.unknown(said, PATCH)
    return {
        "name": clean_text(said.get("name"), NAME_LENGTH) or base["name"],
        "priority": _priority(said.get("priority", base["priority"])),
        "trigger": {"event": _event(base, said.get("trigger"), found)},
        "conditions": _conditions(said.get("conditions", base["conditions"]), found),
        "budget": _budget(base["budget"], said.get("budget"), found),
        "action": _action(base["action"], said, currency, found),
        "ttlHours": _ttl(base, said, now, found),
    }


def _priority(value: Any) -> int:
    found = as_number(value)
    return DEFAULT_PRIORITY if found is None else _floor(found)


def _floor(value: Decimal) -> int:
    limit = Decimal(MOST_UNITS)
    return math.floor(min(max(value, -limit), limit))


def _event(base: Mapping[str, Any], said: Any, found: Found) -> str:
    if said is None:
        return str(base["trigger"]["event"])
    if not isinstance(said, dict):
        found.fault("missing trigger event")
        return ""
    found.unknown(said, frozenset({"event"}), "trigger")
    event = said.get("event", base["trigger"]["event"])
    if not isinstance(event, str) or not event.strip():
        return ""  # the risk rules say so
    if not _EVENT.fullmatch(event.strip()):
        found.fault("invalid trigger event")
        return ""
    return event.strip()


def _conditions(said: Any, found: Found) -> list[dict[str, Any]]:
    """Without its conditions an offer would be everybody's: what is unclear is a fault."""
    if not isinstance(said, list):
        found.fault("conditions must be a list")
        return []
    read = [_condition(one, f"conditions[{at}]", found) for at, one in enumerate(said)]
    return [one for one in read if one is not None]


def _condition(said: Any, path: str, found: Found) -> dict[str, Any] | None:
    if not isinstance(said, dict):
        found.fault(f"invalid condition: {path}")
        return None
    found.unknown(said, frozenset({"field", "op", "value"}), path)
    name, op = said.get("field"), said.get("op")
    if not isinstance(name, str) or not name or clean_text(name, FIELD_LENGTH) != name:
        found.fault(f"invalid condition field: {path}")
        return None
    if not isinstance(op, str) or op not in OPERATORS:
        found.fault(f"unsupported condition operator: {clean_text(op, 20) or path}")
        return None
    if "value" not in said or not _is_comparable(said["value"]):
        found.fault(f"invalid condition value: {path}")
        return None
    return {"field": name, "op": op, "value": _plain(said["value"])}


def _is_comparable(value: Any) -> bool:
    if isinstance(value, str):
        return clean_text(value, VALUE_LENGTH) == value
    if value is None or isinstance(value, bool):
        return True
    figure = as_number(value)
    return figure is not None and abs(figure) <= MOST_UNITS


def _plain(value: Any) -> Any:
    return number(value) if isinstance(value, Decimal) else value


def _budget(base: Mapping[str, Any], said: Any, found: Found) -> dict[str, int]:
    """What was used is ours to count: it begins at nothing."""
    if said is not None and not isinstance(said, dict):
        found.fault("invalid budget cap")
    sent: Mapping[str, Any] = said if isinstance(said, dict) else {}
    found.unknown(sent, BUDGET, "budget")
    if sent.get("used", 0) != 0:
        found.drop("budget.used")
    return {
        "cap": _units(sent.get("cap", base["cap"])),
        "used": 0,
        "costPerHit": _units(sent.get("costPerHit", base["costPerHit"])),
    }


def _units(value: Any) -> int:
    found = as_number(value)
    return 0 if found is None else max(0, _floor(found))


def _action(
    base: Mapping[str, Any], said: Mapping[str, Any], currency: Currency, found: Found
) -> dict[str, Any]:
    if "action" not in said:
        return dict(base)
    mine = said["action"]
    if not isinstance(mine, dict):
        found.fault("unsupported action type")
        return {}
    whole = merged(base, mine)
    kept = known_keys(whole)
    left_over = {key: value for key, value in whole.items() if key in mine or key in kept}
    return clean_action(left_over, "action", currency, found)


def merged(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Objects merge, whatever else replaces."""
    result = dict(base)
    for key, value in patch.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[key] = merged(old or {}, value) if both else value
    return result


def _ttl(
    base: Mapping[str, Any], said: Mapping[str, Any], now: datetime, found: Found
) -> int | float | None:
    """Hours it runs once it is approved; None for no end."""
    if said.get("ttlHours") is not None:
        hours = as_number(said["ttlHours"])
        return _hours(hours, found)
    if said.get("ttlUntil") is not None:
        return _hours(_until(said["ttlUntil"], now), found)
    old = as_number(base.get("ttlHours"))
    return number(old) if old is not None else None


def _hours(hours: Decimal | None, found: Found) -> int | float | None:
    if hours is None or hours <= 0:
        found.fault("invalid ttl")
        return None
    return number(round(min(hours, Decimal(MOST_UNITS)), 4))


def _until(said: Any, now: datetime) -> Decimal | None:
    try:
        moment = datetime.fromisoformat(said)
        return Decimal((moment - now).total_seconds()) / 3600
    except (TypeError, ValueError, OverflowError):
        return None
