"""One effect per key: the key, a hash of the request and the answer, written with the effect."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import ColumnElement, Index, Text, delete, func, literal_column, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column

from mealquest.core.db import TenantRow, platform_transaction, stamp
from mealquest.core.errors import Conflict
from mealquest.core.wire import Input, View

KEPT = timedelta(days=90)

AnyView = TypeVar("AnyView", bound=View)


class IdempotencyKey(TenantRow):
    __tablename__ = "idempotency_keys"
    # Ranges of blocks find what is old, and are no choice for finding one key; a tree was.
    __table_args__ = (Index(None, "merchant_id", "created_at", postgresql_using="brin"),)

    actor: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[str]
    answer: Mapped[str | None]  # null only until the transaction that claimed it commits
    created_at: Mapped[datetime] = stamp()


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request that may be sent again: who, where, under which key, and what exactly."""

    actor: str
    route: str
    key: str
    request_hash: str


class KeyReused(Conflict):
    code = "IDEMPOTENCY_KEY_REUSED"


class StillRunning(Conflict):
    code = "IDEMPOTENCY_IN_PROGRESS"


# Text, prepared once: both stand on the road of every payment.
_CLAIM = text(
    """
    INSERT INTO idempotency_keys (merchant_id, actor, route, key, request_hash)
    VALUES (:merchant, :actor, :route, :key, :request_hash) ON CONFLICT DO NOTHING RETURNING key
    """
)
_STORE = text(
    """
    UPDATE idempotency_keys SET answer = :answer
     WHERE merchant_id = :merchant AND actor = :actor AND route = :route AND key = :key
    """
)


def request_hash(form: Input) -> str:
    return hashlib.sha256(form.model_dump_json(by_alias=True).encode()).hexdigest()


def claim(
    session: Session, merchant_id: str, request: KeyedRequest, answers: type[AnyView]
) -> AnyView | None:
    """Take the key for this transaction; the stored answer when it was used before.

    A second request with the same key waits here until the first one commits or gives up.

    Raises:
        KeyReused: the key was used for a request with another body.
        StillRunning: the first request is still running after the lock timeout.
    """
    try:
        taken = session.scalar(
            _CLAIM, _named(merchant_id, request) | {"request_hash": request.request_hash}
        )
    except OperationalError as failure:
        if getattr(failure.orig, "sqlstate", None) == "55P03":  # lock_not_available
            raise StillRunning("a request with this Idempotency-Key is still running") from failure
        raise
    return None if taken else _replay(session, merchant_id, request, answers)


def answer_under(
    session: Session, merchant_id: str, request: KeyedRequest, answers: type[AnyView]
) -> AnyView | None:
    """The answer kept under a key, whatever was asked with it; None for a key not used yet."""
    answer = session.scalar(select(IdempotencyKey.answer).where(*_same(merchant_id, request)))
    return answers.from_stored(answer) if answer else None


def store(session: Session, merchant_id: str, request: KeyedRequest, view: View) -> None:
    """Keep the answer beside the claim; it commits with the effect or not at all."""
    session.execute(_STORE, _named(merchant_id, request) | {"answer": view.as_json()})


def purge_old(limit: int = 10_000) -> int:
    """Forget keys past their time; returns how many. Part of the daily housekeeping."""
    with platform_transaction("idempotency keys of every merchant grow old together") as session:
        old = (
            select(literal_column("ctid", Text))
            .select_from(IdempotencyKey)
            .where(IdempotencyKey.created_at < func.now() - KEPT)
            .limit(limit)
        )
        gone = session.execute(
            delete(IdempotencyKey)
            .where(literal_column("ctid", Text).in_(old))
            .returning(IdempotencyKey.key)
            .execution_options(synchronize_session=False)
        )
        return len(gone.all())


def _replay(
    session: Session, merchant_id: str, request: KeyedRequest, answers: type[AnyView]
) -> AnyView:
    row = session.execute(
        select(IdempotencyKey.request_hash, IdempotencyKey.answer).where(
            *_same(merchant_id, request)
        )
    ).one()
    if row.request_hash != request.request_hash:
        raise KeyReused("this Idempotency-Key was used for another request")
    return answers.from_stored(row.answer)


def _same(merchant_id: str, request: KeyedRequest) -> list[ColumnElement[bool]]:
    return [
        IdempotencyKey.merchant_id == merchant_id,
        IdempotencyKey.actor == request.actor,
        IdempotencyKey.route == request.route,
        IdempotencyKey.key == request.key,
    ]


def _named(merchant_id: str, request: KeyedRequest) -> dict[str, str]:
    return {
        "merchant": merchant_id,
        "actor": request.actor,
        "route": request.route,
        "key": request.key,
    }
