"""How the queue stands, over all merchants: for health, metrics and operators.

Counts read the small indexes of what is live or parked, never the finished tasks. A count stops at
`MOST`: more is as good as that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from mealquest.core.db import platform_transaction
from mealquest.core.everywhere import everywhere

MOST = 100_000

_COUNTS = text(
    """
    SELECT (SELECT count(*) FROM (SELECT FROM scheduled_tasks
                                   WHERE status = 'pending' AND is_due LIMIT :most) AS due)
           + (SELECT count(*) FROM (SELECT FROM scheduled_tasks
                                     WHERE status = 'pending' AND NOT is_due LIMIT :most) AS later),
           (SELECT count(*) FROM (SELECT FROM scheduled_tasks
                                   WHERE status = 'running' LIMIT :most) AS running)
    """
)

_PARTS = {
    "due": "status = 'pending' AND is_due",
    "waiting": "status = 'pending' AND NOT is_due",
    "running": "status = 'running'",
    "parked": "status = 'failed'",
}


def _by(column: str) -> Any:
    parts = (_part(state, where, column) for state, where in _PARTS.items())
    return text(" UNION ALL ".join(parts))


def _part(state: str, where: str, column: str) -> str:
    return f"""
    SELECT '{state}' AS state, {column} AS name, count(*) AS count,
           extract(epoch FROM now() - min(run_at))::float AS oldest_s
      FROM (SELECT {column}, run_at FROM scheduled_tasks WHERE {where} LIMIT :most) AS these
     GROUP BY {column}
    """  # noqa: S608 - constants of this module


_BY_TYPE, _BY_MERCHANT = _by("task_type"), _by("merchant_id")

_PARKED = text(
    """
    SELECT merchant_id, id, task_type, invoice_id, attempts, last_error, completed_at
      FROM scheduled_tasks
     WHERE status = 'failed'
     ORDER BY completed_at DESC NULLS LAST, merchant_id DESC, id DESC LIMIT :most
    """
)
_OVERDUE = text(
    """
    SELECT merchant_id, id, lease_until FROM scheduled_tasks
     WHERE status = 'running' AND lease_until < now() - CAST('5 minutes' AS interval)
     ORDER BY lease_until LIMIT :most
    """
)
_OPTIONS = text(
    """
    SELECT relname, coalesce(reloptions, '{}') FROM pg_class
     WHERE relname IN ('scheduled_tasks', 'processed_events', 'usage_logs') AND relkind = 'r'
       AND relnamespace = current_schema()::regnamespace
    """
)
AUTOVACUUM = {"scheduled_tasks": 0.01, "processed_events": 0.01, "usage_logs": 0.05}


@dataclass(frozen=True, slots=True)
class Figure:
    """Tasks in one state: `due`, `waiting`, `running` or `parked`; of one type or one merchant.

    `oldest_s`: for how many seconds the oldest has been due; negative before that.
    """

    state: str
    name: str
    count: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Parked:
    merchant_id: str
    id: int
    task_type: str
    invoice_id: str | None
    attempts: int
    last_error: str | None
    completed_at: datetime | None


def counts() -> tuple[int, int]:
    """Tasks at home that wait, and that are worked on: health waits for no other database."""
    with platform_transaction("monitors ask for every merchant at once") as session:
        row = session.execute(_COUNTS, {"most": MOST}).one()
    return row[0], row[1]


def by_type() -> list[Figure]:
    return _added_up(everywhere(lambda: _figures(_BY_TYPE)))


def by_merchant() -> list[Figure]:
    return _added_up(everywhere(lambda: _figures(_BY_MERCHANT)))


def parked(most: int) -> list[Parked]:
    """The newest tasks that wait for a person."""
    found = [row for rows in everywhere(lambda: _rows(_PARKED, most)) for row in rows]
    newest = sorted(found, key=_ended, reverse=True)
    return [Parked(*tuple(row)) for row in newest[:most]]


def overdue(most: int) -> Sequence[Row[Any]]:
    """Tasks that nobody took from the worker that lost them minutes ago."""
    found = [row for rows in everywhere(lambda: _rows(_OVERDUE, most)) for row in rows]
    return found[:most]


def unvacuumed() -> list[str]:
    """Tables whose dead rows are not cleared as early as their throughput needs."""
    return sorted({table for found in everywhere(_unvacuumed_here) for table in found})


def _rows(statement: Any, most: int) -> Sequence[Row[Any]]:
    with platform_transaction("operators look at every merchant's tasks") as session:
        return session.execute(statement, {"most": most}).all()


def _unvacuumed_here() -> list[str]:
    with platform_transaction("the doctor looks at the tables themselves") as session:
        found = {name: list(options) for name, options in session.execute(_OPTIONS)}
    return [
        table
        for table, share in AUTOVACUUM.items()
        if f"autovacuum_vacuum_scale_factor={share}" not in found.get(table, [])
    ]


def _figures(statement: Any) -> list[Figure]:
    return [Figure(*tuple(row)) for row in _rows(statement, MOST)]


def _added_up(databases: list[list[Figure]]) -> list[Figure]:
    """One figure for each state and name: the sum, and the age of the oldest anywhere."""
    found: dict[tuple[str, str], Figure] = {}
    for one in (figure for figures in databases for figure in figures):
        known = found.get((one.state, one.name), Figure(one.state, one.name, 0, one.oldest_s))
        oldest = max(known.oldest_s, one.oldest_s)
        total = known.count + one.count
        found[one.state, one.name] = Figure(one.state, one.name, total, oldest)
    return list(found.values())


def _ended(row: Row[Any]) -> tuple[bool, float, str, int]:
    ended = row.completed_at
    return ended is not None, ended.timestamp() if ended else 0.0, row.merchant_id, row.id
