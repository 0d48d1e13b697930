"""Watch, or break, the statements that reach the database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event

from mealquest.core.db import db


@dataclass
class Seen:
    statements: list[str] = field(default_factory=list)
    compiled_anew: list[str] = field(default_factory=list)  # SQLAlchemy's cache had no plan for it


@contextmanager
def watching(on_statement: Callable[[str], None] = lambda _: None) -> Iterator[Seen]:
    """Collect every statement; `on_statement` gets each before it is sent and may raise."""
    seen = Seen()

    def before(
        _conn: Any, _cursor: Any, statement: str, _values: Any, context: Any, _: Any
    ) -> None:
        text = " ".join(statement.split())
        seen.statements.append(text)
        if context.cache_hit.name not in {"CACHE_HIT", "NO_DIALECT_SUPPORT"}:
            seen.compiled_anew.append(text)
        on_statement(text)

    event.listen(db.engine, "before_cursor_execute", before)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", before)
