"""What the agent keeps of chats, ended when it has served: a decision is told to the thread that
waits for it, and a chat that is over, or may hold what is to be forgotten, loses its thread.

What is due is a column of the proposal or the chat. Only the agent's worker comes here.
"""

from importlib import import_module
from typing import Any, NamedTuple

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.core.db import after_commit_ring, platform_transaction, transaction
from mealquest.strategy import queries
from mealquest.strategy.domain import BELL, ProposalStatus, TurnKind
from mealquest.strategy.models import ProposalRow, StrategySession

LEASE_S = 60.0  # a worker that died, or failed, costs so long
ROUNDS = 20  # of one run; more rings again
KEPT_DAYS = 31  # threads are dropped sooner by themselves

log = structlog.get_logger(__name__)


class Due(NamedTuple):
    merchant_id: str
    id: str


_DECIDED = text(
    """
    WITH due AS MATERIALIZED (
        SELECT merchant_id, id FROM proposals WHERE thread_due_at <= now()
         ORDER BY thread_due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE proposals AS t SET thread_due_at = now() + make_interval(secs => :lease)
      FROM due
     WHERE t.merchant_id = due.merchant_id AND t.id = due.id
    RETURNING t.merchant_id, t.id
    """
)
# A chat in which somebody is being answered waits for that: the answer would write again.
_ENDED = text(
    """
    WITH due AS MATERIALIZED (
        SELECT d.merchant_id, d.id FROM strategy_sessions AS d
         WHERE d.thread_due_at <= now()
           AND NOT EXISTS (SELECT FROM strategy_turns AS l
                            WHERE l.merchant_id = d.merchant_id AND l.session_id = d.id
                              AND l.state IN ('WAITING', 'RUNNING'))
         ORDER BY d.thread_due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE strategy_sessions AS t SET thread_due_at = now() + make_interval(secs => :lease)
      FROM due
     WHERE t.merchant_id = due.merchant_id AND t.id = due.id
    RETURNING t.merchant_id, t.id
    """
)
_DUE = text(
    """
    SELECT EXISTS (SELECT FROM proposals WHERE thread_due_at <= now())
        OR EXISTS (SELECT FROM strategy_sessions AS d
                    WHERE d.thread_due_at <= now()
                      AND NOT EXISTS (SELECT FROM strategy_turns AS l
                                       WHERE l.merchant_id = d.merchant_id AND l.session_id = d.id
                                         AND l.state IN ('WAITING', 'RUNNING')))
    """
)
_FORGET = text(
    """
    UPDATE strategy_sessions SET thread_due_at = now()
     WHERE merchant_id = :merchant
       AND (ended_at IS NULL OR ended_at > now() - make_interval(days => :days))
    """
)


def has_due(session: Session) -> bool:
    return bool(session.scalar(_DUE))


def end_due() -> int:
    """Tell decisions and drop threads, a few at a time; how many. Safe to run twice."""
    done = 0
    for claim, end in ((_DECIDED, _tell), (_ENDED, _drop)):
        for _ in range(ROUNDS):
            with platform_transaction("threads of every merchant are ended by one job") as session:
                found = session.execute(claim, {"lease": LEASE_S}).one_or_none()
            if found is None:
                break
            end(Due(*found))
            done += 1
    return done


def _tell(due: Due) -> None:
    """Hand a decision to the thread that waits for it, if it still does; then it is done."""
    with transaction(due.merchant_id) as session:
        row = queries.proposal(session, *due)
        turn = queries.turn_of_proposal(session, *due)
        decision = _decision(row) if row else {}
    if turn and turn.session_id:
        _agent().review(due.merchant_id, turn.session_id, decision, turn.id)
    with transaction(due.merchant_id) as session:
        row = queries.proposal(session, *due, lock=True)
        if row:
            row.thread_due_at = None


def _decision(row: ProposalRow) -> dict[str, Any]:
    word = "APPROVE" if row.status is ProposalStatus.APPROVED else "REJECT"
    return {
        "decision": word,
        "proposalId": row.id,
        "hash": row.content_hash,
        "reason": row.reject_reason,
    }


def _drop(due: Due) -> None:
    _agent().forget(*due)
    with transaction(due.merchant_id) as session:
        session.get_one(StrategySession, tuple(due)).thread_due_at = None


def end_unanswered(merchant_id: str, turn_id: str) -> None:
    """End a thread that waits with drafts of which none is kept: nobody will decide about them."""
    with transaction(merchant_id) as session:
        turn = queries.turn(session, merchant_id, turn_id)
    if turn and turn.kind is TurnKind.CHAT and turn.session_id and turn.proposal_id is None:
        _agent().review(merchant_id, turn.session_id, {"decision": "DROPPED"}, turn_id)


def forget_customer(session: Session, merchant_id: str, _customer_id: str) -> None:
    """Drop all threads of the merchant: somebody may have named the customer in a chat."""
    session.execute(_FORGET, {"merchant": merchant_id, "days": KEPT_DAYS})
    after_commit_ring(session, BELL)


def _agent() -> Any:
    """Only the agent's worker brings LangGraph into its process."""
    return import_module("mealquest.strategy.agent.run")
