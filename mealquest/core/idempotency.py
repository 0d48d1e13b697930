"""One effect per key: the key, a hash of the request and the answer, written with the effect."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import (
    ColumnElement,
    Index,
    Text,
    delete,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column

from mealquest.core.db import TenantRow, platform_transaction, stamp
from mealquest.core.errors import Conflict, Gone
from mealquest.core.wire import Input, View

KEPT = timedelta(days=90)

AnyView = TypeVar("AnyView", bound=View)


class IdempotencyKey(TenantRow):
    __tablename__ = "idempotency_keys"
    # Ranges of blocks find what is old, and are no choice for finding one key; a tree was.
    __table_args__ = (
        Index(None, "merchant_id", "created_at", postgresql_using="brin"),
        Index(None, "merchant_id", "customer_id", postgresql_where=text("customer_id IS NOT NULL")),
    )

    actor: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[str]
    # Null until the transaction that claimed it commits, and once the customer is erased.
    answer: Mapped[str | None]
    customer_id: Mapped[str | None]  # whom the answer is about; nobody checks that they exist
    created_at: Mapped[datetime] = stamp()


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request that may be sent again: who, where, under which key, and what exactly."""

    actor: str
    route: str
    key: str
    request_hash: str
    customer_id: str | None = None  # whom it is about, when the request says so


class KeyReused(Conflict):
    code = "IDEMPOTENCY_KEY_REUSED"


class StillRunning(Conflict):
    code = "IDEMPOTENCY_IN_PROGRESS"


class AnswerErased(Gone):
    """It had its effect, and will have no second one; what it answered was about a person."""

    code = "ANSWER_ERASED"

    def __init__(self) -> None:
        super().__init__("the answer under this Idempotency-Key was erased with the customer")


# Text, prepared once: both stand on the road of every payment.
_CLAIM = text(
    """
    INSERT INTO idempotency_keys (merchant_id, actor, route, key, request_hash, customer_id)
    VALUES (:merchant, :actor, :route, :key, :request_hash, :customer)
        ON CONFLICT DO NOTHING RETURNING key
    """
)
_STORE = text(
    """
    UPDATE idempotency_keys SET answer = :answer, customer_id = coalesce(customer_id, :customer)
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
        AnswerErased: it was about a customer who has left.
    """
    try:
        taken = session.scalar(
            _CLAIM,
            _named(merchant_id, request)
            | {"request_hash": request.request_hash, "customer": request.customer_id},
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


def store(
    session: Session,
    merchant_id: str,
    request: KeyedRequest,
    view: View,
    *,
    customer_id: str | None = None,
) -> None:
    """Keep the answer beside the claim; it commits with the effect or not at all.

    `customer_id`: whom it is about, where the request did not say.
    """
    session.execute(
        _STORE,
        _named(merchant_id, request) | {"answer": view.as_json(), "customer": customer_id},
    )


def erase_answers(session: Session, merchant_id: str, customer_id: str) -> None:
    """Forget what was answered about a customer; the keys still let nothing happen twice."""
    about = or_(
        IdempotencyKey.customer_id == customer_id,
        IdempotencyKey.actor == f"customer:{customer_id}",
    )
    session.execute(
        update(IdempotencyKey)
        .where(IdempotencyKey.merchant_id == merchant_id, about)
        .values(answer=None)
        .execution_options(synchronize_session=False)
    )


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
    if row.answer is None:
        raise AnswerErased
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
