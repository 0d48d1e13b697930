"""What the strategist's routes answer. Amounts are in major units, budgets in units."""

from decimal import Decimal
from typing import Any, Self

from pydantic import Field

from mealquest.campaigns.service import ReplayView
from mealquest.core.money import Currency
from mealquest.core.wire import Amount, Page, Timestamp, View
from mealquest.strategy.candidate_replies import (
    CandidateBudgetView,
    CandidateCard,
    CandidateView,
    Difference,
    RefusedCandidate,
    differences,
    has_cards,
)
from mealquest.strategy.domain import (
    MessageType,
    ProposalStatus,
    Speaker,
)
from mealquest.strategy.gifts import worth
from mealquest.strategy.models import (
    WRITER,
    ProposalRow,
    StrategyMessage,
)

# --- proposals --------------------------------------------------------------------------------


class ReviewCard(View):
    """What an owner is asked about, in short; `hash` is what an approval may be bound to.

    `candidates`: all that may be picked, what waits among them; none where there is no choice.
    """

    proposal_id: str
    status: ProposalStatus
    title: str
    template_id: str
    branch_id: str
    campaign_id: str
    campaign_name: str
    trigger_event: str
    budget: CandidateBudgetView
    created_at: Timestamp
    hash: str
    candidates: list[CandidateCard]

    @classmethod
    def of(cls, row: ProposalRow) -> Self:
        return cls(
            proposal_id=row.id,
            status=row.status,
            title=row.title,
            template_id=row.template_id,
            branch_id=row.branch_id,
            campaign_id=row.campaign["id"],
            campaign_name=row.campaign["name"],
            trigger_event=row.campaign["trigger"]["event"],
            budget=CandidateBudgetView.model_validate(row.campaign["budget"]),
            created_at=row.created_at,
            hash=row.content_hash,
            candidates=[CandidateCard.of(one, row) for one in row.candidates],
        )


class ProposalView(View):
    """A proposal as the contract has it, with what it would cost and how it differs.

    `costOfHit`: face value of what one hit gives; `worstCase`: of all hits that the budget allows.
    Discount cards have no face value: `hasCards` tells that what they take off comes on top.
    """

    id: str
    merchant_id: str
    status: ProposalStatus
    title: str
    created_at: Timestamp
    intent: str
    strategy_meta: dict[str, Any]
    suggested_campaign: dict[str, Any]
    approved_by: str | None
    approved_at: Timestamp | None
    rejected_by: str | None
    rejected_at: Timestamp | None
    reject_reason: str | None
    campaign_id: str | None
    template_id: str
    branch_id: str
    hash: str
    difference: list[Difference]
    dropped_fields: list[str]
    currency: Currency
    most_hits: int
    cost_of_hit: Amount
    worst_case: Amount
    has_cards: bool
    replay: ReplayView | None = None  # of one that is looked at, not of a list
    candidates: list[CandidateView]
    refused_candidates: list[RefusedCandidate]

    @classmethod
    def of(cls, row: ProposalRow, currency: Currency) -> Self:
        approved = row.status is ProposalStatus.APPROVED
        rejected = row.status is ProposalStatus.REJECTED
        budget, cost = row.campaign["budget"], worth(row.campaign["action"])
        hits = budget["cap"] // budget["costPerHit"]
        return cls(
            id=row.id,
            merchant_id=row.merchant_id,
            status=row.status,
            title=row.title,
            created_at=row.created_at,
            intent=row.intent,
            strategy_meta=row.strategy_meta,
            suggested_campaign=_whole(row),
            approved_by=row.decided_by if approved else None,
            approved_at=row.decided_at if approved else None,
            rejected_by=row.decided_by if rejected else None,
            rejected_at=row.decided_at if rejected else None,
            reject_reason=row.reject_reason,
            campaign_id=row.campaign_id,
            template_id=row.template_id,
            branch_id=row.branch_id,
            hash=row.content_hash,
            difference=differences(row.difference),
            dropped_fields=row.dropped_fields,
            currency=currency,
            most_hits=hits,
            cost_of_hit=cost,
            worst_case=cost * Decimal(hits),
            has_cards=has_cards(row.campaign["action"]),
            candidates=[CandidateView.of(one, row) for one in row.candidates],
            refused_candidates=[
                RefusedCandidate.model_validate(one) for one in row.refused_candidates
            ],
        )


def _whole(row: ProposalRow) -> dict[str, Any]:
    ours = {"merchantId": row.merchant_id, "status": "ACTIVE", "strategyMeta": row.strategy_meta}
    return row.campaign | ours


class ProposalsPage(Page):
    merchant_id: str
    currency: Currency
    items: list[ProposalView]


class ConfirmView(View):
    proposal_id: str
    status: ProposalStatus
    campaign_id: str


class RejectView(View):
    proposal_id: str
    status: ProposalStatus


# --- the chat ---------------------------------------------------------------------------------


class MessageView(View):
    """`writer`: what answered, where it was no model one should trust; for pages."""

    message_id: str
    role: Speaker
    type: MessageType
    text: str
    proposal_id: str | None
    metadata: dict[str, Any] | None
    created_at: Timestamp
    writer: str | None = Field(None, exclude=True)

    @classmethod
    def of(cls, row: StrategyMessage) -> Self:
        card = dict(row.card or {})
        writer = card.pop(WRITER, None)
        return cls(
            message_id=f"msg_{row.session_id}_{row.seq}",
            role=row.role,
            type=row.type,
            text=row.text,
            proposal_id=row.proposal_id,
            metadata=card or None,
            created_at=row.created_at,
            writer=writer,
        )


class MessagesPage(Page):
    merchant_id: str
    session_id: str
    items: list[MessageView]


class ActiveCampaign(View):
    id: str
    name: str
    status: str
    trigger: dict[str, Any]
    priority: int


class ApprovedStrategy(View):
    proposal_id: str
    campaign_id: str
    title: str
    template_id: str
    branch_id: str
    approved_at: Timestamp


class ChatSessionView(View):
    merchant_id: str
    session_id: str
    pending_review: ReviewCard | None
    pending_reviews: list[ReviewCard]
    messages: list[MessageView]
    message_count: int
    latest_message_id: str | None
    active_campaigns: list[ActiveCampaign]
    approved_strategies: list[ApprovedStrategy]


class TurnView(ChatSessionView):
    """How a message was answered, with the chat as it is then.

    `reason`: why there was no answer; `reasons`: why there is no proposal; `message`: what is to
    be done first. `deltaMessages` are those that this call added.
    """

    status: str
    delta_messages: list[MessageView]
    reason: str | None = None
    reasons: list[str] | None = None
    message: str | None = None


class ReviewedView(ChatSessionView):
    status: ProposalStatus
    proposal_id: str
    campaign_id: str | None = None
