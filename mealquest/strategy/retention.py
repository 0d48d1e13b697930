"""Chats that are long over lose what was said in them, and plans what was asked."""

from sqlalchemy import text

from mealquest.core.db import platform_transaction

KEPT_DAYS = 90  # after a chat was closed, or a plan was asked for

_MESSAGES = text(
    """
    DELETE FROM strategy_messages WHERE ctid IN (
      SELECT m.ctid FROM strategy_messages AS m
        JOIN strategy_sessions AS s ON s.merchant_id = m.merchant_id AND s.id = m.session_id
       WHERE s.ended_at < now() - make_interval(days => :days) LIMIT :limit)
    RETURNING seq
    """
)
_TURNS = text(
    """
    DELETE FROM strategy_turns WHERE ctid IN (
      SELECT t.ctid FROM strategy_turns AS t
        LEFT JOIN strategy_sessions AS s
          ON s.merchant_id = t.merchant_id AND s.id = t.session_id
       WHERE t.state = 'DONE'
         AND coalesce(s.ended_at, CASE WHEN t.kind = 'PLAN' THEN t.created_at END)
             < now() - make_interval(days => :days) LIMIT :limit)
    RETURNING id
    """
)


def purge_old(limit: int = 10_000) -> int:
    """One batch; how many rows went. Proposals stay, with their intent."""
    with platform_transaction("chats of every merchant grow old together") as session:
        values = {"days": KEPT_DAYS, "limit": limit}
        return sum(len(session.execute(part, values).all()) for part in (_MESSAGES, _TURNS))
