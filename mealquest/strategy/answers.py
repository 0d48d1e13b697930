"""What becomes of a model's answer: words, a proposal that waits, or why there is none."""

from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext
from sqlalchemy.orm import Session

from mealquest.core.clock import utc_now
from mealquest.core.principal import Principal
from mealquest.strategy import drafting, proposals
from mealquest.strategy.agent.domain import Decision, Mode, Unavailable
from mealquest.strategy.agent.runtime import config
from mealquest.strategy.domain import MessageType, Speaker, TurnStatus, short_reason
from mealquest.strategy.drafting import Draft
from mealquest.strategy.models import ProposalRow, StrategySession
from mealquest.strategy.replies import ReviewCard
from mealquest.strategy.sessions import say

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
        return _unavailable(session, row, short_reason(said.reason))
    if said.mode is not Mode.PROPOSAL or not said.proposals:
        say(session, row, Speaker.ASSISTANT, words_of(said.assistant_message))
        return Outcome(TurnStatus.CHAT_REPLY)
    shop = proposals.shop_of(session, row.merchant_id)
    one = drafting.draft(said.proposals[0], shop, utc_now())
    if one.reasons:
        return _blocked(session, row, [short_reason(reason) for reason in one.reasons])
    stored = _store(session, row, one, asked, by)
    say(
        session,
        row,
        Speaker.ASSISTANT,
        words_of(said.assistant_message),
        kind=MessageType.PROPOSAL_CARD,
        proposal_id=stored.id,
        card=_card(stored),
    )
    return Outcome(TurnStatus.PENDING_REVIEW, proposal_id=stored.id)


def words_of(said: Any) -> str:
    """A model's words without characters that cannot be stored, line breaks kept."""
    text = said if isinstance(said, str) else ""
    kept = "".join(
        char for char in text if char == "\n" or (char.isprintable() and char != "\ufeff")
    )
    return kept.strip()[:WORDS_LENGTH] or str(gettext("Tell me more about what you want."))


def _unavailable(session: Session, row: StrategySession, reason: str) -> Outcome:
    notice = gettext(
        "The strategist cannot answer at the moment (%(reason)s). Nothing was drafted.",
        reason=reason,
    )
    say(session, row, Speaker.ASSISTANT, notice)
    return Outcome(TurnStatus.AI_UNAVAILABLE, [reason])


def _blocked(session: Session, row: StrategySession, reasons: list[str]) -> Outcome:
    notice = gettext(
        "There is a draft, but it exceeds the limits, so it was not kept: %(reasons)s",
        reasons="; ".join(reasons),
    )
    say(session, row, Speaker.ASSISTANT, notice)
    return Outcome(TurnStatus.BLOCKED, reasons)


def _store(
    session: Session, row: StrategySession, one: Draft, asked: str, by: Principal
) -> ProposalRow:
    model = config()
    meta = drafting.strategy_meta(
        one,
        provider=model.provider.value,
        model=model.model,
        by=by.subject,
        session_id=row.id,
    )
    new = proposals.new_proposal(one, meta, asked, row.id)
    return proposals.add(session, row.merchant_id, new, by.subject)


def _card(row: ProposalRow) -> dict[str, Any]:
    return ReviewCard.of(row).model_dump(mode="json", by_alias=True)
