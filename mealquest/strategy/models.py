from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.core.db import TenantRow, stamp, stored
from mealquest.core.principal import Role
from mealquest.strategy.domain import (
    ConfigStatus,
    MessageType,
    ProposalStatus,
    Speaker,
    TurnKind,
    TurnState,
    TurnStatus,
)


def _thread_due() -> Index:
    return Index(
        None,
        "merchant_id",
        "thread_due_at",
        postgresql_where=text("thread_due_at IS NOT NULL"),
    )


def _session_key() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["merchant_id", "session_id"], ["strategy_sessions.merchant_id", "strategy_sessions.id"]
    )


class StrategySession(TenantRow):
    """A chat with the strategist. Of a merchant one is open; its row lock orders what is said."""

    __tablename__ = "strategy_sessions"
    __table_args__ = (
        Index(None, "merchant_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        _thread_due(),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    message_seq: Mapped[int] = mapped_column(server_default=text("0"))
    created_by: Mapped[str]
    created_at: Mapped[datetime] = stamp()
    updated_at: Mapped[datetime] = stamp()
    ended_at: Mapped[datetime | None]
    thread_due_at: Mapped[datetime | None]  # when the agent is to forget what it keeps of it


WRITER = "_writer"  # in the card of a message: the provider that answered


class StrategyMessage(TenantRow):
    """One message; the oldest of a session go when there are too many."""

    __tablename__ = "strategy_messages"
    __table_args__ = (_session_key(),)

    session_id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    role: Mapped[Speaker] = mapped_column(stored(Speaker))
    type: Mapped[MessageType] = mapped_column(stored(MessageType))
    text: Mapped[str]
    proposal_id: Mapped[str | None]
    # `metadata` on the wire: what a card showed when it was written; beside it who wrote (WRITER).
    card: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = stamp()


class StrategyTurn(TenantRow):
    """What is to be answered, by a worker, before `deadline_at`: a message, or a plan.

    A message is `content` of a chat. A plan has no chat: `request` is what was asked for, `answer`
    what came of it, as it goes over the wire; one of a merchant waits at a time.
    """

    __tablename__ = "strategy_turns"
    __table_args__ = (
        _session_key(),
        Index(
            None,
            "merchant_id",
            "session_id",
            unique=True,
            postgresql_where=text("state IN ('WAITING', 'RUNNING')"),
        ),
        Index(
            None,
            "merchant_id",
            unique=True,
            postgresql_where=text("kind = 'PLAN' AND state IN ('WAITING', 'RUNNING')"),
        ),
        CheckConstraint(
            "(kind = 'CHAT') = (session_id IS NOT NULL)"
            " AND (kind = 'PLAN') = (request IS NOT NULL)",
            name="a_chat_or_a_plan",
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[TurnKind] = mapped_column(stored(TurnKind), server_default=text("'CHAT'"))
    session_id: Mapped[str | None]
    state: Mapped[TurnState] = mapped_column(stored(TurnState))
    status: Mapped[TurnStatus | None] = mapped_column(stored(TurnStatus))  # once it is done
    content: Mapped[str]
    request: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    reasons: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'"))
    first_seq: Mapped[int]  # of the message it stored; 0 for a plan
    last_seq: Mapped[int | None]  # of its answer
    proposal_id: Mapped[str | None]
    asked_by: Mapped[str]
    asked_role: Mapped[Role]
    created_at: Mapped[datetime] = stamp()
    deadline_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]  # of the worker that has it
    attempts: Mapped[int] = mapped_column(server_default=text("0"))


class ProposalRow(TenantRow):
    """A campaign that waits for the owner. What was shown is what `content_hash` is made of.

    `campaign` is as it goes over the wire, amounts in major units, `ttlHours` from its approval.
    `candidates` are all that may be picked, the one that waits among them; none where there was
    only one. `refused_candidates` are drafts that the limits stood against, with why.
    """

    __tablename__ = "proposals"
    __table_args__ = (
        Index(
            None,
            "merchant_id",
            "session_id",
            unique=True,
            postgresql_where=text("status = 'PENDING' AND session_id IS NOT NULL"),
        ),
        Index(None, "merchant_id", "created_at", "id"),
        Index(None, "merchant_id", "status", "created_at", "id"),
        CheckConstraint(
            "(status = 'PENDING') = (decided_at IS NULL)", name="decided_once_it_is_not_pending"
        ),
        CheckConstraint("status <> 'APPROVED' OR campaign_id IS NOT NULL", name="has_a_campaign"),
        _thread_due(),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[ProposalStatus] = mapped_column(stored(ProposalStatus))
    title: Mapped[str]
    intent: Mapped[str]
    template_id: Mapped[str]
    branch_id: Mapped[str]
    strategy_meta: Mapped[dict[str, Any]]
    campaign: Mapped[dict[str, Any]]
    difference: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    dropped_fields: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'"))
    candidates: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    refused_candidates: Mapped[list[dict[str, Any]]] = mapped_column(
        JSONB, server_default=text("'[]'")
    )
    content_hash: Mapped[str]
    session_id: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = stamp()
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    reject_reason: Mapped[str | None]
    campaign_id: Mapped[str | None]
    picked_by: Mapped[str | None]  # who put another candidate in place of the first
    picked_at: Mapped[datetime | None]
    thread_due_at: Mapped[datetime | None]  # when the agent is to hear of the decision


class StrategyConfig(TenantRow):
    """What became of a template the last time it was used at a merchant."""

    __tablename__ = "strategy_configs"

    template_id: Mapped[str] = mapped_column(primary_key=True)
    branch_id: Mapped[str]
    status: Mapped[ConfigStatus] = mapped_column(stored(ConfigStatus))
    last_proposal_id: Mapped[str | None]
    last_campaign_id: Mapped[str | None]
    updated_at: Mapped[datetime] = stamp()
