"""The statements of the queue: claim in fair turns, keep the lease, end. All time is PostgreSQL's.

A claim goes round the merchants that have due work, from where the last claim stopped, and takes
the same number from each. `SKIP LOCKED` lets claims pass each other; the token fences off a worker
whose lease ran out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

BATCH, LARGEST_BATCH = 20, 100
MERCHANTS = 64  # that one claim looks at
PROMOTED = 1000  # tasks that one look at the clock makes due


@dataclass(frozen=True, slots=True)
class Task:
    """A claimed task. `attempts` counts this one; `claim_token` proves whose it is."""

    merchant_id: str
    id: int
    type: str  # a domain.TaskType; kept as text, so that an unknown one can be parked
    payload: dict[str, Any]
    attempts: int
    invoice_id: str | None
    claim_token: str


_PROMOTE = text(
    """
    WITH come AS MATERIALIZED (
        SELECT merchant_id, id FROM scheduled_tasks
         WHERE status = 'pending' AND NOT is_due AND run_at <= now()
         ORDER BY run_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    UPDATE scheduled_tasks AS t
       SET is_due = true
      FROM come
     WHERE t.merchant_id = come.merchant_id AND t.id = come.id
    """
)

_HAS_DUE = text(
    """
    SELECT EXISTS (SELECT FROM scheduled_tasks WHERE status = 'pending' AND is_due)
        OR EXISTS (SELECT FROM scheduled_tasks
                    WHERE status = 'pending' AND NOT is_due AND run_at <= now())
        OR EXISTS (SELECT FROM scheduled_tasks WHERE status = 'running' AND lease_until < now())
    """
)

# The merchants with due work after `:after`, found one index probe each, then the head of each.
_CLAIM = text(
    """
    WITH RECURSIVE turn (merchant_id, nth) AS (
        (SELECT merchant_id, 1 FROM scheduled_tasks
          WHERE status = 'pending' AND is_due AND merchant_id > :after
          ORDER BY merchant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT n.merchant_id FROM scheduled_tasks AS n
                 WHERE n.status = 'pending' AND n.is_due AND n.merchant_id > turn.merchant_id
                 ORDER BY n.merchant_id LIMIT 1), nth + 1
          FROM turn
         WHERE turn.merchant_id IS NOT NULL AND nth < :merchants
    ), share AS (
        SELECT greatest(1, :most / greatest(1, count(merchant_id)))::bigint AS each FROM turn
    ), head AS (
        SELECT due.merchant_id, due.id
          FROM turn
         CROSS JOIN share
         CROSS JOIN LATERAL (
                SELECT t.merchant_id, t.id FROM scheduled_tasks AS t
                 WHERE t.merchant_id = turn.merchant_id AND t.status = 'pending' AND t.is_due
                   AND t.run_at <= now()  -- an operator may have put it off by hand
                 ORDER BY t.run_at, t.id LIMIT share.each FOR UPDATE SKIP LOCKED) AS due
         WHERE turn.merchant_id IS NOT NULL
         LIMIT :most
    )
    UPDATE scheduled_tasks AS t
       SET status = 'running', is_due = false, attempts = t.attempts + 1, claimed_at = now(),
           claimed_by = :worker, claim_token = gen_random_uuid()::text,
           lease_until = now() + make_interval(secs => :lease), last_error = NULL
      FROM head
     WHERE t.merchant_id = head.merchant_id AND t.id = head.id
    RETURNING t.merchant_id, t.id, t.task_type, t.payload, t.attempts, t.invoice_id, t.claim_token,
              t.run_at
    """
)

# Statements about tasks that are named ask for their state by `coalesce`, which no index answers:
# they are to go by the primary key. The small index of what runs has more dead entries than live
# ones while the queue is busy.
_RENEW = text(
    """
    UPDATE scheduled_tasks AS t
       SET lease_until = now() + make_interval(secs => :lease)
      FROM (SELECT unnest(CAST(:merchants AS text[])) AS merchant_id,
                   unnest(CAST(:ids AS bigint[])) AS id,
                   unnest(CAST(:tokens AS text[])) AS token) AS mine
     WHERE t.merchant_id = mine.merchant_id AND t.id = mine.id
       AND coalesce(t.status, '') = 'running' AND t.claim_token = mine.token
    RETURNING t.merchant_id, t.id
    """
)

_COMPLETE_MANY = text(
    """
    UPDATE scheduled_tasks AS t
       SET status = 'completed', outcome = mine.outcome, completed_at = now(), lease_until = NULL,
           claim_token = NULL
      FROM (SELECT unnest(CAST(:merchants AS text[])) AS merchant_id,
                   unnest(CAST(:ids AS bigint[])) AS id,
                   unnest(CAST(:tokens AS text[])) AS token,
                   unnest(CAST(:outcomes AS text[])) AS outcome) AS mine
     WHERE t.merchant_id = mine.merchant_id AND t.id = mine.id
       AND coalesce(t.status, '') = 'running' AND t.claim_token = mine.token
    """
)

_END = text(
    """
    UPDATE scheduled_tasks
       SET status = :status, outcome = :outcome, last_error = :error, completed_at = now(),
           lease_until = NULL, claim_token = NULL, is_due = false
     WHERE merchant_id = :merchant AND id = :id AND coalesce(status, '') = 'running'
       AND claim_token = :token
    RETURNING id
    """
)

_PUT_BACK = text(
    """
    UPDATE scheduled_tasks
       SET status = 'pending', last_error = :error, is_due = false,
           run_at = now() + make_interval(secs => :wait), lease_until = NULL, claim_token = NULL,
           attempts = attempts - CASE WHEN :planned THEN 1 ELSE 0 END
     WHERE merchant_id = :merchant AND id = :id AND coalesce(status, '') = 'running'
       AND claim_token = :token
    RETURNING id
    """
)

_BEGIN = text(
    """
    UPDATE scheduled_tasks
       SET claimed_at = now(), lease_until = now() + make_interval(secs => :lease)
     WHERE merchant_id = :merchant AND id = :id AND coalesce(status, '') = 'running'
       AND claim_token = :token
       AND lease_until >= now()
    RETURNING id
    """
)

_RELEASE = text(
    """
    UPDATE scheduled_tasks AS t
       SET status = 'pending', is_due = true, attempts = t.attempts - 1, claimed_at = NULL,
           claimed_by = NULL, claim_token = NULL, lease_until = NULL
      FROM (SELECT unnest(CAST(:merchants AS text[])) AS merchant_id,
                   unnest(CAST(:ids AS bigint[])) AS id,
                   unnest(CAST(:tokens AS text[])) AS token) AS mine
     WHERE t.merchant_id = mine.merchant_id AND t.id = mine.id
       AND coalesce(t.status, '') = 'running' AND t.claim_token = mine.token
    """
)

# Lost: its lease ran out, or it was begun so long ago that whoever renews its lease must hang.
_RESCUE = text(
    """
    WITH lost AS MATERIALIZED (
        SELECT merchant_id, id FROM scheduled_tasks
         WHERE status = 'running'
           AND (lease_until < now()
                OR coalesce(claimed_at, run_at) < now() - make_interval(secs => :longest))
         LIMIT 1000 FOR UPDATE SKIP LOCKED
    )
    UPDATE scheduled_tasks AS t
       SET status = CASE WHEN t.attempts >= :most THEN 'failed' ELSE 'pending' END,
           last_error = CASE WHEN t.attempts >= :most THEN 'abandoned' ELSE 'worker lost' END,
           completed_at = CASE WHEN t.attempts >= :most THEN now() END,
           is_due = t.attempts < :most, run_at = now(), lease_until = NULL, claim_token = NULL
      FROM lost
     WHERE t.merchant_id = lost.merchant_id AND t.id = lost.id
    """
)

_IS_MINE = text(
    """
    SELECT EXISTS (SELECT FROM scheduled_tasks
                    WHERE merchant_id = :merchant AND id = :id AND coalesce(status, '') = 'running'
                      AND claim_token = :token AND lease_until >= now())
    """
)


def promote(session: Session) -> int:
    return _count(session, _PROMOTE, {"most": PROMOTED})


def has_due(session: Session) -> bool:
    return bool(session.scalar(_HAS_DUE))


def claim(session: Session, worker: str, after: str, most: int, lease_s: float) -> list[Task]:
    """Due tasks of the merchants that come after `after`, oldest of each first."""
    rows = session.execute(
        _CLAIM,
        {
            "worker": worker,
            "after": after,
            "most": most,
            "merchants": min(most, MERCHANTS),
            "lease": lease_s,
        },
    ).all()
    in_order = sorted(rows, key=lambda row: (row.run_at, row.id))  # an UPDATE returns in none
    return [Task(*row[:-1]) for row in in_order]


def renew(session: Session, tasks: Sequence[Task], lease_s: float) -> set[tuple[str, int]]:
    """Which of these are still their worker's; their leases begin anew."""
    rows = session.execute(_RENEW, _named(tasks) | {"lease": lease_s}).all()
    return {(row.merchant_id, row.id) for row in rows}


def complete_many(session: Session, ended: Sequence[tuple[Task, str]]) -> int:
    named = _named([task for task, _ in ended])
    return _count(session, _COMPLETE_MANY, named | {"outcomes": [outcome for _, outcome in ended]})


def end(session: Session, task: Task, status: str, outcome: str | None, error: str | None) -> bool:
    """False: the worker has lost the task, and nothing changed."""
    values = {"status": status, "outcome": outcome, "error": error}
    return session.execute(_END, _key(task) | values).first() is not None


def put_back(session: Session, task: Task, error: str, wait_s: float, *, planned: bool) -> bool:
    """Back among the pending; a planned wait does not count as an attempt."""
    values = {"error": error, "wait": wait_s, "planned": planned}
    return session.execute(_PUT_BACK, _key(task) | values).first() is not None


def begin(session: Session, task: Task, lease_s: float) -> bool:
    """Note that work on it starts now. False: the worker has lost it."""
    return session.execute(_BEGIN, _key(task) | {"lease": lease_s}).first() is not None


def release(session: Session, tasks: Sequence[Task]) -> int:
    """Give back what was claimed and not begun; it counts no attempt."""
    return _count(session, _RELEASE, _named(tasks))


def rescue(session: Session, most_attempts: int, longest_s: float) -> int:
    """Back among the pending, or parked after `most_attempts`, what its worker has lost."""
    return _count(session, _RESCUE, {"most": most_attempts, "longest": longest_s})


def is_mine(session: Session, task: Task) -> bool:
    return bool(session.scalar(_IS_MINE, _key(task)))


def _key(task: Task) -> dict[str, Any]:
    return {"merchant": task.merchant_id, "id": task.id, "token": task.claim_token}


def _named(tasks: Sequence[Task]) -> dict[str, Any]:
    return {
        "merchants": [task.merchant_id for task in tasks],
        "ids": [task.id for task in tasks],
        "tokens": [task.claim_token for task in tasks],
    }


def _count(session: Session, statement: Any, values: dict[str, Any]) -> int:
    changed: int = session.execute(statement, values).rowcount  # type: ignore[attr-defined]
    return changed
