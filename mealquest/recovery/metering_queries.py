"""Which usage is still to be told to Stripe's meter, and what became of it.

A billable log waits while it has neither been reported nor given up. Logs that somebody else wrote
have no state yet, and wait too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.recovery.domain import ReportStatus

MERCHANTS = 64  # that one look takes rows of
EACH = 20  # rows of a merchant at a time, so that a large backlog keeps nobody waiting


@dataclass(frozen=True, slots=True)
class Waiting:
    merchant_id: str
    id: int
    amount: int
    created_at: datetime
    is_too_old: bool  # the meter takes nothing of more than 35 days ago


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one log. `status` PENDING: it is told again later."""

    id: int
    status: ReportStatus
    why: str | None = None

    @property
    def is_open(self) -> bool:
        return self.status is ReportStatus.PENDING


# As the partial index has it, to the word.
_OPEN = (
    "{0}metric_type = 'dunning_email_sent' AND {0}reported_at IS NULL"
    " AND coalesce({0}report_status, 'pending') = 'pending'"
)
_WAITING = text(
    f"""
    WITH RECURSIVE turn (merchant_id, nth) AS (
        (SELECT merchant_id, 1 FROM usage_logs
          WHERE {_OPEN.format("")} AND NOT merchant_id = ANY(:without)
          ORDER BY merchant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT n.merchant_id FROM usage_logs AS n
                 WHERE {_OPEN.format("n.")} AND n.merchant_id > turn.merchant_id
                   AND NOT n.merchant_id = ANY(:without)
                 ORDER BY n.merchant_id LIMIT 1), nth + 1
          FROM turn WHERE turn.merchant_id IS NOT NULL AND nth < :merchants
    )
    SELECT head.*
      FROM turn
     CROSS JOIN LATERAL (
            SELECT u.merchant_id, u.id, u.amount, u.created_at,
                   u.created_at < now() - interval '35 days' AS is_too_old
              FROM usage_logs AS u
             WHERE u.merchant_id = turn.merchant_id AND {_OPEN.format("u.")}
             ORDER BY u.created_at LIMIT :each) AS head
     WHERE turn.merchant_id IS NOT NULL
    """  # noqa: S608 - parts of our own
)
_SETTLE = text(
    """
    UPDATE usage_logs AS u
       SET report_status = fate.status, report_error = fate.why,
           report_attempts = u.report_attempts + 1,
           reported_at = CASE WHEN fate.status = 'reported' THEN now() END
      FROM (SELECT unnest(CAST(:ids AS bigint[])) AS id,
                   unnest(CAST(:statuses AS text[])) AS status,
                   unnest(CAST(:whys AS text[])) AS why) AS fate
     WHERE u.merchant_id = :merchant AND u.id = fate.id AND u.reported_at IS NULL
    """
)
_LATE = text(
    f"""
    SELECT count(*) FROM (SELECT FROM usage_logs
     WHERE {_OPEN.format("")} AND created_at < now() - interval '24 hours' LIMIT 1000) AS late
    """  # noqa: S608 - parts of our own
)


def waiting(session: Session, without: Sequence[str]) -> list[Waiting]:
    """The oldest logs of merchants in turn, but of none in `without`."""
    asked: dict[str, Any] = {"without": list(without), "merchants": MERCHANTS, "each": EACH}
    return [Waiting(**row) for row in session.execute(_WAITING, asked).mappings()]


def settle(session: Session, merchant_id: str, fates: Sequence[Fate]) -> None:
    asked: dict[str, Any] = {
        "merchant": merchant_id,
        "ids": [fate.id for fate in fates],
        "statuses": [fate.status.value for fate in fates],
        "whys": [fate.why for fate in fates],
    }
    session.execute(_SETTLE, asked)


def late(session: Session) -> int:
    """Logs that have waited for more than a day; 1000 stands for more."""
    return int(session.scalar(_LATE) or 0)
