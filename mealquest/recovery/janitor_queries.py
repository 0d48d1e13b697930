"""What the janitor deletes: for each merchant the oldest rows along an index, a few at a time."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Old:
    """Rows of a table that have served; `order` and `where` follow one of its indexes."""

    table: str
    key: str
    order: str
    where: str

    @property
    def statement(self) -> TextClause:
        return text(
            f"""
            WITH RECURSIVE turn (merchant_id) AS (
                (SELECT merchant_id FROM {self.table} ORDER BY merchant_id LIMIT 1)
                UNION ALL
                SELECT (SELECT n.merchant_id FROM {self.table} AS n
                         WHERE n.merchant_id > turn.merchant_id ORDER BY n.merchant_id LIMIT 1)
                  FROM turn
                 WHERE turn.merchant_id IS NOT NULL
            ), old AS (
                SELECT each.merchant_id, each.{self.key}
                  FROM turn
                 CROSS JOIN LATERAL (
                        SELECT t.merchant_id, t.{self.key} FROM {self.table} AS t
                         WHERE t.merchant_id = turn.merchant_id AND {self.where}
                         ORDER BY t.{self.order} LIMIT :most) AS each
                 WHERE turn.merchant_id IS NOT NULL
                 LIMIT :most
            )
            DELETE FROM {self.table} AS t USING old
             WHERE t.merchant_id = old.merchant_id AND t.{self.key} = old.{self.key}
            """  # noqa: S608 - constants of this module
        )


def _ended(status: str) -> Old:
    """Tasks that ended in a state from which nobody takes them up again."""
    return Old(
        "scheduled_tasks",
        "id",
        "created_at",
        f"t.status = '{status}' AND t.created_at < now() - make_interval(days => :days)"
        " AND t.completed_at < now() - make_interval(days => :days)",
    )


COMPLETED_TASKS, CANCELLED_TASKS = _ended("completed"), _ended("cancelled")
EVENTS = Old(
    "processed_events",
    "event_id",
    "processed_at",
    "t.processed_at < now() - make_interval(days => :days) AND t.status <> 'unmatched'",
)
UNMATCHED_EVENTS = Old(
    "processed_events",
    "event_id",
    "processed_at",
    "t.processed_at < now() - make_interval(days => :days) AND t.status = 'unmatched'",
)
USAGE_LOGS = Old(
    "usage_logs",
    "id",
    "created_at",
    "t.created_at < now() - make_interval(days => :days)"
    " AND t.report_status IS DISTINCT FROM 'pending'",
)

_STATES = text(
    "DELETE FROM stripe_oauth_states WHERE expires_at < now() - make_interval(days => :days)"
)


def delete_old(session: Session, old: Old, days: int) -> int:
    return _count(session, old.statement, {"days": days, "most": AT_ONCE})


def delete_states(session: Session, days: int) -> int:
    return _count(session, _STATES, {"days": days})


def _count(session: Session, statement: TextClause, values: dict[str, Any]) -> int:
    changed: int = session.execute(statement, values).rowcount  # type: ignore[attr-defined]
    return changed
