"""What an offer gives: the actions a proposal may hold, rebuilt part by part, and their worth."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from mealquest.core.money import Currency
from mealquest.core.wire import number
from mealquest.strategy.found import Found, as_number, clean_text

KEYS: Mapping[str, frozenset[str]] = {
    "STORY_CARD": frozenset({"type", "story"}),
    "GRANT_SILVER": frozenset({"type", "amount"}),
    "GRANT_BONUS": frozenset({"type", "amount", "validDays"}),
    "GRANT_PRINCIPAL": frozenset({"type", "amount"}),
    "GRANT_FRAGMENT": frozenset({"type", "fragmentType", "amount"}),
    "GRANT_VOUCHER": frozenset({"type", "voucher"}),
    "COMPOSITE": frozenset({"type", "actions"}),
}
VOUCHER = frozenset({"type", "name", "value", "minSpend", "discountRate", "validDays"})
VOUCHER_TYPES = frozenset({"ITEM_WARRANT", "NO_THRESHOLD_VOUCHER", "DISCOUNT_CARD"})
STORY = frozenset({"templateId", "narrative", "assets", "triggers"})
MOST_ITEMS, MOST_DAYS, DEEPEST = 10, 365, 3
MOST_AMOUNT = Decimal(10**8)
_NEVER = frozenset({"STORY_CARD"})  # inside COMPOSITE nobody would see it


def known_keys(action: Mapping[str, Any]) -> frozenset[str]:
    kind = action.get("type")
    return KEYS.get(kind, frozenset({"type"})) if isinstance(kind, str) else frozenset({"type"})


def leaves(action: Any) -> Iterator[Mapping[str, Any]]:
    """Every action that gives something, out of however many COMPOSITEs."""
    if not isinstance(action, dict):
        return
    if action.get("type") == "COMPOSITE":
        for part in action.get("actions") or ():
            yield from leaves(part)
    else:
        yield action


def worth(action: Any) -> Decimal:
    """What one hit costs at face value, major units; a discount card and a story have none."""
    return sum((_face(leaf) for leaf in leaves(action)), Decimal(0))


def _face(leaf: Mapping[str, Any]) -> Decimal:
    kind = leaf.get("type")
    if kind == "GRANT_VOUCHER":
        return Decimal(str(leaf["voucher"].get("value", 0)))
    if kind in ("GRANT_SILVER", "GRANT_BONUS", "GRANT_PRINCIPAL"):
        return Decimal(str(leaf.get("amount", 0)))
    return Decimal(0)


def clean_action(
    said: Any, path: str, currency: Currency, found: Found, depth: int = 0
) -> dict[str, Any]:
    """The action rebuilt of what is on the list; empty where it cannot be, which is a fault."""
    kind = said.get("type") if isinstance(said, dict) else None
    if not isinstance(kind, str) or kind not in KEYS:
        found.fault("unsupported action type")
        return {}
    found.unknown(said, KEYS[kind], path)
    if kind == "COMPOSITE":
        return _composite(said, path, currency, found, depth)
    if kind == "STORY_CARD":
        return {"type": kind, "story": _story(said.get("story"), f"{path}.story", found)}
    if kind == "GRANT_VOUCHER":
        voucher = _voucher(said.get("voucher"), f"{path}.voucher", currency, found)
        return {"type": kind, "voucher": voucher}
    if kind == "GRANT_FRAGMENT":
        name = clean_text(said.get("fragmentType", "common"), 40)
        if not name:
            found.fault(f"invalid fragment type: {path}")
        count = _whole(said.get("amount"), f"{path}.amount", found)
        return {"type": kind, "fragmentType": name, "amount": count}
    cleaned = {
        "type": kind,
        "amount": _amount(said.get("amount"), f"{path}.amount", currency, found),
    }
    if kind == "GRANT_BONUS" and said.get("validDays") is not None:
        cleaned["validDays"] = _whole(said["validDays"], f"{path}.validDays", found, MOST_DAYS)
    return cleaned


def _composite(
    said: Mapping[str, Any], path: str, currency: Currency, found: Found, depth: int
) -> dict[str, Any]:
    parts = said.get("actions")
    if not isinstance(parts, list) or not parts or depth >= DEEPEST:
        found.fault(f"invalid actions: {path}")
        return {"type": "COMPOSITE", "actions": []}
    kept = []
    for at, part in enumerate(parts[:100]):
        here = f"{path}.actions[{at}]"
        if isinstance(part, dict) and part.get("type") in _NEVER:
            found.drop(here)
        else:
            kept.append(clean_action(part, here, currency, found, depth + 1))
    if not kept or len(parts) > 100:
        found.fault(f"invalid actions: {path}")
    return {"type": "COMPOSITE", "actions": kept}


def _story(said: Any, path: str, found: Found) -> dict[str, Any]:
    story: Mapping[str, Any] = said if isinstance(said, dict) else {}
    found.unknown(story, STORY, path)
    told = clean_text(story.get("narrative"), 500)
    template = clean_text(story.get("templateId"), 64)
    if not told or not template:
        found.fault(f"invalid story: {path}")
    return {
        "templateId": template,
        "narrative": told,
        "assets": _list(story.get("assets")),
        "triggers": _list(story.get("triggers")),
    }


def _list(said: Any) -> list[str]:
    items = said if isinstance(said, list) else []
    return [words for item in items[:MOST_ITEMS] if (words := clean_text(item, 200))]


def _voucher(said: Any, path: str, currency: Currency, found: Found) -> dict[str, Any]:
    voucher: Mapping[str, Any] = said if isinstance(said, dict) else {}
    found.unknown(voucher, VOUCHER | {"id"}, path)
    kind = voucher.get("type")
    if not isinstance(kind, str) or kind not in VOUCHER_TYPES:
        found.fault("unsupported voucher type")
        return {}
    least = _amount(voucher.get("minSpend", 0), f"{path}.minSpend", currency, found, zero=True)
    is_card = kind == "DISCOUNT_CARD"
    value = voucher.get("value", 0 if is_card else None)
    cleaned: dict[str, Any] = {
        "type": kind,
        "name": clean_text(voucher.get("name"), 60) or kind,
        "value": _amount(value, f"{path}.value", currency, found, zero=is_card),
        "minSpend": least,
    }
    if is_card:
        cleaned["value"] = 0  # it has a rate in place of a value
        cleaned["discountRate"] = _rate(voucher.get("discountRate"), found)
    if voucher.get("validDays") is not None:
        cleaned["validDays"] = _whole(voucher["validDays"], f"{path}.validDays", found, MOST_DAYS)
    return cleaned


def _rate(said: Any, found: Found) -> float | int:
    rate = as_number(said)
    if rate is None or not 0 < rate < 1:
        found.fault("invalid discount rate")
        return 0
    return number(round(rate, 4))


def _amount(
    said: Any, path: str, currency: Currency, found: Found, *, zero: bool = False
) -> int | float:
    figure = as_number(said)
    least = figure is not None and (figure > 0 or (zero and figure == 0))
    if figure is None or not least or figure > MOST_AMOUNT:
        found.fault(f"invalid amount: {path}")
        return 0
    if figure != round(figure, currency.exponent):
        found.fault(f"invalid amount: {path}")
        return 0
    return number(figure)


def _whole(said: Any, path: str, found: Found, most: int = 10**6) -> int:
    figure = as_number(said)
    if figure is None or figure != figure.to_integral_value() or not 0 < figure <= most:
        found.fault(f"invalid number: {path}")
        return 0
    return int(figure)
