"""News that leaves a transaction: written with the effect, delivered by a job after the commit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Index, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from mealquest.core.clock import iso_millis, utc_now
from mealquest.core.db import TenantRow, after_commit_ring, platform_transaction, stamp
from mealquest.core.ids import new_id

BELL = "outbox"
LEASE_S = 10  # the events of a relay that died wait so long; a slow one is overtaken without harm

log = structlog.get_logger(__name__)


class OutboxEvent(TenantRow):
    """One event of one merchant; `delivered_at` is set once every subscriber has had it."""

    __tablename__ = "outbox_events"
    __table_args__ = (
        Index(None, "merchant_id", "run_at", postgresql_where=text("delivered_at IS NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = stamp()
    run_at: Mapped[datetime] = stamp()
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    delivered_at: Mapped[datetime | None]
    last_error: Mapped[str | None]


@dataclass(frozen=True, slots=True)
class Event:
    """What a subscriber gets. It may come more than once: `id` is the same each time."""

    merchant_id: str
    id: str
    type: str
    payload: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Together:
    """A subscriber that takes what one merchant has in a batch at once, in its order.

    When that fails it is asked again event by event, so that only the bad ones are put off.
    """

    take: Callable[[Sequence[Event]], None]

    def __call__(self, event: Event) -> None:
        self.take((event,))


Subscribers = Mapping[str, tuple[Callable[[Event], None], ...]]
_Taken = set[tuple[Callable[[Event], None], str]]  # who has had which event, by id


_ADD = text(
    """
    INSERT INTO outbox_events (merchant_id, id, type, payload)
    VALUES (:merchant_id, :id, :type, :payload)
    """
).bindparams(bindparam("payload", type_=JSONB))


def publish(session: Session, merchant_id: str, kind: str, payload: dict[str, Any]) -> None:
    session.execute(_ADD, row(merchant_id, kind, payload))
    after_commit_ring(session, BELL)


def row(merchant_id: str, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Column values of one event, for callers that insert it with something else at once."""
    return {
        "merchant_id": merchant_id,
        "id": new_id("evt"),
        "type": kind,
        "payload": payload | {"occurredAt": iso_millis(utc_now())},
    }


_CLAIM = text(
    """
    WITH due AS MATERIALIZED (
        SELECT merchant_id, id FROM outbox_events
         WHERE delivered_at IS NULL AND run_at <= now()
         ORDER BY run_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE outbox_events AS e
       SET attempts = attempts + 1, run_at = now() + make_interval(secs => :lease)
      FROM due
     WHERE e.merchant_id = due.merchant_id AND e.id = due.id
    RETURNING e.merchant_id, e.id, e.type, e.payload, e.created_at
    """
)
_DELIVERED = text(
    "UPDATE outbox_events SET delivered_at = now(), last_error = NULL"
    " WHERE (merchant_id, id) IN (SELECT unnest(CAST(:merchants AS text[])),"
    " unnest(CAST(:ids AS text[])))"
)
# Full jitter: a random part of 2^attempts seconds, at most an hour.
_PUT_OFF = text(
    "UPDATE outbox_events SET last_error = :error,"
    " run_at = now() + random() * least(power(2, attempts), 3600) * interval '1 second'"
    " WHERE merchant_id = :merchant AND id = :id"
)


def deliver_due(subscribers: Subscribers, *, limit: int = 200) -> int:
    """Claim one batch of due events and hand each to its subscribers; returns the batch's size.

    A subscriber that raises has its event put off with back-off; the others go on.
    """
    events = _claim(limit)
    taken = _take_together(events, subscribers)
    done = [event for event in events if _deliver(event, subscribers.get(event.type, ()), taken)]
    if done:
        with platform_transaction("a batch holds events of several merchants") as session:
            merchants = [event.merchant_id for event in done]
            session.execute(
                _DELIVERED, {"merchants": merchants, "ids": [event.id for event in done]}
            )
    return len(events)


_WAKE = text(
    "UPDATE outbox_events SET run_at = now()"
    " WHERE merchant_id = :merchant AND delivered_at IS NULL AND run_at > now()"
)


def wake(session: Session, merchant_id: str) -> None:
    """Deliver what was put off at once: what the merchant's events waited for is over."""
    session.execute(_WAKE, {"merchant": merchant_id})
    after_commit_ring(session, BELL)


_FORGET = text(
    """
    UPDATE outbox_events AS e
       SET payload = coalesce((SELECT jsonb_object_agg(key, value) FROM jsonb_each(e.payload)
                                WHERE key LIKE '%Id' OR key IN ('status', 'occurredAt')), '{}')
     WHERE merchant_id = :merchant AND payload ->> 'userId' = :customer
    """
)


def forget_customer(session: Session, merchant_id: str, customer_id: str) -> None:
    """Leave of a customer's events only which ones they are, so that effects still follow them."""
    session.execute(_FORGET, {"merchant": merchant_id, "customer": customer_id})


def has_due() -> bool:
    with platform_transaction("the tick asks for every merchant at once") as session:
        return bool(
            session.scalar(
                text(
                    "SELECT EXISTS (SELECT FROM outbox_events"
                    " WHERE delivered_at IS NULL AND run_at <= now())"
                )
            )
        )


def purge_delivered(days: int, limit: int = 10_000) -> int:
    with platform_transaction("delivered events of every merchant grow old together") as session:
        gone = session.execute(
            text(
                "DELETE FROM outbox_events WHERE ctid IN (SELECT ctid FROM outbox_events"
                " WHERE delivered_at < now() - make_interval(days => :days) LIMIT :limit)"
                " RETURNING id"
            ),
            {"days": days, "limit": limit},
        )
        return len(gone.all())


def _claim(limit: int) -> list[Event]:
    with platform_transaction("the relay serves every merchant") as session:
        rows = session.execute(_CLAIM, {"lease": LEASE_S, "limit": limit}).all()
    return sorted((Event(*row) for row in rows), key=lambda event: event.id)


def _take_together(events: list[Event], subscribers: Subscribers) -> _Taken:
    shares: dict[tuple[Together, str], list[Event]] = {}
    for event in events:
        for subscriber in subscribers.get(event.type, ()):
            if isinstance(subscriber, Together):
                shares.setdefault((subscriber, event.merchant_id), []).append(event)
    taken: _Taken = set()
    for (subscriber, merchant_id), share in shares.items():
        try:
            subscriber.take(share)
        except Exception as failure:  # noqa: BLE001 - each is tried by itself next
            log.warning("batch not taken", merchant_id=merchant_id, error=repr(failure))
        else:
            taken |= {(subscriber, event.id) for event in share}
    return taken


def _deliver(event: Event, subscribers: tuple[Callable[[Event], None], ...], taken: _Taken) -> bool:
    try:
        for subscriber in subscribers:
            if (subscriber, event.id) not in taken:
                subscriber(event)
    except Exception as failure:  # noqa: BLE001 - one bad event must not stop the others
        log.warning("event put off", event_id=event.id, type=event.type, error=repr(failure))
        with platform_transaction("the relay serves every merchant") as session:
            session.execute(
                _PUT_OFF,
                {"error": repr(failure)[:500], "merchant": event.merchant_id, "id": event.id},
            )
        return False
    return True
