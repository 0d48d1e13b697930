"""What a strategy that was asked for outright is answered with."""

from typing import Self

from mealquest.core.wire import View
from mealquest.strategy.candidate_replies import CandidateCard, RefusedCandidate
from mealquest.strategy.models import ProposalRow

THINKING = "THINKING"  # of a page that waits no longer; the answer comes by itself


class BlockedDraft(RefusedCandidate):
    """A draft that the limits stand against."""


class CreatedProposal(View):
    """A proposal that waits for the owner, with what may be picked in its place."""

    proposal_id: str
    title: str
    template_id: str
    branch_id: str
    campaign_id: str
    hash: str
    candidates: list[CandidateCard]

    @classmethod
    def of(cls, row: ProposalRow) -> Self:
        return cls(
            proposal_id=row.id,
            title=row.title,
            template_id=row.template_id,
            branch_id=row.branch_id,
            campaign_id=row.campaign["id"],
            hash=row.content_hash,
            candidates=[CandidateCard.of(one, row) for one in row.candidates],
        )


class PlanView(View):
    """One of four: PENDING, NEED_CLARIFICATION, AI_UNAVAILABLE, BLOCKED. What is not of it is null.

    `created`: the proposal; `blocked`: drafts that limits stand against. `message` is the notice
    of AI_UNAVAILABLE in the shop's language.
    """

    merchant_id: str
    plan_id: str
    status: str
    proposal_id: str | None = None
    title: str | None = None
    template_id: str | None = None
    branch_id: str | None = None
    campaign_id: str | None = None
    hash: str | None = None
    candidates: list[CandidateCard] | None = None
    created: list[CreatedProposal] | None = None
    blocked: list[BlockedDraft] | None = None
    questions: list[str] | None = None
    missing_slots: list[str] | None = None
    rationale: str | None = None
    confidence: float | None = None
    reason: str | None = None
    reasons: list[str] | None = None
    message: str | None = None
