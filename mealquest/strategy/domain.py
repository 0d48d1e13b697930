"""States of proposals, configurations and turns, and what approval is bound to. Pure."""

import json
from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Any

BELL = "strategy"  # rings for the agent's worker
MOST_CANDIDATES = 3
MOST_MESSAGES = 120  # of a session; the oldest are dropped
SEEN_BY_MODEL = 24
MOST_LISTED = 12  # campaigns and approved strategies in a session's view
REASON_LENGTH = 180


class ProposalStatus(StrEnum):
    PENDING = "PENDING"
    APPROVED = "APPROVED"  # final: there is a campaign
    REJECTED = "REJECTED"  # final


# Only the owner moves one, and only once.
MOVES: Mapping[ProposalStatus, frozenset[ProposalStatus]] = {
    ProposalStatus.PENDING: frozenset({ProposalStatus.APPROVED, ProposalStatus.REJECTED}),
}


def may_become(old: ProposalStatus, new: ProposalStatus) -> bool:
    return new in MOVES.get(old, frozenset())


class ConfigStatus(StrEnum):
    """What became of a template the last time somebody used it."""

    DRAFT = "DRAFT"
    PENDING_APPROVAL = "PENDING_APPROVAL"
    ACTIVE = "ACTIVE"
    REJECTED = "REJECTED"


class TurnKind(StrEnum):
    CHAT = "CHAT"
    PLAN = "PLAN"  # a strategy asked for outright


class TurnState(StrEnum):
    WAITING = "WAITING"  # for a worker
    RUNNING = "RUNNING"  # a worker asks the model
    DONE = "DONE"  # final: answered, or given up by whoever found it past its time


TURN_MOVES: Mapping[TurnState, frozenset[TurnState]] = {
    TurnState.WAITING: frozenset({TurnState.RUNNING, TurnState.DONE}),
    TurnState.RUNNING: frozenset({TurnState.DONE}),
}
LIVE = tuple(TURN_MOVES)


class TurnStatus(StrEnum):
    """How a message or a plan was answered."""

    PENDING = "PENDING"  # a plan that brought a proposal
    NEED_CLARIFICATION = "NEED_CLARIFICATION"
    CHAT_REPLY = "CHAT_REPLY"
    PENDING_REVIEW = "PENDING_REVIEW"
    REVIEW_REQUIRED = "REVIEW_REQUIRED"
    BLOCKED = "BLOCKED"
    AI_UNAVAILABLE = "AI_UNAVAILABLE"


class Speaker(StrEnum):
    SYSTEM = "SYSTEM"
    USER = "USER"
    ASSISTANT = "ASSISTANT"


class MessageType(StrEnum):
    TEXT = "TEXT"
    PROPOSAL_CARD = "PROPOSAL_CARD"
    PROPOSAL_REVIEW = "PROPOSAL_REVIEW"


def content_hash(proposal_id: str, title: str, campaign: Mapping[str, Any]) -> str:
    """What an approval is bound to: the id, the title and every part of the campaign."""
    said = {"proposalId": proposal_id, "title": title, "campaign": campaign}
    text = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def short_reason(reason: str) -> str:
    """Why there was no answer: one line, at most 180 characters."""
    line = " ".join(reason.split())
    return line if len(line) <= REASON_LENGTH else line[: REASON_LENGTH - 1] + "…"


def difference(
    old: Mapping[str, Any], new: Mapping[str, Any], path: str = ""
) -> list[dict[str, Any]]:
    """Every part in which two campaigns differ, by its path, in the order of the new one.

    A list is one part: an order of conditions or actions has no smaller pieces to compare.
    """
    found = []
    for key in [*new, *(key for key in old if key not in new)]:
        before, after = old.get(key), new.get(key)
        here = f"{path}.{key}" if path else key
        if isinstance(before, dict) and isinstance(after, dict):
            found += difference(before, after, here)
        elif before != after or type(before) is not type(after):
            found.append({"path": here, "from": before, "to": after})
    return found
