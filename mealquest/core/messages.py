"""Messages to people (phone codes, mails): rows first, sent by a job, shown in the dev outbox.

Recipient and text are encrypted; outside development both are erased once the message is sent.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import structlog
from flask import current_app
from sqlalchemy import Index, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from mealquest.core.clock import utc_now
from mealquest.core.crypto import Keyring, derive_key, keyed_hash
from mealquest.core.db import ControlRow, after_commit_ring, stamp, stored, transaction
from mealquest.core.ids import new_id

BELL = "messages"
LEASE = timedelta(minutes=2)
KEPT = timedelta(days=7)
LONGEST_WAIT_S = 3600  # that an edge may ask for
PLACE = "outbound_messages.content"

log = structlog.get_logger(__name__)


class MessageKind(StrEnum):
    SMS = "sms"
    EMAIL = "email"


class MessageState(StrEnum):
    QUEUED = "queued"  # waits for run_at
    SENT = "sent"  # final: the edge took it
    FAILED = "failed"  # final: refused, given up after MAX_ATTEMPTS, past its time, or dropped
    KEPT = "kept"  # final: no edge is configured, it is only shown in the development outbox


# About four minutes of back-off for a code, an hour and a half for a mail.
MAX_ATTEMPTS = {MessageKind.SMS: 8, MessageKind.EMAIL: 20}


class OutboundMessage(ControlRow):
    __tablename__ = "outbound_messages"
    __table_args__ = (
        Index(None, "run_at", postgresql_where=text("state = 'queued'")),
        Index(None, "recipient_hash"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[MessageKind] = mapped_column(stored(MessageKind))
    state: Mapped[MessageState] = mapped_column(stored(MessageState))
    content: Mapped[str | None]  # encrypted; null once sent outside development
    recipient_hash: Mapped[str | None]  # keyed; finds what goes to somebody who is erased
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
    about: dict[str, str] = field(default_factory=dict)  # what it belongs to, for its author
    attachments: list[str] = field(default_factory=list)  # names of files made when it is sent


@dataclass(frozen=True, slots=True)
class StoredMessage:
    id: str
    kind: MessageKind
    created_at: datetime
    message: Message
    is_last_try: bool = False


class NotTaken(Exception):
    """An edge did not take a message. The text is kept with its row, and names no person.

    `wait_s`: how long the edge asked to be left alone; `for_good`: it will never take this one.
    """

    def __init__(self, why: str, *, wait_s: float | None = None, for_good: bool = False) -> None:
        super().__init__(why)
        self.wait_s = wait_s
        self.for_good = for_good


Senders = Mapping[MessageKind, Callable[[StoredMessage], None]]
# Hears what became of a message, at least once, before its row is settled.
Told = Callable[[StoredMessage, MessageState, str | None], None]


def post(
    session: Session,
    kind: MessageKind,
    message: Message,
    *,
    has_edge: bool,
    expires_at: datetime | None = None,
) -> str:
    """Write a message to be sent after the commit; without an edge it is only kept to be shown.

    Returns its id, which is also the idempotency key that edges get.
    """
    message_id = new_id("msg")
    state = MessageState.QUEUED if has_edge else MessageState.KEPT
    content = _keyring().encrypt(json.dumps(asdict(message)), place=PLACE)
    session.execute(
        insert(OutboundMessage).values(
            id=message_id,
            kind=kind,
            state=state,
            content=content,
            recipient_hash=_recipient_hash(message.to),
            expires_at=expires_at,
        )
    )
    if has_edge:
        after_commit_ring(session, BELL)
    return message_id


def drop(session: Session, message_ids: Collection[str]) -> None:
    """Erase messages: what waits is not sent any more, of what was sent nothing is kept."""
    session.execute(
        update(OutboundMessage)
        .where(OutboundMessage.id.in_(message_ids), OutboundMessage.state == MessageState.QUEUED)
        .values(state=MessageState.FAILED, last_error="dropped")
    )
    session.execute(
        update(OutboundMessage).where(OutboundMessage.id.in_(message_ids)).values(content=None)
    )


def forget(session: Session, recipients: Iterable[str]) -> None:
    """Forget every message to these phones or addresses; what still waits is not sent."""
    hashes = [_recipient_hash(recipient) for recipient in recipients]
    if hashes:
        session.execute(
            delete(OutboundMessage)
            .where(OutboundMessage.recipient_hash.in_(hashes))
            .execution_options(synchronize_session=False)
        )


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


def deliver_due(
    senders: Senders, *, limit: int = 20, told: Told = lambda message, state, error: None
) -> int:
    """Send one batch of due messages, at least once each; returns the batch's size."""
    claimed = _claim(limit)
    for message in claimed:
        _send(message, senders, told)
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
    """Codes, which somebody waits for, before mails."""
    due = (
        select(OutboundMessage.id)
        .where(*_due())
        .order_by(OutboundMessage.kind.desc(), OutboundMessage.run_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")  # read once: a subquery might be read again, and go past its limit
    )
    with transaction() as session:
        rows = session.scalars(
            update(OutboundMessage)
            .where(OutboundMessage.id.in_(select(due.c.id)))
            .values(attempts=OutboundMessage.attempts + 1, run_at=func.now() + LEASE)
            .returning(OutboundMessage)
            .execution_options(synchronize_session=False)
        ).all()
    return [_opened(row) for row in rows]


def _send(message: StoredMessage, senders: Senders, told: Told) -> None:
    try:
        senders[message.kind](message)
        told(message, MessageState.SENT, None)
    except Exception as failure:  # noqa: BLE001 - the row keeps the reason, the next try comes
        log.warning("message not sent", message_id=message.id, error=type(failure).__name__)
        _not_sent(message, failure, told)
    else:
        _settle(message.id)


def _not_sent(message: StoredMessage, failure: Exception, told: Told) -> None:
    why = repr(failure)[:300]
    wait_s = None
    given_up = message.is_last_try
    if isinstance(failure, NotTaken):
        wait_s = None if failure.wait_s is None else min(failure.wait_s, LONGEST_WAIT_S)
        given_up = given_up or failure.for_good
    if given_up:
        told(message, MessageState.FAILED, why)
    _put_off(message.id, why, given_up=given_up, wait_s=wait_s)


def _settle(message_id: str) -> None:
    kept = current_app.config["SETTINGS"].is_development
    content = OutboundMessage.content if kept else None
    with transaction() as session:
        session.execute(
            update(OutboundMessage)
            .where(OutboundMessage.id == message_id)
            .values(state=MessageState.SENT, last_error=None, content=content)
        )


def _put_off(message_id: str, error: str, *, given_up: bool, wait_s: float | None) -> None:
    """Full jitter: a random part of 2^attempts seconds, at most a quarter of an hour, after what
    the edge asked for."""
    with transaction() as session:
        session.execute(
            text(
                "UPDATE outbound_messages SET last_error = :error,"
                " state = CASE WHEN :given_up THEN 'failed' ELSE state END,"
                " run_at = now() + make_interval(secs => :wait)"
                " + random() * least(power(2, attempts), 900) * interval '1 second'"
                " WHERE id = :id"
            ),
            {"error": error, "given_up": given_up, "wait": float(wait_s or 0), "id": message_id},
        )


def _is_last_try(row: OutboundMessage) -> bool:
    expired = row.expires_at is not None and row.expires_at < utc_now()
    return expired or row.attempts >= MAX_ATTEMPTS[row.kind]


def _opened(row: OutboundMessage) -> StoredMessage:
    content = json.loads(_keyring().decrypt(row.content or "", place=PLACE))
    return StoredMessage(
        row.id, row.kind, row.created_at, Message(**content), is_last_try=_is_last_try(row)
    )


def _recipient_hash(recipient: str) -> str:
    key = derive_key(current_app.config["SETTINGS"].jwt_secret, "message recipient")
    return keyed_hash(key, recipient.strip().removeprefix("+").casefold())


def _keyring() -> Keyring:
    keyring: Keyring = current_app.extensions["keyring"]
    return keyring
