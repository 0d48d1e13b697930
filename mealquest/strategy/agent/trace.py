"""No figure without a source: what a proposal says in numbers must come from somewhere.

A number in its words is the owner's own, one the campaign itself sets, or listed in `figures` with
the fact it came from, and that fact says so. Numbers are read in digits of any script; numbers
spelled in words are not seen here.
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from mealquest.strategy.agent.domain import Json

WORDS = ("title", "rationale")
ROUNDING = Decimal("0.005")  # relative: a figure may be told rounded to about three digits

_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")  # also beside letters, and of any script


@dataclass(frozen=True, slots=True)
class Traced:
    """`figures`: what was listed and found in its fact. `refused`: why the rest cannot stand."""

    figures: tuple[Json, ...]
    refused: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        return not self.refused


def trace(
    proposal: Json, facts: Sequence[Json], *, said: str = "", template: Json | None = None
) -> Traced:
    """Check a proposal's figures against the facts that were sent.

    Args:
        facts: as sent to the model (`Fact.as_sent`).
        said: the owner's own message: its numbers may be repeated.
        template: the template or branch drafted from: its numbers may be named.
    """
    figures, refused = _listed(proposal.get("figures"), facts)
    known = [_decimal(figure["value"]) for figure in figures]
    free = set(_in_text(said)) | set(_in_values(proposal.get("campaignPatch")))
    free |= set(_in_values(template))
    for word in WORDS:
        for text, value in _numbers(proposal.get(word)):
            if value not in free and not any(_same(value, other) for other in known if other):
                refused.append(f"{word}: {text} comes from no fact")
    return Traced(tuple(figures), tuple(refused))


def _listed(listed: Any, facts: Sequence[Json]) -> tuple[list[Json], list[str]]:
    values = {
        (fact.get("id"), key): _decimal(value)
        for fact in facts
        for key, value in (fact.get("figures") or {}).items()
    }
    good: list[Json] = []
    refused: list[str] = []
    for item in listed if isinstance(listed, list) else []:
        if not isinstance(item, dict):
            refused.append("figures: an entry is no object")
            continue
        fact, key, value = item.get("factId"), item.get("key"), _decimal(item.get("value"))
        where = (fact, key) if isinstance(fact, str) and isinstance(key, str) else None
        true = values.get(where) if where else None
        if value is None or true is None:
            refused.append(f"figures: {fact}.{key} is in no fact that was sent")
        elif not _same(value, true):
            refused.append(f"figures: {fact}.{key} is {true}, not {value}")
        else:
            good.append({"value": item["value"], "factId": fact, "key": key})
    return good, refused


def _same(told: Decimal, true: Decimal) -> bool:
    """Equal, but for rounding; a share may be told in per cent."""
    return any(abs(told - value) <= abs(value) * ROUNDING for value in (true, true * 100))


def _numbers(text: Any) -> Iterable[tuple[str, Decimal]]:
    if not isinstance(text, str):
        return
    for found in _NUMBER.finditer(unicodedata.normalize("NFKC", text)):
        yield found.group(), Decimal(found.group().replace(",", ""))


def _in_text(text: Any) -> Iterable[Decimal]:
    return (value for _, value in _numbers(text))


def _in_values(value: Any) -> Iterable[Decimal]:
    """Every number inside a JSON value, those of its texts as well."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _in_values(item)
    elif isinstance(value, list):
        for item in value:
            yield from _in_values(item)
    elif isinstance(value, str):
        yield from _in_text(value)
    else:
        plain = _decimal(value)
        if plain is not None:
            yield plain


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    try:
        found = Decimal(str(value))
    except (InvalidOperation, ValueError):  # a whole number of thousands of digits
        return None
    return found if found.is_finite() else None
