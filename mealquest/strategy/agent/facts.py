"""What the model may know of a shop: named figures that features compute, and nothing personal.

A feature registers a source by name; `gather` asks them all for one merchant. A fact's id names
its source and binds its figures, so a trace to it is a trace to exactly these values.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import structlog

from mealquest.core.wire import number
from mealquest.strategy.agent.domain import Json

Figure = int | float | Decimal
FIGURES_MOST = 60  # of one fact
FACTS_MOST = 40
TITLE_MOST = 120

_NAME = re.compile(r"[a-z][a-z0-9_.]{0,59}", re.ASCII)
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_:.-]{0,39}", re.ASCII)
_PERSONAL = re.compile(r"\+?\d{7,}|[^\s@]+@[^\s@]+", re.ASCII)

log = structlog.get_logger(__name__)


class UnfitFact(ValueError):
    """A source made something that is no fact: too long, not a number, or somebody's data."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Figures of one question, in `unit` (a currency's major units, `orders`, `customers`, …).

    Keys are short words such as `h18` or `silver`, never a name or an id of a person.

    Raises:
        UnfitFact: a name, key, title or value that the model must not be sent.
    """

    name: str
    title: str
    figures: Mapping[str, Figure]
    unit: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UnfitFact(f"{self.name!r} does not name a fact")
        if not 0 < len(self.title) <= TITLE_MOST or _PERSONAL.search(self.title):
            raise UnfitFact(f"the title of {self.name} does not fit")
        if not 0 < len(self.figures) <= FIGURES_MOST:
            raise UnfitFact(f"{self.name} has {len(self.figures)} figures")
        for key, value in self.figures.items():
            if not _KEY.fullmatch(key) or _PERSONAL.search(key):
                raise UnfitFact(f"{self.name} has a figure that cannot be called {key!r}")
            if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
                raise UnfitFact(f"{self.name}.{key} is no number")
            if not math.isfinite(value):
                raise UnfitFact(f"{self.name}.{key} is not finite")

    @property
    def id(self) -> str:
        """The name and six characters of a hash over the figures."""
        said = json.dumps([self.unit, self._plain()], sort_keys=True)
        return f"{self.name}#{hashlib.sha256(said.encode()).hexdigest()[:6]}"

    def as_sent(self) -> Json:
        return {"id": self.id, "title": self.title, "unit": self.unit, "figures": self._plain()}

    def _plain(self) -> dict[str, int | float]:
        return {
            key: number(value) if isinstance(value, Decimal) else value
            for key, value in self.figures.items()
        }


Source = Callable[[str], Iterable[Fact]]


class Registry:
    """Sources by name; each takes the merchant's id and opens its own transaction."""

    def __init__(self) -> None:
        self._sources: dict[str, Source] = {}

    def register(self, name: str, source: Source) -> None:
        """Once a name. ValueError: another source has it."""
        if self._sources.get(name, source) is not source:
            raise ValueError(f"{name} is a source of facts already")
        self._sources[name] = source

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._sources)

    def gather(self, merchant_id: str) -> list[Fact]:
        """Every source's facts, at most 40. A source that fails is left out, and logged."""
        found: list[Fact] = []
        for name, source in self._sources.items():
            try:
                found += source(merchant_id)
            except Exception as failure:  # noqa: BLE001 - the owner is answered without this one
                log.error("facts left out", source=name, error=repr(failure))
        return found[:FACTS_MOST]


sources = Registry()
register = sources.register
gather = sources.gather
