"""What becomes of a model's answer: words, a proposal that waits, or why there is none."""

from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext
from sqlalchemy.orm import Session

from mealquest.core.clock import utc_now
from mealquest.core.principal import Principal
from mealquest.strategy import candidates, proposals
from mealquest.strategy.agent.domain import Decision, Mode, Note, Unavailable
from mealquest.strategy.agent.runtime import config
from mealquest.strategy.domain import MessageType, Speaker, TurnStatus, short_reason
from mealquest.strategy.limit_words import limit_words
from mealquest.strategy.models import WRITER, ProposalRow, StrategySession
from mealquest.strategy.notes import failure_notice, note_words
from mealquest.strategy.replies import ReviewCard
from mealquest.strategy.sessions import say
from mealquest.strategy.storing import store

WORDS_LENGTH = 4000


@dataclass(frozen=True, slots=True)
class Outcome:
    """`reasons`: why it was blocked, or the one why nobody answered."""

    status: TurnStatus
    reasons: list[str] = field(default_factory=list)
    proposal_id: str | None = None


def write(
    session: Session,
    row: StrategySession,
    asked: str,
    said: Decision | Unavailable,
    by: Principal,
) -> Outcome:
    """Store the answer as a message; the caller has the session's lock and the shop's language."""
    if isinstance(said, Unavailable):
        return _unavailable(session, row, said)
    if said.mode is not Mode.PROPOSAL or not said.proposals:
        say(session, row, Speaker.ASSISTANT, _words(said), card=_writer())
        return Outcome(TurnStatus.CHAT_REPLY)
    shop = proposals.shop_of(session, row.merchant_id)
    found = candidates.of_chat(said.proposals, shop, utc_now())
    if not found.sound:
        return _blocked(session, row, [short_reason(reason) for reason in found.reasons])
    stored = store(session, row.merchant_id, found, intent=asked, by=by, session_id=row.id)
    say(
        session,
        row,
        Speaker.ASSISTANT,
        _words(said),
        kind=MessageType.PROPOSAL_CARD,
        proposal_id=stored.id,
        card=_card(stored) | _writer(),
    )
    return Outcome(TurnStatus.PENDING_REVIEW, proposal_id=stored.id)


def _words(said: Decision) -> str:
    return note_words(said.note) if said.note else words_of(said.assistant_message)


def words_of(said: Any) -> str:
    """A model's words without characters that cannot be stored, line breaks kept."""
    text = said if isinstance(said, str) else ""
    kept = "".join(
        char for char in text if char == "\n" or (char.isprintable() and char != "\ufeff")
    )
    return kept.strip()[:WORDS_LENGTH] or note_words(Note.UNCLEAR)


def _unavailable(session: Session, row: StrategySession, said: Unavailable) -> Outcome:
    say(session, row, Speaker.ASSISTANT, failure_notice(said.code))
    return Outcome(TurnStatus.AI_UNAVAILABLE, [short_reason(said.reason)])


def _blocked(session: Session, row: StrategySession, reasons: list[str]) -> Outcome:
    notice = gettext(
        "There is a draft, but it exceeds the limits, so it was not kept: %(reasons)s",
        reasons="; ".join(limit_words(reason) for reason in reasons),
    )
    say(session, row, Speaker.ASSISTANT, notice, card=_writer())
    return Outcome(TurnStatus.BLOCKED, reasons)


def _writer() -> dict[str, Any]:
    """Who answered, kept with the message: another may answer tomorrow."""
    return {WRITER: config().provider.value}


def _card(row: ProposalRow) -> dict[str, Any]:
    return ReviewCard.of(row).model_dump(mode="json", by_alias=True)
