"""Events of Stripe: each is taken in once, with all it leads to, in one transaction.

Nothing here asks Stripe: who it is for is looked up in our own rows, and what needs a current
answer becomes a task. What fails on our side raises, so that Stripe sends the event again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import structlog
from flask import current_app
from sqlalchemy import delete, null, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core.db import transaction
from mealquest.recovery import routing
from mealquest.recovery.domain import PLATFORM, EventStatus
from mealquest.recovery.models import ProcessedEvent
from mealquest.recovery.routing import Led
from mealquest.tenancy import service as tenancy

log = structlog.get_logger(__name__)


class NotAnEvent(ValueError):
    """A genuine body that is no event of Stripe's."""


@dataclass(frozen=True, slots=True)
class Event:
    """A genuine event. `about` is its `data.object`."""

    id: str
    type: str
    account: str | None
    livemode: bool
    created: datetime
    about: Mapping[str, Any]
    raw: Mapping[str, Any]

    @classmethod
    def of(cls, said: Any) -> Self:
        """NotAnEvent when it lacks what every event has."""
        data = said.get("data") if isinstance(said, Mapping) else None
        about = data.get("object") if isinstance(data, Mapping) else None
        if not (isinstance(about, Mapping) and isinstance(said, Mapping)):
            raise NotAnEvent("an event has data.object")
        if not (isinstance(said.get("id"), str) and isinstance(said.get("type"), str)):
            raise NotAnEvent("an event has an id and a type")
        account, created = said.get("account"), said.get("created")
        return cls(
            id=said["id"],
            type=said["type"],
            account=account if isinstance(account, str) else None,
            livemode=bool(said.get("livemode")),
            created=datetime.fromtimestamp(created if isinstance(created, int) else 0, UTC),
            about=about,
            raw=said,
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an event: `action` is ignored, enqueued, processed or error."""

    processed: bool
    action: str
    reason: str
    task_id: int | None = None


def take_in(event: Event) -> Result:
    """Take in one event. Whatever is raised, nothing of it has happened."""
    if event.livemode != current_app.config["SETTINGS"].stripe_is_live:
        reason = f"{'live' if event.livemode else 'test'} mode event"
        return _alone(event, EventStatus.PROCESSED, Led("ignored", reason))
    if event.account is None:
        return _of_merchant(event, routing.billed(event.type, event.about) or PLATFORM)
    merchant_id = tenancy.merchant_of_account(event.account)
    if merchant_id is None:
        unknown = Led("error", "unknown merchant: kept until the account is connected")
        return _alone(event, EventStatus.UNMATCHED, unknown)
    return _of_merchant(event, merchant_id)


def replay(account: str, merchant_id: str) -> int:
    """Take in what came for an account before it was connected; returns how many events."""
    with transaction(PLATFORM) as session:
        kept = session.scalars(
            select(ProcessedEvent.payload)
            .where(
                ProcessedEvent.merchant_id == PLATFORM,
                ProcessedEvent.account == account,
                ProcessedEvent.status == EventStatus.UNMATCHED,
            )
            .order_by(ProcessedEvent.created_at, ProcessedEvent.event_id)
        ).all()
    events = [Event.of(payload) for payload in kept if payload]
    for event in events:
        _of_merchant(event, merchant_id)
        _forget_unmatched(event)
    return len(events)


def _of_merchant(event: Event, merchant_id: str) -> Result:
    with transaction(merchant_id) as session:
        if not _claim(session, merchant_id, event, EventStatus.PROCESSED):
            return Result(False, "ignored", "already processed")
        led = routing.route(session, merchant_id, event)
        _note(session, merchant_id, event, led)
    log.info("event taken in", event_id=event.id, type=event.type, action=led.action)
    return Result(led.action not in {"error"}, led.action, led.reason, led.task_id)


def _alone(event: Event, status: EventStatus, led: Led) -> Result:
    """Keep an event that concerns no merchant, or none that is known yet."""
    with transaction(PLATFORM) as session:
        if not _claim(session, PLATFORM, event, status):
            return Result(False, "ignored", "already processed")
        kept = dict(event.raw) if status is EventStatus.UNMATCHED else None
        _note(session, PLATFORM, event, led, payload=kept)
    log.info("event of nobody", event_id=event.id, type=event.type, action=led.action)
    return Result(led.action not in {"error"}, led.action, led.reason)


def _claim(session: Session, merchant_id: str, event: Event, status: EventStatus) -> bool:
    """Whether this is the first of its id; a twin waits here until the first is committed."""
    inserted = session.execute(
        insert(ProcessedEvent)
        .values(
            merchant_id=merchant_id,
            event_id=event.id,
            created_at=event.created,
            account=event.account,
            event_type=event.type,
            object_id=routing.object_of(event.about),
            status=status,
            livemode=event.livemode,
            action="",
            reason="",
        )
        .on_conflict_do_nothing(index_elements=["merchant_id", "event_id"])
        .returning(ProcessedEvent.event_id)
    )
    return inserted.first() is not None


def _note(
    session: Session,
    merchant_id: str,
    event: Event,
    led: Led,
    *,
    payload: dict[str, Any] | None = None,
) -> None:
    kept = led.facts if payload is None else payload
    session.execute(
        update(ProcessedEvent)
        .where(ProcessedEvent.merchant_id == merchant_id, ProcessedEvent.event_id == event.id)
        .values(
            action=led.action,
            reason=led.reason,
            task_id=led.task_id,
            payload=null() if kept is None else kept,
        )
        .execution_options(synchronize_session=False)
    )


def _forget_unmatched(event: Event) -> None:
    with transaction(PLATFORM) as session:
        session.execute(
            delete(ProcessedEvent).where(
                ProcessedEvent.merchant_id == PLATFORM, ProcessedEvent.event_id == event.id
            )
        )
