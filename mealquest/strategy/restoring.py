"""Proposals, configurations and chats as another server kept them.

The agent keeps no thread of such a chat: the next message begins one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from mealquest.strategy.domain import (
    ConfigStatus,
    MessageType,
    ProposalStatus,
    Speaker,
    content_hash,
)
from mealquest.strategy.models import (
    ProposalRow,
    StrategyConfig,
    StrategyMessage,
    StrategySession,
)


@dataclass(frozen=True, slots=True)
class OldProposal:
    """`campaign` as it goes over the wire, its life in hours from its approval on.

    `session_id`: of the chat that waits with it. One that is decided has `decided_at`.
    """

    id: str
    status: ProposalStatus
    title: str
    intent: str
    template_id: str
    branch_id: str
    strategy_meta: Mapping[str, Any]
    campaign: Mapping[str, Any]
    session_id: str | None
    created_by: str
    created_at: datetime
    decided_by: str | None
    decided_at: datetime | None

    @property
    def campaign_id(self) -> str | None:
        approved = self.status is ProposalStatus.APPROVED
        return str(self.campaign["id"]) if approved else None


@dataclass(frozen=True, slots=True)
class OldConfig:
    template_id: str
    branch_id: str
    status: ConfigStatus
    last_proposal_id: str | None
    last_campaign_id: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class OldMessage:
    role: Speaker
    type: MessageType
    text: str
    proposal_id: str | None
    card: Mapping[str, Any] | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OldChat:
    """`ended_at` is None of the one that is open; a merchant has at most one."""

    id: str
    created_by: str
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    messages: Sequence[OldMessage]


def restore(
    session: Session,
    merchant_id: str,
    *,
    proposals: Sequence[OldProposal],
    configs: Sequence[OldConfig],
    chats: Sequence[OldChat],
) -> None:
    own = {"merchant_id": merchant_id}
    for table, rows in (
        (ProposalRow, [own | _proposal_row(one) for one in proposals]),
        (StrategyConfig, [own | _columns(one) for one in configs]),
        (StrategySession, [own | _chat_row(one) for one in chats]),
        (StrategyMessage, [own | row for one in chats for row in _message_rows(one)]),
    ):
        if rows:
            session.execute(insert(table), rows)


def _columns(one: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}


def _proposal_row(one: OldProposal) -> dict[str, Any]:
    kept = dict(one.campaign)
    return _columns(one) | {
        "strategy_meta": dict(one.strategy_meta),
        "campaign": kept,
        "content_hash": content_hash(one.id, one.title, kept),
        "campaign_id": one.campaign_id,
    }


def _chat_row(one: OldChat) -> dict[str, Any]:
    row = _columns(one) | {"message_seq": len(one.messages)}
    del row["messages"]
    return row


def _message_rows(one: OldChat) -> list[dict[str, Any]]:
    return [
        _columns(message)
        | {
            "session_id": one.id,
            "seq": seq,
            "card": dict(message.card) if message.card else None,
        }
        for seq, message in enumerate(one.messages, start=1)
    ]
