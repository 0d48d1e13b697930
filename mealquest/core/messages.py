"""Messages to people (phone codes, mails): rows first, sent by a job, shown in the dev outbox.

Recipient and text are encrypted; outside development both are erased once the message is sent.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import structlog
from flask import current_app
from sqlalchemy import Index, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from mealquest.core.crypto import Keyring
from mealquest.core.db import ControlRow, after_commit_ring, stamp, stored, transaction
from mealquest.core.ids import new_id

BELL = "messages"
LEASE = timedelta(minutes=2)
KEPT = timedelta(days=7)
MAX_ATTEMPTS = 8
PLACE = "outbound_messages.content"

log = structlog.get_logger(__name__)


class MessageKind(StrEnum):
    SMS = "sms"
    EMAIL = "email"


class MessageState(StrEnum):
    QUEUED = "queued"  # waits for run_at
    SENT = "sent"  # final: the edge took it
    FAILED = "failed"  # final: given up after MAX_ATTEMPTS or past its time
    KEPT = "kept"  # final: no edge is configured, it is only shown in the development outbox


class OutboundMessage(ControlRow):
    __tablename__ = "outbound_messages"
    __table_args__ = (Index(None, "run_at", postgresql_where=text("state = 'queued'")),)

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[MessageKind] = mapped_column(stored(MessageKind))
    state: Mapped[MessageState] = mapped_column(stored(MessageState))
    content: Mapped[str | None]  # encrypted; null once sent outside development
    created_at: Mapped[datetime] = stamp()
    run_at: Mapped[datetime] = stamp()
    expires_at: Mapped[datetime | None]  # not worth sending later than this
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None]


@dataclass(frozen=True, slots=True)
class Message:
    to: str
    subject: str
    text: str
    html: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)  # what the edge sends, when not the text


@dataclass(frozen=True, slots=True)
class StoredMessage:
    id: str
    kind: MessageKind
    created_at: datetime
    message: Message


Senders = Mapping[MessageKind, Callable[[StoredMessage], None]]


def post(
    session: Session,
    kind: MessageKind,
    message: Message,
    *,
    has_edge: bool,
    expires_at: datetime | None = None,
) -> None:
    """Write a message to be sent after the commit; without an edge it is only kept to be shown."""
    state = MessageState.QUEUED if has_edge else MessageState.KEPT
    content = _keyring().encrypt(json.dumps(asdict(message)), place=PLACE)
    session.execute(
        insert(OutboundMessage).values(
            id=new_id("msg"), kind=kind, state=state, content=content, expires_at=expires_at
        )
    )
    if has_edge:
        after_commit_ring(session, BELL)


def newest(limit: int = 100) -> list[StoredMessage]:
    """What the development outbox shows, newest first."""
    with transaction() as session:
        rows = session.scalars(
            select(OutboundMessage)
            .where(OutboundMessage.content.is_not(None))
            .order_by(OutboundMessage.created_at.desc(), OutboundMessage.id.desc())
            .limit(limit)
        ).all()
    return [_opened(row) for row in rows]


def deliver_due(senders: Senders, *, limit: int = 20) -> int:
    """Send one batch of due messages, at least once each; returns the batch's size."""
    claimed = _claim(limit)
    for message in claimed:
        _send(message, senders)
    return len(claimed)


def has_due() -> bool:
    with transaction() as session:
        return bool(session.scalar(select(select(OutboundMessage.id).where(*_due()).exists())))


def purge_old(limit: int = 10_000) -> int:
    """Forget messages that are settled and past their time; returns how many."""
    with transaction() as session:
        gone = session.execute(
            text(
                "DELETE FROM outbound_messages WHERE id IN (SELECT id FROM outbound_messages"
                " WHERE state <> 'queued' AND created_at < now() - CAST(:kept AS interval)"
                " LIMIT :limit) RETURNING id"
            ),
            {"kept": KEPT, "limit": limit},
        )
        return len(gone.all())


def _due() -> list[Any]:
    return [OutboundMessage.state == MessageState.QUEUED, OutboundMessage.run_at <= func.now()]


def _claim(limit: int) -> list[StoredMessage]:
    due = select(OutboundMessage.id).where(*_due()).limit(limit).with_for_update(skip_locked=True)
    with transaction() as session:
        rows = session.scalars(
            update(OutboundMessage)
            .where(OutboundMessage.id.in_(due))
            .values(attempts=OutboundMessage.attempts + 1, run_at=func.now() + LEASE)
            .returning(OutboundMessage)
            .execution_options(synchronize_session=False)
        ).all()
    return [_opened(row) for row in rows]


def _send(message: StoredMessage, senders: Senders) -> None:
    try:
        senders[message.kind](message)
    except Exception as failure:  # noqa: BLE001 - the row keeps the reason, the next try comes
        log.warning("message not sent", message_id=message.id, error=type(failure).__name__)
        _put_off(message.id, repr(failure)[:300])
    else:
        _settle(message.id)


def _settle(message_id: str) -> None:
    kept = current_app.config["SETTINGS"].is_development
    content = OutboundMessage.content if kept else None
    with transaction() as session:
        session.execute(
            update(OutboundMessage)
            .where(OutboundMessage.id == message_id)
            .values(state=MessageState.SENT, last_error=None, content=content)
        )


def _put_off(message_id: str, error: str) -> None:
    with transaction() as session:
        session.execute(
            text(
                "UPDATE outbound_messages SET last_error = :error,"
                " state = CASE WHEN attempts >= :most OR expires_at < now()"
                " THEN 'failed' ELSE state END,"
                " run_at = now() + random() * least(power(2, attempts), 900) * interval '1 second'"
                " WHERE id = :id"
            ),
            {"error": error, "most": MAX_ATTEMPTS, "id": message_id},
        )


def _opened(row: OutboundMessage) -> StoredMessage:
    content = json.loads(_keyring().decrypt(row.content or "", place=PLACE))
    return StoredMessage(row.id, row.kind, row.created_at, Message(**content))


def _keyring() -> Keyring:
    keyring: Keyring = current_app.extensions["keyring"]
    return keyring
