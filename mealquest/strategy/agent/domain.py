"""What goes into a turn of the strategist and what comes out of it. No database, no network."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

HISTORY = 24  # messages the model sees, the newest ones
CAMPAIGNS = 12
STRATEGIES = 12
TEXT = 320  # characters of one message of the history
NAME = 120  # characters of a campaign's name or a proposal's title
USER_TEXT = 4000
REASON = 180
REJECTIONS = 6
ELLIPSIS = "…"

Json = dict[str, Any]


class Mode(StrEnum):
    CHAT_REPLY = "CHAT_REPLY"
    PROPOSAL = "PROPOSAL"


class Note(StrEnum):
    """What is told in the product's own words, where a model has none or may not use its own."""

    DRAFTED = "DRAFTED"
    UNCLEAR = "UNCLEAR"
    UNTRACED = "UNTRACED"  # a draft quoted figures of which nothing is known
    OPEN = "OPEN"  # the request leaves open what a draft depends on


class FailureCode(StrEnum):
    """Why the model could not be heard; stable, for logs, metrics and pages."""

    NOT_CONFIGURED = "AI_NOT_CONFIGURED"
    TIMEOUT = "AI_TIMEOUT"
    NETWORK = "AI_NETWORK"
    HTTP = "AI_HTTP_ERROR"
    FORMAT = "AI_INVALID_JSON"
    CIRCUIT_OPEN = "AI_CIRCUIT_OPEN"
    QUEUE_FULL = "AI_QUEUE_FULL"
    WAITED_TOO_LONG = "AI_QUEUE_TIMEOUT"
    GRAPH = "AI_GRAPH_FAILED"
    STOPPED = "AI_STOPPED"  # nobody waits for the answer any more


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No answer: what the owner is told. Nothing was drafted, and nothing stands in for it."""

    reason: str
    code: FailureCode

    @classmethod
    def because(cls, reason: str, code: FailureCode) -> "Unavailable":
        """One line of at most 180 characters."""
        return cls(shortened(" ".join(reason.split()), REASON), code)


class FormatError(Exception):
    """The model spoke, but not in the form it was asked for."""


@dataclass(frozen=True, slots=True)
class ChatTask:
    """One turn: what was said, and what the merchant's strategist may know.

    `history` ends with the message just sent. Items are the contract's JSON objects; `templates`
    lists template and branch ids with their descriptions, `facts` the figures (`facts.as_sent`),
    `rejections` the reasons the owner gave for declining earlier drafts; `more` is sent as it is.
    A turn that is run again with the same `turn_id` goes on where it stood.
    """

    merchant_id: str
    session_id: str
    user_message: str
    history: Sequence[Json] = ()
    active_campaigns: Sequence[Json] = ()
    approved_strategies: Sequence[Json] = ()
    templates: Sequence[Json] = ()
    facts: Sequence[Json] = ()
    rejections: Sequence[Any] = ()
    turn_id: str = ""
    locale: str = "en"
    more: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanTask:
    """A strategy asked for outright, by an intent in words or by template and branch.

    `turn_id` names the work for the model's line, so that it may be taken up again after a kill.
    """

    merchant_id: str
    turn_id: str = ""
    intent: str = ""
    template_id: str | None = None
    branch_id: str | None = None
    templates: Sequence[Json] = ()
    facts: Sequence[Json] = ()
    locale: str = "en"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the model decided. Proposals are its own words, still to be validated.

    With a `note` there is no message: it is told in the shop's language.
    """

    mode: Mode
    assistant_message: str
    proposals: tuple[Json, ...] = ()
    note: Note | None = None


class PlanStatus(StrEnum):
    PROPOSALS = "PROPOSALS"
    NEED_CLARIFICATION = "NEED_CLARIFICATION"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the planner ends with: candidates, or what it still has to be told, by slot.

    `note`: why there is nothing, told in the shop's language.
    """

    status: PlanStatus
    candidates: tuple[Json, ...] = ()
    missing_slots: tuple[str, ...] = ()
    note: Note | None = None
    confidence: float | None = None
    profile: Json = field(default_factory=dict)


def shortened(text: str, most: int) -> str:
    """At most `most` characters, the last one an ellipsis where something was cut off."""
    return text if len(text) <= most else text[: most - 1] + ELLIPSIS


def as_sent(task: ChatTask) -> Json:
    """The task in the model's bounds: the newest items, each text cut, known keys only."""
    history = ("role", "type", "text", "proposalId", "createdAt")
    campaigns = ("id", "name", "status", "triggerEvent", "priority")
    strategies = ("proposalId", "campaignId", "title", "templateId", "branchId", "approvedAt")
    return task.more | {
        "merchantId": task.merchant_id,
        "sessionId": task.session_id,
        "userMessage": shortened(task.user_message, USER_TEXT),
        "history": _newest(task.history, HISTORY, history, {"text": TEXT}),
        "activeCampaigns": _newest(task.active_campaigns, CAMPAIGNS, campaigns, {"name": NAME}),
        "approvedStrategies": _newest(
            task.approved_strategies, STRATEGIES, strategies, {"title": NAME}
        ),
        "templates": list(task.templates),
        "facts": list(task.facts),
        "rejections": list(task.rejections[-REJECTIONS:]),
        "locale": task.locale,
    }


def _newest(
    items: Sequence[Json], most: int, keys: Sequence[str], cut: Mapping[str, int]
) -> list[Json]:
    return [
        {
            key: shortened(item[key], cut[key])
            if key in cut and isinstance(item[key], str)
            else item[key]
            for key in keys
            if key in item
        }
        for item in items[-most:]
    ]


_FENCED = re.compile(r"```(?:json)?\s*\n?(.*?)```", re.DOTALL | re.IGNORECASE)


def parse(text: str) -> Json:
    """The JSON object in a model's answer: plain, in a fenced block, or between the outer braces.

    FormatError: there is none.
    """
    fenced = _FENCED.search(text)
    first, last = text.find("{"), text.rfind("}")
    for candidate in (text, fenced.group(1) if fenced else "", text[first : last + 1]):
        found = _object(candidate)
        if found is not None:
            return found
    raise FormatError("the model did not answer with a JSON object")


def _object(text: str) -> Json | None:
    try:
        found = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def decided(answer: Json) -> Decision:
    """Mode, words and proposals of an answer; PROPOSAL needs at least one that is an object."""
    proposals = _proposals(answer)
    words = answer.get("assistantMessage")
    message = words.strip() if isinstance(words, str) else ""
    if answer.get("mode") == Mode.PROPOSAL and proposals:
        return Decision(Mode.PROPOSAL, message, proposals, None if message else Note.DRAFTED)
    return Decision(Mode.CHAT_REPLY, message, note=None if message else Note.UNCLEAR)


def _proposals(answer: Json) -> tuple[Json, ...]:
    several, one = answer.get("proposals"), answer.get("proposal")
    found = several if isinstance(several, list) and several else [one]
    return tuple(item for item in found if isinstance(item, dict))[:3]
