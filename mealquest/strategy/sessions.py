"""Chats: one is open at a merchant, and what is said in it is numbered.

The session's row is locked by whoever adds a message, so two messages never pass each other.
"""

from typing import Any

from flask_babel import gettext
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.campaigns import service as campaigns
from mealquest.core import outbox
from mealquest.core.clock import utc_now
from mealquest.core.db import after_commit_ring, transaction
from mealquest.core.errors import Invalid
from mealquest.core.ids import new_id
from mealquest.core.principal import Principal
from mealquest.strategy import proposals, queries
from mealquest.strategy.domain import (
    BELL,
    MOST_LISTED,
    MOST_MESSAGES,
    MessageType,
    ProposalStatus,
    Speaker,
    TurnState,
    TurnStatus,
)
from mealquest.strategy.errors import ReviewMismatch, SessionNotFound
from mealquest.strategy.forms import MessagesForm, ReviewForm
from mealquest.strategy.models import StrategyMessage, StrategySession
from mealquest.strategy.replies import (
    ActiveCampaign,
    ApprovedStrategy,
    ChatSessionView,
    MessagesPage,
    MessageView,
    ReviewCard,
    ReviewedView,
)
from mealquest.strategy.words import in_shops_words
from mealquest.tenancy import service as tenancy

CREATED = "STRATEGY_CHAT_SESSION_CREATED"
CREATE = "STRATEGY_CHAT_SESSION_CREATE"  # the audit's action


def begin(merchant_id: str, by: Principal) -> ChatSessionView:
    """A new chat in place of the one that was open. Its proposal stays in the inbox."""
    with transaction(merchant_id) as session:
        tenancy.settings_of(session, merchant_id)
        old = queries.open_session(session, merchant_id, lock=True)
        if old is not None:
            _end(session, old)
        row = open_one(session, merchant_id, by)
        return ChatSessionView(**view_values(session, row))


def _end(session: Session, row: StrategySession) -> None:
    """Whoever answers a message of it finds the turn over, and says nothing."""
    live = queries.live_turn(session, row.merchant_id, row.id)
    if live is not None:
        live.state, live.status = TurnState.DONE, TurnStatus.AI_UNAVAILABLE
        live.reasons = ["another chat was begun"]
    row.ended_at = row.thread_due_at = utc_now()
    after_commit_ring(session, BELL)
    session.flush()


def open_one(session: Session, merchant_id: str, by: Principal) -> StrategySession:
    """The open chat, locked; made where there is none."""
    made = session.scalar(
        insert(StrategySession)
        .values(merchant_id=merchant_id, id=new_id("sc"), created_by=by.subject)
        .on_conflict_do_nothing(
            index_elements=["merchant_id"], index_where=text("ended_at IS NULL")
        )
        .returning(StrategySession.id)
    )
    row = queries.open_session(session, merchant_id, lock=True)
    if row is None:
        raise SessionNotFound
    if made:
        with in_shops_words(session, merchant_id):
            greeting = gettext(
                "What would you like to achieve? Say it in your own words; a draft comes to you"
                " for review before anything runs."
            )
        say(session, row, Speaker.SYSTEM, greeting)
        view = ChatSessionView(**view_values(session, row))
        audit.record(session, merchant_id, CREATE, by, {"sessionId": row.id})
        outbox.publish(session, merchant_id, CREATED, view.model_dump(mode="json", by_alias=True))
    return row


def say(
    session: Session,
    row: StrategySession,
    role: Speaker,
    words: str,
    *,
    kind: MessageType = MessageType.TEXT,
    proposal_id: str | None = None,
    card: dict[str, Any] | None = None,
) -> StrategyMessage:
    """Add a message; the caller has the session's lock. The oldest go when there are too many."""
    row.message_seq += 1
    row.updated_at = utc_now()
    message = StrategyMessage(
        merchant_id=row.merchant_id,
        session_id=row.id,
        seq=row.message_seq,
        role=role,
        type=kind,
        text=words,
        proposal_id=proposal_id,
        card=card,
    )
    session.add(message)
    session.flush()
    if row.message_seq > MOST_MESSAGES:
        oldest = row.message_seq - MOST_MESSAGES
        queries.drop_messages(session, row.merchant_id, row.id, up_to=oldest)
    return message


# --- reading ----------------------------------------------------------------------------------


def current(merchant_id: str, session_id: str | None) -> ChatSessionView:
    """The open chat. SessionNotFound: there is none, or not of this id. Makes none."""
    with transaction(merchant_id) as session:
        row = require_open(session, merchant_id, session_id)
        return ChatSessionView(**view_values(session, row))


