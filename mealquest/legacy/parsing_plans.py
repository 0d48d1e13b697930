"""Campaigns, proposals and chats out of their fields, and what a merchant had set."""

from typing import Any

from mealquest.campaigns.service import CampaignStatus
from mealquest.legacy.entities import (
    Alliance,
    Campaign,
    Chat,
    Message,
    Policy,
    Proposal,
    StrategyConfig,
)
from mealquest.legacy.reading import Reader, plain
from mealquest.strategy.service import (
    MOST_MESSAGES,
    ConfigStatus,
    MessageType,
    ProposalStatus,
    Speaker,
)
from mealquest.tenancy.service import Operation

WINDOW_MS = 60_000


def campaign(read: Reader) -> Campaign:
    read.raw("merchantId", "createdAt")
    trigger, budget = read.part("trigger"), read.part("budget")
    used = budget.whole("used", default=0) if budget else 0
    cap = budget.whole("cap", default=0) if budget else 0
    found = Campaign(
        id=read.id("id", "campaignId"),
        name=read.text("name"),
        status=read.choice(CampaignStatus, "status", default=CampaignStatus.ACTIVE),
        priority=read.whole("priority", default=0),
        event=trigger.id("event") if trigger else "",
        conditions=tuple(plain(one) for one in read.listed("conditions") if isinstance(one, dict)),
        cap=_not_negative(read, "budget.cap", cap),
        used=_not_negative(read, "budget.used", used),
        cost=_not_negative(
            read, "budget.costPerHit", budget.whole("costPerHit", default=0) if budget else 0
        ),
        action=read.object("action"),
        ttl_until=read.moment_or_none("ttlUntil"),
        meta=read.object("strategyMeta"),
        updated_at=read.moment_or_none("updatedAt"),
    )
    if trigger is None:
        read.problem("trigger", "is missing")
    if found.used > found.cap:
        read.notes.change(f"{read.where}.budget.used", f"{found.used} is kept as its cap")
    return found


def _not_negative(read: Reader, name: str, count: int) -> int:
    if count < 0:
        read.problem(name, "must not be negative")
    return max(0, count)


def proposal(read: Reader) -> Proposal:
    read.raw("merchantId")
    suggested = read.part("suggestedCampaign")
    status = read.choice(ProposalStatus, "status", default=ProposalStatus.PENDING)
    if suggested is None or not suggested.id("id"):
        read.problem("suggestedCampaign", "is missing")
    approved = status is ProposalStatus.APPROVED
    by, at = ("approvedBy", "approvedAt") if approved else ("rejectedBy", "rejectedAt")
    read.raw("approvedBy", "approvedAt", "rejectedBy", "rejectedAt")
    return Proposal(
        id=read.id("id", "proposalId"),
        status=status,
        title=read.text("title"),
        intent=read.text("intent"),
        meta=read.object("strategyMeta"),
        campaign=read.object("suggestedCampaign"),
        ttl_until=suggested.moment_or_none("ttlUntil") if suggested else None,
        created_at=read.moment_or_none("createdAt"),
        decided_by=read.text(by) or None,
        decided_at=read.moment_or_none(at),
    )


def strategy_config(read: Reader, template_id: str) -> StrategyConfig:
    read.raw("merchantId", "templateId")
    return StrategyConfig(
        template_id=template_id,
        branch_id=read.text("branchId"),
        status=read.choice(ConfigStatus, "status", default=ConfigStatus.DRAFT),
        last_proposal_id=read.id_or_none("lastProposalId"),
        last_campaign_id=read.id_or_none("lastCampaignId"),
        updated_at=read.moment_or_none("updatedAt"),
    )


def chat(read: Reader) -> Chat:
    read.raw("merchantId", "status", "messageSeq")
    said = [_message(one) for one in read.parts("messages")]
    return Chat(
        id=read.id("sessionId", "id"),
        pending_id=read.id_or_none("pendingProposalId"),
        created_by=read.text("createdBy", default="legacy"),
        created_at=read.moment_or_none("createdAt"),
        updated_at=read.moment_or_none("updatedAt"),
        messages=tuple(said[-MOST_MESSAGES:]),
    )


def _message(read: Reader) -> Message:
    read.raw("messageId")
    found = Message(
        role=read.choice(Speaker, "role", default=Speaker.SYSTEM),
        type=read.choice(MessageType, "type", default=MessageType.TEXT),
        text=read.text("text"),
        proposal_id=read.id_or_none("proposalId"),
        card=read.object("metadata") or None,
        created_at=read.moment_or_none("createdAt"),
    )
    read.end()
    return found


def policy(read: Reader) -> Policy:
    read.raw("merchantId", "updatedAt")
    limits = read.part("limits")
    return Policy(
        write_enabled=read.flag("writeEnabled", default=True),
        ws_enabled=read.flag("wsEnabled", default=True),
        limits=dict(_limits(limits)) if limits else {},
    )


def _limits(read: Reader) -> list[tuple[str, tuple[int, int]]]:
    known = {one.value for one in Operation}
    found = []
    for name in read.names():
        value: Any = read.raw(name)
        inner = read.part(name) if isinstance(value, dict) else None
        if value is None:
            continue
        count = inner.whole("limit") if inner else read.whole(name)
        window = inner.whole("windowMs", default=WINDOW_MS) if inner else WINDOW_MS
        if name not in known or count < 1 or window < 1:
            read.notes.leave_out(f"{read.where}.{name}", "a limit that cannot be kept")
        else:
            found.append((name, (count, window)))
    return found


def alliance(read: Reader) -> Alliance:
    read.raw("merchantId")
    return Alliance(
        cluster_id=read.text("clusterId") or None,
        stores=tuple(str(store) for store in read.listed("stores")),
        wallet_shared=read.flag("walletShared"),
        tier_shared=read.flag("tierShared"),
        updated_at=read.moment_or_none("updatedAt"),
    )
