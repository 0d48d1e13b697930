"""One effect per key: the key, a hash of the request and the answer, written with the effect."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import (
    ColumnElement,
    Index,
    Text,
    delete,
    func,
    insert,
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
ANYBODY = "imported"  # the actor of keys from the old server, which knew neither caller nor body

_CUSTOMER = "customer:"

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
class ImportedKey:
    """A request that had its effect at the old server; `answer` None: not told any more.

    Which body it had is not known, so any is answered; but only to staff, or to the customer whom
    the answer is about.
    """

    route: str
    key: str
    answer: str | None
    customer_id: str | None


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
    SELECT :merchant, :actor, :route, :key, :request_hash, :customer
     WHERE NOT EXISTS (SELECT FROM idempotency_keys
                        WHERE merchant_id = :merchant AND actor = 'imported'
                          AND route = :route AND key = :key)
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


def was_answered(session: Session, merchant_id: str, request: KeyedRequest) -> bool:
    """Whether this very request has its answer, so that asking again changes nothing."""
    found = session.scalar(
        select(IdempotencyKey.key).where(
            *_same(merchant_id, request),
            IdempotencyKey.request_hash == request.request_hash,
            IdempotencyKey.answer.is_not(None),
        )
    )
    return found is not None


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


def bring_in(session: Session, merchant_id: str, keys: Sequence[ImportedKey]) -> None:
    """Keep keys of the old server, so that nothing that was done there is done again here."""
    own = {"merchant_id": merchant_id, "actor": ANYBODY, "request_hash": ""}
    rows = [own | {name: getattr(key, name) for name in key.__slots__} for key in keys]
    if rows:
        session.execute(insert(IdempotencyKey), rows)


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
    columns = IdempotencyKey.request_hash, IdempotencyKey.answer, IdempotencyKey.customer_id
    row = session.execute(select(*columns).where(*_same(merchant_id, request))).one_or_none()
    if row is None:
        row = session.execute(
            select(*columns).where(*_same(merchant_id, replace(request, actor=ANYBODY)))
        ).one()
        _require_theirs(request, row.customer_id)
    elif row.request_hash != request.request_hash:
        raise KeyReused("this Idempotency-Key was used for another request")
    if row.answer is None:
        raise AnswerErased
    return answers.from_stored(row.answer)


def _require_theirs(request: KeyedRequest, customer_id: str | None) -> None:
    """Of an imported key: it is about the customer who asks, or whom the request names."""
    is_customer = request.actor.startswith(_CUSTOMER)
    asks = request.actor.removeprefix(_CUSTOMER) if is_customer else request.customer_id
    if asks != customer_id and (is_customer or asks is not None):
        raise KeyReused("this Idempotency-Key was used for another request")


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
