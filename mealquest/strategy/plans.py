"""A strategy asked for outright: one request, and a turn without a chat that answers it.

The turn's states, its deadline and its worker are those of a message (`turns`); here is what is
asked, and what becomes of the answer.
"""

from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.audit.service import AuditStatus
from mealquest.core import outbox
from mealquest.core.clock import utc_now
from mealquest.core.db import after_commit_ring, transaction
from mealquest.core.ids import new_id
from mealquest.core.principal import Principal
from mealquest.strategy import candidates, proposals, queries
from mealquest.strategy.agent.domain import Plan, PlanStatus, Unavailable
from mealquest.strategy.candidates import Weighed
from mealquest.strategy.catalogue import LIBRARY
from mealquest.strategy.domain import BELL, TurnKind, TurnState, TurnStatus, short_reason
from mealquest.strategy.drafting import Wish
from mealquest.strategy.errors import PlanNotFound, TemplateNotFound
from mealquest.strategy.forms import PlanForm
from mealquest.strategy.models import ProposalRow, StrategyTurn
from mealquest.strategy.notes import failure_notice, note_words, question
from mealquest.strategy.plan_replies import THINKING, BlockedDraft, CreatedProposal, PlanView
from mealquest.strategy.storing import as_refused, store
from mealquest.strategy.words import in_shops_words
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation

CREATED = "STRATEGY_PROPOSAL_CREATED"
AUDITED = {
    TurnStatus.AI_UNAVAILABLE: AuditStatus.FAILED,
    TurnStatus.BLOCKED: AuditStatus.BLOCKED,
}


def begin(merchant_id: str, form: PlanForm, by: Principal, lives_s: float) -> str | None:
    """The id of a new turn; None: one of this merchant's is not answered yet. TemplateNotFound."""
    if form.template_id and form.template_id not in LIBRARY:
        raise TemplateNotFound
    with transaction(merchant_id) as session:
        tenancy.settings_of(session, merchant_id)
        request = form.model_dump(mode="json", by_alias=True)
        turn_id: str | None = session.scalar(
            insert(StrategyTurn)
            .values(
                merchant_id=merchant_id,
                id=new_id("plan"),
                kind=TurnKind.PLAN,
                state=TurnState.WAITING,
                content=form.intent,
                request=request,
                first_seq=0,
                asked_by=by.subject,
                asked_role=by.role,
                deadline_at=utc_now() + timedelta(seconds=lives_s),
            )
            .on_conflict_do_nothing()
            .returning(StrategyTurn.id)
        )
        after_commit_ring(session, BELL)
    return turn_id


def plan(merchant_id: str, plan_id: str) -> PlanView:
    """What became of a plan. PlanNotFound."""
    with transaction(merchant_id) as session:
        turn = queries.turn(session, merchant_id, plan_id)
        if turn is None or turn.kind is not TurnKind.PLAN:
            raise PlanNotFound
        return shown(session, turn)


def shown(_session: Session, turn: StrategyTurn) -> PlanView:
    """The answer, or that it is still thought about."""
    if turn.answer is not None:
        return PlanView.model_validate(turn.answer)
    return PlanView(merchant_id=turn.merchant_id, plan_id=turn.id, status=THINKING)


def wish_of(turn: StrategyTurn) -> Wish:
    asked = turn.request or {}
    return Wish(asked.get("templateId"), asked.get("branchId"))


def finish(session: Session, turn: StrategyTurn, said: Plan | Unavailable) -> bool:
    """Store the answer, once, under the turn's lock. False: it was over."""
    session.refresh(turn, with_for_update=True)
    if turn.state is TurnState.DONE:
        return False
    by = Principal(turn.asked_role, turn.asked_by, turn.merchant_id)
    with in_shops_words(session, turn.merchant_id):
        view = _written(session, turn, said, by)
    turn.state, turn.status = TurnState.DONE, TurnStatus(view.status)
    turn.reasons, turn.proposal_id = view.reasons or [], view.proposal_id
    turn.answer = view.model_dump(mode="json", by_alias=True)
    session.flush()
    details = {"planId": turn.id, "status": view.status, "proposalId": view.proposal_id}
    status = AUDITED.get(turn.status, AuditStatus.SUCCESS)
    gate = Operation.STRATEGY_PROPOSAL_CREATE
    audit.record(session, turn.merchant_id, gate, by, details, status)
    if view.proposal_id:
        outbox.publish(session, turn.merchant_id, CREATED, turn.answer)
    return True


def _written(
    session: Session, turn: StrategyTurn, said: Plan | Unavailable, by: Principal
) -> PlanView:
    about: dict[str, Any] = {"merchant_id": turn.merchant_id, "plan_id": turn.id}
    if isinstance(said, Unavailable):
        return PlanView(
            **about,
            status=TurnStatus.AI_UNAVAILABLE,
            reason=short_reason(said.reason),
            message=failure_notice(said.code),
        )
    if said.status is PlanStatus.NEED_CLARIFICATION:
        return PlanView(
            **about,
            status=TurnStatus.NEED_CLARIFICATION,
            questions=[question(slot) for slot in said.missing_slots],
            missing_slots=list(said.missing_slots),
            rationale=note_words(said.note) if said.note else None,
            confidence=said.confidence,
        )
    shop = proposals.shop_of(session, turn.merchant_id)
    overrides = (turn.request or {}).get("overrides") or {}
    found = candidates.of_plan(said.candidates, shop, utc_now(), wish_of(turn), overrides)
    if not found.sound:
        reasons = [short_reason(reason) for reason in found.reasons]
        reasons += [note_words(said.note)] if said.note else []
        blocked = _blocked(found)
        return PlanView(**about, status=TurnStatus.BLOCKED, reasons=reasons, blocked=blocked)
    row = store(session, turn.merchant_id, found, intent=turn.content, by=by, session_id=None)
    return _pending(about, row, found)


def _pending(about: dict[str, Any], row: ProposalRow, found: Weighed) -> PlanView:
    one = CreatedProposal.of(row)
    return PlanView(
        **about,
        **dict(one),
        status=TurnStatus.PENDING,
        created=[one],
        blocked=_blocked(found),
    )


def _blocked(found: Weighed) -> list[BlockedDraft]:
    return [BlockedDraft.model_validate(as_refused(one)) for one in found.refused]


def lives_s() -> float:
    return float(current_app.config["SETTINGS"].ai_turn_wait_s)
