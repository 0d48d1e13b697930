"""What the strategist is told before it answers: the chat, what runs, what was decided and why.

Nothing in it is of a customer; the facts about the shop are added by the worker.
"""

from sqlalchemy.orm import Session

from mealquest.core.clock import iso_millis
from mealquest.strategy import queries
from mealquest.strategy.agent.domain import ChatTask, Json, PlanTask
from mealquest.strategy.catalogue import LIBRARY
from mealquest.strategy.domain import SEEN_BY_MODEL, ProposalStatus
from mealquest.strategy.models import StrategySession, StrategyTurn
from mealquest.strategy.sessions import view_values
from mealquest.strategy.words import in_shops_words
from mealquest.tenancy import service as tenancy


def task_of(session: Session, turn: StrategyTurn) -> ChatTask:
    merchant_id, session_id = turn.merchant_id, turn.session_id or ""
    row = session.get_one(StrategySession, (merchant_id, session_id))
    values = view_values(session, row)
    said = queries.messages(
        session, merchant_id, session_id, before=turn.first_seq + 1, limit=SEEN_BY_MODEL
    )
    rejected = queries.decided(session, merchant_id, ProposalStatus.REJECTED)
    return ChatTask(
        merchant_id=merchant_id,
        session_id=session_id,
        user_message=turn.content,
        history=[
            {
                "role": one.role.value,
                "type": one.type.value,
                "text": one.text,
                "proposalId": one.proposal_id,
                "createdAt": iso_millis(one.created_at),
            }
            for one in said
        ],
        active_campaigns=[
            {
                "id": one.id,
                "name": one.name,
                "status": one.status,
                "triggerEvent": one.trigger["event"],
                "priority": one.priority,
            }
            for one in values["active_campaigns"]
        ],
        approved_strategies=[
            one.model_dump(mode="json", by_alias=True) for one in values["approved_strategies"]
        ],
        templates=_templates(session, merchant_id),
        locale=tenancy.settings_of(session, merchant_id).locale,
        rejections=[f"{one.title}: {one.reject_reason}" for one in rejected if one.reject_reason],
        turn_id=turn.id,
    )


def plan_task_of(session: Session, turn: StrategyTurn) -> PlanTask:
    merchant_id, asked = turn.merchant_id, turn.request or {}
    return PlanTask(
        merchant_id=merchant_id,
        turn_id=turn.id,
        intent=turn.content,
        template_id=asked.get("templateId"),
        branch_id=asked.get("branchId"),
        templates=_templates(session, merchant_id),
        locale=tenancy.settings_of(session, merchant_id).locale,
    )


def _templates(session: Session, merchant_id: str) -> list[Json]:
    with in_shops_words(session, merchant_id):
        return [_template(template_id) for template_id in LIBRARY]


def _template(template_id: str) -> Json:
    template = LIBRARY[template_id]
    return {
        "templateId": template.id,
        "category": template.category.value,
        "name": template.name,
        "description": template.description,
        "triggerEvent": template.event,
        "branches": [
            {"branchId": branch.id, "name": branch.name, "description": branch.description}
            for branch in template.branches
        ],
    }
