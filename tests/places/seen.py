"""What statements each database gets."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from mealquest.core.db import databases


@contextmanager
def statements() -> Iterator[dict[str, list[str]]]:
    """By the name of the database."""
    found: dict[str, list[str]] = {}
    notes = []
    for place in databases().all():
        note = _noting(found.setdefault(place.name, []))
        event.listen(place.engine, "before_cursor_execute", note)
        notes.append((place.engine, note))
    try:
        yield found
    finally:
        for engine, note in notes:
            event.remove(engine, "before_cursor_execute", note)


def _noting(lines: list[str]) -> Any:
    def note(_connection, _cursor, statement, _values, _context, _many) -> None:
        lines.append(" ".join(statement.split()))

    return note
