"""A message and its answer: stored at once, answered by a worker, ended by its deadline at last.

The model is asked with no transaction open. Who comes back with an answer looks again whether the
turn is still waited for; an answer that comes too late is thrown away.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

import structlog
from flask_babel import gettext
from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.audit.service import AuditStatus
from mealquest.core import outbox
from mealquest.core.clock import utc_now
from mealquest.core.db import after_commit_ring, platform_transaction, transaction
from mealquest.core.ids import new_id
from mealquest.core.principal import Principal
from mealquest.strategy import answers, plans, queries, threads
from mealquest.strategy.agent.domain import (
    ChatTask,
    Decision,
    FailureCode,
    Mode,
    Plan,
    PlanTask,
    Unavailable,
)
from mealquest.strategy.briefing import plan_task_of, task_of
from mealquest.strategy.domain import (
    BELL,
    LIVE,
    Speaker,
    TurnKind,
    TurnState,
    TurnStatus,
)
from mealquest.strategy.errors import SessionNotFound, TurnRunning
from mealquest.strategy.forms import MessageForm, PlanForm
from mealquest.strategy.models import StrategySession, StrategyTurn
from mealquest.strategy.plan_replies import THINKING, PlanView
from mealquest.strategy.replies import TurnView
from mealquest.strategy.sessions import open_one, say, view_values
from mealquest.strategy.words import in_shops_words

MESSAGE = "STRATEGY_CHAT_MESSAGE"
LEASE_S = 60  # a worker that died with a turn costs so long
LOOK_S = 0.1

Said = Decision | Plan | Unavailable
Shown = TypeVar("Shown")

log = structlog.get_logger(__name__)


# --- asking -----------------------------------------------------------------------------------


def send(
    merchant_id: str, form: MessageForm, by: Principal, wait_s: float | None = None
) -> TurnView:
    """Say something, and wait for the answer; at most `wait_s`, or until the turn's deadline.

    Raises:
        SessionNotFound: a chat was named that is not open.
        TurnRunning: the message before is still being answered.
    """
    begun: TurnView | str = _begun(partial(_begin, merchant_id, form, by), wait_s)
    if isinstance(begun, TurnView):
        return begun
    return _wait(merchant_id, begun, wait_s, shown)


def propose(
    merchant_id: str, form: PlanForm, by: Principal, wait_s: float | None = None
) -> PlanView:
    """Ask for a strategy outright, and wait as `send` does.

    Raises:
        TemplateNotFound; TurnRunning: the plan before is still being answered.
    """
    begun: str = _begun(partial(plans.begin, merchant_id, form, by, plans.lives_s()), wait_s)
    return _wait(merchant_id, begun, wait_s, plans.shown)


def _begun(begin: Callable[[], Any], wait_s: float | None) -> Any:
    """What `begin` begins, once nothing else is being answered. TurnRunning: it still is."""
    until = time.monotonic() + plans.lives_s()
    while (begun := begin()) is None:
        if wait_s is not None or time.monotonic() >= until:
            raise TurnRunning
        time.sleep(LOOK_S)
    return begun


def _begin(merchant_id: str, form: MessageForm, by: Principal) -> TurnView | str | None:
    """The id of a new turn; an answer at once when a review comes first; None: one is running."""
    with transaction(merchant_id) as session:
        row = _session(session, merchant_id, form, by)
        if queries.pending_of(session, merchant_id, row.id):
            return _review_first(session, row, by)
        live = queries.live_turn(session, merchant_id, row.id)
        if live is not None:
            return None
        said = say(session, row, Speaker.USER, form.content)
        turn_id = new_id("turn")
        session.add(
            StrategyTurn(
                merchant_id=merchant_id,
                id=turn_id,
                session_id=row.id,
                state=TurnState.WAITING,
                content=form.content,
                first_seq=said.seq,
                asked_by=by.subject,
                asked_role=by.role,
                deadline_at=utc_now() + timedelta(seconds=plans.lives_s()),
            )
        )
        after_commit_ring(session, BELL)
        return turn_id


def _session(
    session: Session, merchant_id: str, form: MessageForm, by: Principal
) -> StrategySession:
    if form.session_id is None:
        return open_one(session, merchant_id, by)
    row = queries.open_session(session, merchant_id, lock=True)
    if row is None or row.id != form.session_id:
        raise SessionNotFound
    return row


def _review_first(session: Session, row: StrategySession, by: Principal) -> TurnView:
    """The message is not stored: the proposal that waits has to be decided about."""
    with in_shops_words(session, row.merchant_id):
        words = gettext("A proposal waits for your review. Approve or reject it first.")
    view = TurnView(
        **view_values(session, row),
        status=TurnStatus.REVIEW_REQUIRED,
        delta_messages=[],
        message=words,
    )
    _tell(session, view, by, AuditStatus.BLOCKED)
    return view


def _wait(
    merchant_id: str,
    turn_id: str,
    wait_s: float | None,
    show: Callable[[Session, StrategyTurn], Shown],
) -> Shown:
    patience = time.monotonic() + wait_s if wait_s is not None else None
    while True:
        with transaction(merchant_id) as session:
            row = queries.turn(session, merchant_id, turn_id)
            if row is None:
                raise SessionNotFound
            if row.state is TurnState.DONE:
                return show(session, row)
            if patience is not None and time.monotonic() >= patience:
                return show(session, row)
            late = row.deadline_at <= utc_now()
        if late:
            finish(merchant_id, turn_id, too_late())
        else:
            time.sleep(LOOK_S)


def too_late() -> Unavailable:
    return Unavailable.because("the strategist did not answer in time", FailureCode.TIMEOUT)


def shown(session: Session, turn: StrategyTurn) -> TurnView:
    row = session.get_one(StrategySession, (turn.merchant_id, turn.session_id))
    values = view_values(session, row)
    first, last = turn.first_seq, turn.last_seq or turn.first_seq
    added = {f"msg_{row.id}_{seq}" for seq in range(first, last + 1)}
    gone = turn.status is TurnStatus.AI_UNAVAILABLE
    return TurnView(
        **values,
        status=turn.status or THINKING,
        delta_messages=[one for one in values["messages"] if one.message_id in added],
        reason=turn.reasons[0] if gone and turn.reasons else None,
        reasons=turn.reasons if turn.status is TurnStatus.BLOCKED else None,
    )


# --- answering --------------------------------------------------------------------------------


_CLAIM = text(
    """
    WITH due AS MATERIALIZED (
        SELECT merchant_id, id FROM strategy_turns
         WHERE state = 'WAITING' OR (state = 'RUNNING' AND lease_until <= now())
         ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE strategy_turns AS t
       SET state = 'RUNNING', attempts = attempts + 1,
           lease_until = now() + make_interval(secs => :lease)
      FROM due
     WHERE t.merchant_id = due.merchant_id AND t.id = due.id
    RETURNING t.merchant_id, t.id
    """
)
_DUE = text(
    "SELECT EXISTS (SELECT FROM strategy_turns WHERE state IN ('WAITING', 'RUNNING')"
    " AND (state = 'WAITING' OR lease_until <= now() OR deadline_at <= now()))"
)
_LATE = text(
    "SELECT merchant_id, id FROM strategy_turns WHERE state IN ('WAITING', 'RUNNING')"
    " AND deadline_at <= now() ORDER BY deadline_at LIMIT 100"
)


def has_due() -> bool:
    with platform_transaction("the tick asks for every merchant at once") as session:
        return bool(session.scalar(_DUE)) or threads.has_due(session)


def answer_due() -> bool:
    """Answer one message that waits, of whichever merchant. False: none does."""
    _end_late()
    with platform_transaction("messages of every merchant are answered by one job") as session:
        found = session.execute(_CLAIM, {"lease": float(LEASE_S)}).one_or_none()
    if found is None:
        return False
    answer(*found)
    return True


def _end_late() -> None:
    with platform_transaction("turns of every merchant have a deadline") as session:
        late = session.execute(_LATE).all()
    for merchant_id, turn_id in late:
        finish(merchant_id, turn_id, too_late())


def answer(merchant_id: str, turn_id: str) -> None:
    """Ask the model for one turn, and store what it said. Safe to run twice."""
    with transaction(merchant_id) as session:
        turn = queries.turn(session, merchant_id, turn_id)
        task = _task(session, turn) if turn and turn.state in LIVE else None
    if task is None:
        return
    said = decide(task)
    finish(merchant_id, turn_id, said)
    if isinstance(said, Decision) and said.mode is Mode.PROPOSAL:
        threads.end_unanswered(merchant_id, turn_id)


def _task(session: Session, turn: StrategyTurn) -> ChatTask | PlanTask:
    is_plan = turn.kind is TurnKind.PLAN
    return plan_task_of(session, turn) if is_plan else task_of(session, turn)


def decide(task: ChatTask | PlanTask) -> Said:
    """Ask the strategist. Only here, and only in a worker, is the agent brought into a process."""
    try:
        agent = import_module("mealquest.strategy.agent.run")
        run = agent.run_plan if isinstance(task, PlanTask) else agent.run_turn
        found: Said = run(replace(task, facts=agent.facts_of(task.merchant_id)))
    except Exception as failure:
        log.error("turn failed", turn_id=task.turn_id, exc_info=failure)
        reason = f"the strategist failed ({type(failure).__name__})"
        return Unavailable.because(reason, FailureCode.GRAPH)
    return found


def finish(merchant_id: str, turn_id: str, said: Said) -> bool:
    """Store an answer, once. False: the turn was over, and the answer is thrown away."""
    with transaction(merchant_id) as session:
        turn = queries.turn(session, merchant_id, turn_id)
        if turn is not None and turn.kind is TurnKind.PLAN and not isinstance(said, Decision):
            return plans.finish(session, turn, said)
        row = queries.open_session(session, merchant_id, lock=True)
        if turn is None or row is None or row.id != turn.session_id or isinstance(said, Plan):
            return False
        session.refresh(turn, with_for_update=True)
        if turn.state is TurnState.DONE:
            return False
        by = Principal(turn.asked_role, turn.asked_by, merchant_id)
        with in_shops_words(session, merchant_id):
            outcome = answers.write(session, row, turn.content, said, by)
        turn.state, turn.status, turn.reasons = TurnState.DONE, outcome.status, outcome.reasons
        turn.last_seq, turn.proposal_id = row.message_seq, outcome.proposal_id
        session.flush()
        failed = outcome.status is TurnStatus.AI_UNAVAILABLE
        _tell(
            session,
            shown(session, turn),
            by,
            AuditStatus.FAILED if failed else AuditStatus.SUCCESS,
        )
    return True


def _tell(session: Session, view: TurnView, by: Principal, status: AuditStatus) -> None:
    waits = view.pending_review
    details = {
        "sessionId": view.session_id,
        "turnStatus": view.status,
        "pendingProposalId": waits.proposal_id if waits else None,
    }
    audit.record(session, view.merchant_id, MESSAGE, by, details, status)
    event = view.model_dump(mode="json", by_alias=True)
    outbox.publish(session, view.merchant_id, MESSAGE, event)
