"""Stripe's bracketed forms: `items[0][price]=p` becomes nested dicts and lists."""

import re
from typing import Any
from urllib.parse import parse_qsl

from mealquest.engines.stripe_sandbox.errors import bad, lacking

Json = dict[str, Any]
_PART = re.compile(r"\[([^\]]*)\]")


def parse(encoded: str) -> Json:
    """A form or query string; values stay text."""
    root: Json = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        first, _, rest = name.partition("[")
        _put(root, [first, *(_PART.findall("[" + rest) if rest else [])], value)
    return {name: _listed(value) for name, value in root.items()}


def _put(place: Json, path: list[str], value: str) -> None:
    for part in path[:-1]:
        inner = place.setdefault(part or str(len(place)), {})
        if not isinstance(inner, dict):
            raise bad("Invalid request: a parameter is given both as a value and as a hash.")
        place = inner
    place[path[-1] or str(len(place))] = value


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(item) for name, item in value.items()}
    return list(inner.values()) if inner and all(name.isdigit() for name in inner) else inner


def text(form: Json, name: str, default: str | None = None) -> str:
    """A parameter that must be there unless it has a default."""
    value = form.get(name, default)
    if value is None or value == "":
        if default is None:
            raise lacking(name)
        return default
    if not isinstance(value, str):
        raise bad(f"Invalid string: {name}", param=name)
    return value


def optional(form: Json, name: str) -> str | None:
    value = form.get(name)
    return value if isinstance(value, str) and value else None


def number(form: Json, name: str, default: int | None = None) -> int:
    said = text(form, name, None if default is None else str(default))
    if not re.fullmatch(r"-?\d{1,15}", said):
        raise bad(f"Invalid integer: {said}", param=name, code="parameter_invalid_integer")
    return int(said)


def flag(form: Json, name: str, default: bool = False) -> bool:
    said = text(form, name, "true" if default else "false")
    if said not in {"true", "false"}:
        raise bad(f"Invalid boolean: {said}", param=name)
    return said == "true"


def inner(form: Json, name: str) -> Json:
    found = form.get(name)
    return found if isinstance(found, dict) else {}


def many(form: Json, name: str) -> list[Any]:
    found = form.get(name)
    return found if isinstance(found, list) else []
