"""What was paid in and given in some time, for whoever replays it. Amounts in minor units."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.core.db import streamed


@dataclass(frozen=True, slots=True)
class PastTopUp:
    customer_id: str
    at: datetime
    amount_minor: int
    bonus_minor: int


@dataclass(frozen=True, slots=True)
class GiftUse:
    """Vouchers and bonus that were given, how many, and how much of them has been used."""

    gifts: int
    given_minor: int
    used_minor: int


def past_top_ups(
    session: Session, merchant_id: str, since: datetime, until: datetime
) -> Iterator[PastTopUp]:
    values = {"merchant": merchant_id, "since": since, "until": until}
    for row in streamed(session, _TOP_UPS, values):
        yield PastTopUp(*row)


def gift_use(session: Session, merchant_id: str, since: datetime, until: datetime) -> GiftUse:
    """Of gifts from the span; bonus that has expired counts as not used only while it is there."""
    values = {"merchant": merchant_id, "since": since, "until": until}
    row = session.execute(_USE, values).one()
    return GiftUse(int(row[0]), int(row[1]), int(row[2]))


_TOP_UPS = text(
    """
    SELECT customer_id, created_at, amount_minor, bonus_minor FROM top_ups
     WHERE merchant_id = :merchant AND created_at >= :since AND created_at < :until
     ORDER BY created_at, id
    """
)
# A lot that has expired is empty, like one that was spent: such lots say nothing.
_USE = text(
    """
    SELECT count(*), coalesce(sum(given), 0), coalesce(sum(used), 0)
      FROM (SELECT value_minor AS given,
                   CASE WHEN status = 'USED' THEN value_minor ELSE 0 END AS used
              FROM vouchers
             WHERE merchant_id = :merchant AND value_minor > 0 AND status <> 'WITHDRAWN'
               AND created_at >= :since AND created_at < :until
             UNION ALL
            SELECT granted_minor, granted_minor - left_minor
              FROM bonus_lots
             WHERE merchant_id = :merchant AND created_at >= :since AND created_at < :until
               AND granted_minor > 0 AND (expires_at IS NULL OR expires_at > now())) AS gifts
    """
)
