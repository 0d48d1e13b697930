"""Events of Stripe: each is taken in once, with all it leads to, in one transaction.

Nothing here asks Stripe: who it is for is looked up in our own rows, and what needs a current
answer becomes a task. What fails on our side raises, so that Stripe sends the event again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from flask import current_app
from sqlalchemy import delete, null, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core.db import transaction
from mealquest.recovery import plan_events, routing
from mealquest.recovery.domain import PLATFORM, EventStatus
from mealquest.recovery.events import Event
from mealquest.recovery.models import ProcessedEvent
from mealquest.recovery.routing import Led
from mealquest.tenancy import service as tenancy

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an event: `action` is ignored, enqueued, processed or error."""

    processed: bool
    action: str
    reason: str
    task_id: int | None = None


TWICE = Result(False, "ignored", "already processed")


def take_in(event: Event) -> Result:
    """Take in one event. Whatever is raised, nothing of it has happened.

    Raises NotAnEvent for one whose object is not of the shape its type has.
    """
    if event.livemode != current_app.config["SETTINGS"].stripe_is_live:
        reason = f"{'live' if event.livemode else 'test'} mode event"
        return _alone(event, EventStatus.PROCESSED, Led("ignored", reason))
    if event.account is None:
        merchant_id = plan_events.merchant_of(event.type, event.about)
        return _of_merchant(event, merchant_id or PLATFORM) or _unmatched(event)
    owner = tenancy.merchant_of_account(event.account)
    return (_of_merchant(event, owner) if owner else None) or _unmatched(event)


def replay(account: str, merchant_id: str) -> int:
    """Take in what came for an account before it was connected; returns how many events.

    One that fails stays, for the next replay.
    """
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
    return sum(_again(Event.of(payload), merchant_id) for payload in kept if payload)


def known(merchant_id: str, event_ids: Sequence[str]) -> set[str]:
    """Which of these events are taken in already."""
    with transaction(merchant_id) as session:
        return set(
            session.scalars(
                select(ProcessedEvent.event_id).where(
                    ProcessedEvent.merchant_id == merchant_id,
                    ProcessedEvent.event_id.in_(event_ids),
                )
            )
        )


def _again(event: Event, merchant_id: str) -> bool:
    try:
        taken = _of_merchant(event, merchant_id)
    except Exception as failure:
        log.error("event not replayed", event_id=event.id, exc_info=failure)
        return False
    if taken:
        _forget_unmatched(event)
    return taken is not None


def _of_merchant(event: Event, merchant_id: str) -> Result | None:
    """None: the account is not this merchant's any more."""
    with transaction(merchant_id) as session:
        if event.account and not _is_connected(session, merchant_id, event.account):
            return None
        if not _claim(session, merchant_id, event, EventStatus.PROCESSED):
            return TWICE
        led = routing.route(session, merchant_id, event)
        _note(session, merchant_id, event, led)
    log.info("event taken in", event_id=event.id, type=event.type, action=led.action)
    return Result(led.action != "error", led.action, led.reason, led.task_id)


def _is_connected(session: Session, merchant_id: str, account: str) -> bool:
    return tenancy.account_of(session, merchant_id).stripe_connect_id == account


def _unmatched(event: Event) -> Result:
    """Keep it until its account is connected, which may be happening at this moment."""
    unknown = Led("error", "unknown merchant: kept until the account is connected")
    result = _alone(event, EventStatus.UNMATCHED, unknown)
    owner = tenancy.merchant_of_account(event.account) if event.account else None
    if owner:
        replay(str(event.account), owner)
    return result


def _alone(event: Event, status: EventStatus, led: Led) -> Result:
    """Keep an event that concerns no merchant, or none that is known yet."""
    with transaction(PLATFORM) as session:
        if not _claim(session, PLATFORM, event, status):
            return TWICE
        kept = event.kept() if status is EventStatus.UNMATCHED else None
        _note(session, PLATFORM, event, led, payload=kept)
    log.info("event of nobody", event_id=event.id, type=event.type, action=led.action)
    return Result(led.action != "error", led.action, led.reason)


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
