"""A proposal out of drafts: the first sound one waits, the others may be picked in its place."""

from typing import Any

from sqlalchemy.orm import Session

from mealquest.core.ids import new_id
from mealquest.core.principal import Principal
from mealquest.strategy import drafting, proposals
from mealquest.strategy.agent.runtime import config
from mealquest.strategy.candidates import Candidate, Weighed
from mealquest.strategy.domain import content_hash, short_reason
from mealquest.strategy.models import ProposalRow
from mealquest.strategy.proposals import NewProposal

Json = dict[str, Any]


def store(
    session: Session,
    merchant_id: str,
    found: Weighed,
    *,
    intent: str,
    by: Principal,
    session_id: str | None,
) -> ProposalRow:
    """`found` holds at least one sound draft. `session_id`: of the chat it comes from, if any."""
    first = found.sound[0]
    proposal_id = new_id(f"proposal_{first.draft.template.id}")
    several = found.sound if len(found.sound) > 1 else ()
    new = NewProposal(
        id=proposal_id,
        title=first.draft.title,
        intent=intent,
        template_id=first.draft.template.id,
        branch_id=first.draft.branch.id,
        strategy_meta=_meta(first, by, session_id),
        campaign=first.draft.campaign,
        dropped_fields=first.draft.dropped,
        session_id=session_id,
        candidates=[_kept(proposal_id, one, _meta(one, by, session_id)) for one in several],
        refused_candidates=[as_refused(one) for one in found.refused],
    )
    return proposals.add(session, merchant_id, new, by.subject)


def _meta(one: Candidate, by: Principal, session_id: str | None) -> Json:
    model = config()
    meta: Json = drafting.strategy_meta(
        one.draft,
        provider=model.provider.value,
        model=model.model,
        by=by.subject,
        session_id=session_id,
    )
    return meta


def _kept(proposal_id: str, one: Candidate, meta: Json) -> Json:
    """A candidate as it would stand in the proposal's place."""
    drafted = one.draft
    return {
        "variant": one.temper,
        "title": drafted.title,
        "templateId": drafted.template.id,
        "branchId": drafted.branch.id,
        "strategyMeta": meta,
        "campaign": drafted.campaign,
        "difference": drafted.difference,
        "droppedFields": drafted.dropped,
        "hash": content_hash(proposal_id, drafted.title, drafted.campaign),
    }


def as_refused(one: Candidate) -> Json:
    """A draft that limits stand against, and which."""
    drafted = one.draft
    return {
        "variant": one.temper,
        "title": drafted.title,
        "templateId": drafted.template.id,
        "branchId": drafted.branch.id,
        "reasons": [short_reason(reason) for reason in drafted.reasons],
    }