def require_open(
    session: Session, merchant_id: str, session_id: str | None, *, lock: bool = False
) -> StrategySession:
    row = queries.open_session(session, merchant_id, lock=lock)
    if row is None or (session_id is not None and session_id != row.id):
        raise SessionNotFound
    return row


def view_values(session: Session, row: StrategySession) -> dict[str, Any]:
    """The contract's view of a chat, in a number of statements that does not grow with it."""
    merchant_id = row.merchant_id
    pending = queries.pending_of(session, merchant_id, row.id)
    card = ReviewCard.of(pending) if pending else None
    said = queries.messages(session, merchant_id, row.id, before=None, limit=MOST_MESSAGES)
    shown = [MessageView.of(message) for message in said]
    return {
        "merchant_id": merchant_id,
        "session_id": row.id,
        "pending_review": card,
        "pending_reviews": [card] if card else [],
        "messages": shown,
        "message_count": len(shown),
        "latest_message_id": shown[-1].message_id if shown else None,
        "active_campaigns": _active(session, merchant_id),
        "approved_strategies": _approved(session, merchant_id),
    }


def _active(session: Session, merchant_id: str) -> list[ActiveCampaign]:
    """The last ones that run."""
    known = campaigns.state_rows(session, merchant_id)
    rows = [row for row in known if row["status"] == "ACTIVE" and not row["ended"]]
    return [ActiveCampaign.model_validate(row) for row in rows[-MOST_LISTED:]]


def _approved(session: Session, merchant_id: str) -> list[ApprovedStrategy]:
    return [
        ApprovedStrategy(
            proposal_id=row.id,
            campaign_id=row.campaign_id or "",
            title=row.title,
            template_id=row.template_id,
            branch_id=row.branch_id,
            approved_at=row.decided_at or row.created_at,
        )
        for row in queries.decided(session, merchant_id, ProposalStatus.APPROVED)
    ]


def history(merchant_id: str, form: MessagesForm) -> MessagesPage:
    """Messages in their order, the newest page first. SessionNotFound; Invalid: the cursor."""
    before = _before(form.cursor)
    with transaction(merchant_id) as session:
        row = require_open(session, merchant_id, form.session_id)
        limit = form.limit + 1
        found = queries.messages(session, merchant_id, row.id, before=before, limit=limit)
        shown = found[-form.limit :]
        return MessagesPage(
            merchant_id=merchant_id,
            session_id=row.id,
            items=[MessageView.of(message) for message in shown],
            next_cursor=str(shown[0].seq) if len(found) > len(shown) else None,
        )


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 15):
        raise Invalid("cursor is not valid", code="CURSOR_INVALID")
    return int(cursor)


# --- the owner's word -------------------------------------------------------------------------


def review(merchant_id: str, form: ReviewForm, by: Principal) -> ReviewedView:
    """Approve or reject what the chat waits with, or another pending proposal when it waits not.

    Raises:
        SessionNotFound, ReviewMismatch, and all that `proposals.confirm` raises.
    """
    with transaction(merchant_id) as session:
        row = require_open(session, merchant_id, form.session_id, lock=True)
        pending = queries.pending_of(session, merchant_id, row.id)
        if pending is not None and pending.id != form.proposal_id:
            raise ReviewMismatch
        if form.decision == "APPROVE":
            one = proposals.approve(session, merchant_id, form.proposal_id, form.hash, by)
        else:
            one = proposals.reject(session, merchant_id, form.proposal_id, form.reason, by)
        with in_shops_words(session, merchant_id):
            words = _reviewed_words(one.status, one.title)
        say(
            session,
            row,
            Speaker.SYSTEM,
            words,
            kind=MessageType.PROPOSAL_REVIEW,
            proposal_id=one.id,
        )
        view = ReviewedView(
            **view_values(session, row),
            status=one.status,
            proposal_id=one.id,
            campaign_id=one.campaign_id,
        )
        details = proposals.review_details(one) | {"sessionId": row.id}
        audit.record(session, merchant_id, proposals.REVIEW, by, details)
        event = view.model_dump(mode="json", by_alias=True)
        outbox.publish(session, merchant_id, proposals.REVIEWED, event)
    return view


def _reviewed_words(status: ProposalStatus, title: str) -> str:
    if status is ProposalStatus.APPROVED:
        return str(gettext("Approved: %(title)s. The campaign runs.", title=title))
    return str(gettext("Rejected: %(title)s.", title=title))
