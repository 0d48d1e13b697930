"""What is written down of moves, at home: by a driver, on its own connection."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from psycopg import errors
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from mealquest.core.clock import iso_millis
from mealquest.core.ids import new_id
from mealquest.tenancy.moves.domain import (
    FINAL,
    Difference,
    Move,
    MoveState,
    Phase,
    Report,
    Summary,
    require_next,
)
from mealquest.tenancy.moves.errors import DriverBusy
from mealquest.tenancy.moves.logins import Connection

_COLUMNS = (
    "id, merchant_id, state, step, source, target, error, figures, report, started_by,"
    " started_at, updated_at, moved_at, ended_at"
)


def live(home: Connection, merchant_id: str) -> Move | None:
    """The move of the merchant that is not ended."""
    return _one(home, "merchant_id = %s AND ended_at IS NULL", merchant_id)


def again(home: Connection, move: Move) -> Move:
    found = _one(home, "id = %s", move.id)
    if found is None:
        raise LookupError(f"move {move.id} is gone")
    return found


def begin(home: Connection, merchant_id: str, source: str, target: str, by: str) -> Move:
    """DriverBusy: another move of this merchant was begun at this moment."""
    values = [new_id("move"), merchant_id, MoveState.PREPARING.value, source, target, by]
    try:
        home.execute(
            "INSERT INTO tenant_moves (id, merchant_id, state, source, target, started_by)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            values,
        )
    except errors.UniqueViolation as taken:
        raise DriverBusy from taken
    found = live(home, merchant_id)
    if found is None:
        raise LookupError(f"the move of {merchant_id} is gone")
    return found


def advance(home: Connection, move: Move, state: MoveState) -> None:
    """The next state, and what is told of it begins anew. IllegalMove: there is no such way.

    DriverBusy: the move is not where this driver left it.
    """
    require_next(move.state, state)
    changed = home.execute(
        "UPDATE tenant_moves SET state = %s, step = '', updated_at = now(), due_at = now(),"
        " error = CASE WHEN %s THEN error END,"
        " moved_at = CASE WHEN %s THEN now() ELSE moved_at END,"
        " ended_at = CASE WHEN %s THEN now() END"
        " WHERE id = %s AND state = %s",
        [
            state.value,
            state in {MoveState.UNDOING, MoveState.FAILED},
            state is MoveState.MOVED and move.state is MoveState.CUTTING,
            state in FINAL,
            move.id,
            move.state.value,
        ],
    )
    if changed.rowcount != 1:
        raise DriverBusy


def tell(home: Connection, move: Move, **values: Any) -> None:
    """Add to the figures, or set `step`, `error`, `report`, and `due_in` seconds."""
    named = {name: values.pop(name) for name in ("step", "error") if name in values}
    sets = [f"{name} = %s" for name in named]
    parameters: list[Any] = list(named.values())
    report = values.pop("report", None)
    if report is not None:
        sets.append("report = %s")
        parameters.append(Jsonb(stored_report(report)))
    if "due_in" in values:
        sets.append("due_at = now() + make_interval(secs => %s)")
        parameters.append(values.pop("due_in"))
    sets.append("figures = figures || %s")
    parameters.append(Jsonb(values))
    sets.append("updated_at = now()")
    home.execute(
        f"UPDATE tenant_moves SET {', '.join(sets)} WHERE id = %s",  # noqa: S608 - names of ours
        [*parameters, move.id],
    )


def set_migration(home: Connection, merchant_id: str, phase: Phase, step: str, note: str) -> None:
    home.execute(
        "INSERT INTO merchant_migrations (merchant_id, phase, step, note) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (merchant_id) DO UPDATE SET phase = excluded.phase, step = excluded.step,"
        " note = excluded.note, updated_at = now()",
        [merchant_id, phase.value, step, note],
    )


def every_live(home: Connection) -> Iterator[Move]:
    with home.cursor(row_factory=dict_row) as cursor:
        cursor.execute(f"SELECT {_COLUMNS} FROM tenant_moves WHERE ended_at IS NULL")  # noqa: S608
        yield from map(_move, cursor.fetchall())


def stored_report(report: Report) -> dict[str, Any]:
    return asdict(report) | {"taken_at": iso_millis(report.taken_at), "holds": report.holds}


def report_from(stored: dict[str, Any]) -> Report:
    """As `stored_report` wrote it."""
    differences = tuple(
        Difference(**one | {"keys": tuple(one["keys"])}) for one in stored["differences"]
    )
    return Report(
        rows=stored["rows"],
        differences=differences,
        source=Summary(**stored["source"]),
        target=Summary(**stored["target"]),
        pause_ms=stored["pause_ms"],
        seconds=stored["seconds"],
        taken_at=datetime.fromisoformat(stored["taken_at"]),
    )


def _one(home: Connection, condition: str, value: str) -> Move | None:
    with home.cursor(row_factory=dict_row) as cursor:
        cursor.execute(f"SELECT {_COLUMNS} FROM tenant_moves WHERE {condition}", [value])  # noqa: S608
        row = cursor.fetchone()
    return None if row is None else _move(row)


def _move(row: dict[str, Any]) -> Move:
    return Move(**row | {"state": MoveState(row["state"])})
