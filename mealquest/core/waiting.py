"""Acts that must not be lost while their merchant is closed for a moment: kept at home, done later.

Whoever is answered "taken" has nothing to repeat. Of one merchant's acts the oldest is done first
and the others wait for it. An act may be done twice, so it has to bear that.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

import structlog
from flask import current_app
from sqlalchemy import Index, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Mapped, Session, mapped_column

from mealquest.core.clock import utc_now
from mealquest.core.crypto import Keyring
from mealquest.core.db import ControlRow, after_commit_ring, stamp, stored, transaction
from mealquest.core.errors import (
    Forbidden,
    Invalid,
    MerchantUnavailable,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from mealquest.core.idempotency import KeyReused
from mealquest.core.ids import new_id

BELL = "waiting"
LEASE_S = 30  # an act whose worker died waits so long
LONGEST_S = 10  # between two tries
MOST_TRIES = 50  # of an act that fails though its merchant is there
MOST_WAITING = 10_000  # acts of one merchant
LARGEST = 64 * 1024  # characters of one act
KEPT = timedelta(days=30)  # what became of an act
FINAL = (Invalid, NotFound, Forbidden, Unauthenticated, KeyReused)  # what no repeat can change

log = structlog.get_logger(__name__)


class WaitingState(StrEnum):
    WAITING = "waiting"
    DONE = "done"  # final
    REFUSED = "refused"  # final: the merchant is there and does not take it


class WaitingAct(ControlRow):
    """One act of one merchant. `content` is sealed, and erased once the act is settled."""

    __tablename__ = "waiting_callbacks"
    __table_args__ = (
        Index(None, "merchant_id", "id", postgresql_where=text("state = 'waiting'")),
        Index(
            None,
            "merchant_id",
            "fingerprint",
            unique=True,
            postgresql_where=text("state = 'waiting'"),
        ),
        Index(None, "settled_at", postgresql_where=text("state <> 'waiting'")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str]
    kind: Mapped[str]
    state: Mapped[WaitingState] = mapped_column(stored(WaitingState))
    content: Mapped[str | None]
    fingerprint: Mapped[str]  # the same act told again while it waits is the same row
    received_at: Mapped[datetime]
    run_at: Mapped[datetime] = stamp()
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None]
    settled_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Act:
    merchant_id: str
    kind: str
    content: dict[str, Any]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Figures:
    """Acts that wait, and for how many seconds the oldest of them has."""

    count: int
    oldest_s: float


Doers = Mapping[str, Callable[[Act], None]]


def keep(merchant_id: str, kind: str, content: dict[str, Any]) -> None:
    """Keep an act until its merchant is there; told twice it is kept once.

    MerchantUnavailable: so much waits for this one already that the sender has to come again.
    """
    said = json.dumps(content, sort_keys=True, separators=(",", ":"))
    with transaction() as session:
        if len(said) > LARGEST or _count(session, merchant_id) >= MOST_WAITING:
            raise MerchantUnavailable
        session.execute(
            insert(WaitingAct)
            .values(
                id=new_id("wait"),
                merchant_id=merchant_id,
                kind=kind,
                state=WaitingState.WAITING,
                content=_keyring().encrypt(said, place=_place(merchant_id)),
                fingerprint=sha256(f"{kind}:{said}".encode()).hexdigest(),
                received_at=utc_now(),
            )
            .on_conflict_do_nothing(
                index_elements=["merchant_id", "fingerprint"],
                index_where=text("state = 'waiting'"),
            )
        )
        after_commit_ring(session, BELL)
    log.info("kept for a merchant that is closed", merchant_id=merchant_id, kind=kind)


def count_of(merchant_id: str) -> int:
    """How many acts wait for a merchant."""
    with transaction() as session:
        return _count(session, merchant_id)


def figures() -> Figures:
    with transaction() as session:
        row = session.execute(
            select(func.count(), func.min(WaitingAct.received_at)).where(
                WaitingAct.state == WaitingState.WAITING
            )
        ).one()
    oldest = (utc_now() - row[1]).total_seconds() if row[1] else 0.0
    return Figures(row[0], max(0.0, oldest))


_CLAIM = text(
    """
    WITH due AS MATERIALIZED (
        SELECT id FROM waiting_callbacks AS one
         WHERE state = 'waiting' AND run_at <= now()
           AND NOT EXISTS (SELECT FROM waiting_callbacks AS older
                            WHERE older.merchant_id = one.merchant_id
                              AND older.state = 'waiting' AND older.id < one.id)
         ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE waiting_callbacks AS w
       SET attempts = attempts + 1, run_at = now() + make_interval(secs => :lease)
      FROM due
     WHERE w.id = due.id AND w.state = 'waiting'
    RETURNING w.id, w.merchant_id, w.kind, w.content, w.received_at, w.attempts
    """
)


def do_due(doers: Doers, *, limit: int = 50) -> int:
    """Do the oldest act of each merchant that has one due; returns how many were settled."""
    with transaction() as session:
        rows = session.execute(_CLAIM, {"lease": LEASE_S, "limit": limit}).all()
    return sum(_do(row, doers) for row in sorted(rows, key=lambda row: str(row.id)))


def has_due() -> bool:
    with transaction() as session:
        due = select(WaitingAct.id).where(
            WaitingAct.state == WaitingState.WAITING, WaitingAct.run_at <= func.now()
        )
        return bool(session.scalar(select(due.exists())))


def purge_settled(limit: int = 10_000) -> int:
    """Forget what became of acts long ago; returns how many."""
    with transaction() as session:
        gone = session.execute(
            text(
                "DELETE FROM waiting_callbacks WHERE id IN (SELECT id FROM waiting_callbacks"
                " WHERE state <> 'waiting' AND settled_at < now() - CAST(:kept AS interval)"
                " LIMIT :limit) RETURNING id"
            ),
            {"kept": KEPT, "limit": limit},
        )
        return len(gone.all())


def _do(row: Any, doers: Doers) -> bool:
    """False: it stays, and so do those behind it."""
    content = json.loads(_keyring().decrypt(row.content, place=_place(row.merchant_id)))
    try:
        doers[row.kind](Act(row.merchant_id, row.kind, content, row.received_at))
    except FINAL as refused:
        log.warning("not taken after all", kind=row.kind, act_id=row.id, error=refused.message)
        _settle(row.id, WaitingState.REFUSED, refused.message)
    except Exception as failure:  # the row keeps the reason, the next try comes
        is_away = isinstance(failure, Unavailable | DBAPIError | PoolTimeout)
        if is_away or row.attempts < MOST_TRIES:
            _put_off(row.id, repr(failure)[:300])
            return False
        log.error("given up", kind=row.kind, act_id=row.id, exc_info=failure)
        _settle(row.id, WaitingState.REFUSED, repr(failure)[:300])
    else:
        _settle(row.id, WaitingState.DONE, None)
    return True


def _settle(act_id: str, state: WaitingState, error: str | None) -> None:
    with transaction() as session:
        session.execute(
            update(WaitingAct)
            .where(WaitingAct.id == act_id)
            .values(state=state, last_error=error, content=None, settled_at=func.now())
        )


def _put_off(act_id: str, error: str) -> None:
    """Full jitter: a random part of 2^attempts half seconds, and never long."""
    with transaction() as session:
        session.execute(
            text(
                "UPDATE waiting_callbacks SET last_error = :error, run_at = now()"
                " + random() * least(power(2, least(attempts, 10)) / 2, :longest)"
                " * interval '1 second' WHERE id = :id"
            ),
            {"error": error, "longest": LONGEST_S, "id": act_id},
        )


def _count(session: Session, merchant_id: str) -> int:
    counted = select(func.count()).where(
        WaitingAct.merchant_id == merchant_id, WaitingAct.state == WaitingState.WAITING
    )
    return session.scalar(counted) or 0


def _place(merchant_id: str) -> str:
    return f"waiting_callbacks.content:{merchant_id}"


def _keyring() -> Keyring:
    keyring: Keyring = current_app.extensions["keyring"]
    return keyring
