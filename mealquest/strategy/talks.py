"""The open chat as its page shows it, with an answer that is still being written."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.strategy import queries
from mealquest.strategy.agent import drafts
from mealquest.strategy.agent.domain import FailureCode, Unavailable
from mealquest.strategy.domain import TurnStatus
from mealquest.strategy.errors import TurnNotFound
from mealquest.strategy.models import StrategySession, StrategyTurn
from mealquest.strategy.replays import looked_at
from mealquest.strategy.replies import ChatSessionView, ProposalView, TurnView
from mealquest.strategy.sessions import view_values
from mealquest.strategy.talk_replies import LiveTurn
from mealquest.strategy.turns import finish, shown, too_late
from mealquest.tenancy import service as tenancy


@dataclass(frozen=True, slots=True)
class Talk:
    """`again`: what was asked last, where nobody could answer it."""

    session: ChatSessionView | None = None
    proposal: ProposalView | None = None
    turn: LiveTurn | None = None
    again: str | None = None


def open_talk(merchant_id: str) -> Talk:
    """The open chat with all that a page shows of it; nothing where there is none.

    A turn that is past its time ends here, as it does wherever somebody finds it.
    """
    talk, live = _look(merchant_id)
    if live is None:
        return talk
    if live.deadline_at <= utc_now():
        finish(merchant_id, live.id, too_late())
        return _look(merchant_id)[0]
    turn = LiveTurn.of(live, drafts.draft_of(merchant_id, live.id))
    return Talk(talk.session, talk.proposal, turn)


def _look(merchant_id: str) -> tuple[Talk, StrategyTurn | None]:
    with transaction(merchant_id) as session:
        row = queries.open_session(session, merchant_id)
        if row is None:
            return Talk(), None
        live = queries.live_turn(session, merchant_id, row.id)
        pending = queries.pending_of(session, merchant_id, row.id)
        currency = tenancy.settings_of(session, merchant_id).currency
        talk = Talk(
            session=ChatSessionView(**view_values(session, row)),
            proposal=looked_at(session, pending, currency) if pending else None,
            again=None if live or pending else _unanswered(session, row),
        )
        return talk, live


def _unanswered(session: Session, row: StrategySession) -> str | None:
    """The last message, when the notice that nobody answered is the last word since."""
    last = queries.last_turn(session, row.merchant_id, row.id)
    if last is None or last.status is not TurnStatus.AI_UNAVAILABLE:
        return None
    return last.content if last.last_seq == row.message_seq else None


def stop(merchant_id: str, turn_id: str) -> TurnView:
    """Wait no longer for an answer: one that still comes is thrown away. Safe to repeat.

    A model that streams is hung up on with its next words, so that its place is free for others.

    Raises:
        TurnNotFound: there is no such message in a chat.
    """
    _require(merchant_id, turn_id)
    said = Unavailable.because("it was stopped", FailureCode.STOPPED)
    if finish(merchant_id, turn_id, said):
        drafts.stop(merchant_id, turn_id)
    with transaction(merchant_id) as session:
        row = queries.turn(session, merchant_id, turn_id)
        if row is None:
            raise TurnNotFound
        return shown(session, row)


def _require(merchant_id: str, turn_id: str) -> None:
    with transaction(merchant_id) as session:
        row = queries.turn(session, merchant_id, turn_id)
        if row is None or not row.session_id:
            raise TurnNotFound
