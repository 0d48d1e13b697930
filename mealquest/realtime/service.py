"""Live events: kept and numbered by the outbox's relay, then followed by whoever has a socket."""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from flask import current_app
from sqlalchemy.orm import Session

from mealquest.core.clock import utc_now
from mealquest.core.db import apart, platform_transaction, transaction
from mealquest.core.errors import MerchantUnavailable
from mealquest.core.outbox import Event, Subscribers, Together
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.identity.service import Claims
from mealquest.realtime import queries
from mealquest.realtime.domain import AUDIENCE, TICKET_S, LiveEvent, Passing, Viewer, lost_frame
from mealquest.realtime.errors import TicketInvalid
from mealquest.realtime.gateway import Rings
from mealquest.realtime.replies import EventsView, LiveEventView, StatusView, TicketView
from mealquest.tenancy import service as tenancy

__all__ = [
    "SUBSCRIPTIONS",
    "EventsView",
    "LiveEventView",
    "forget_customer",
    "keep",
    "purge_old",
    "recent_events",
    "whisper",
]

PURGED_AT_ONCE = 1000  # events of each merchant in one transaction
PRESENT_S = 10  # a process that has not been heard of for longer holds no sockets


def keep(events: Sequence[Event]) -> None:
    """Number committed events of one merchant, in their order, and tell every process.

    Told twice, an event is numbered once. One that cannot be kept keeps none of them.
    """
    merchant_id = events[0].merchant_id
    with transaction(merchant_id) as session:
        after = queries.take_numbers(session, merchant_id, len(events))
        kept = queries.add(session, merchant_id, events, after)
        if kept < len(events):
            queries.take_numbers(session, merchant_id, kept - len(events))
    if kept:
        rings: Rings = current_app.extensions["rings"]
        rings.ring(merchant_id)


def whisper(merchant_id: str, kind: str, payload: dict[str, Any]) -> None:
    """Tell open sockets what is true for a moment: not numbered, not kept, lost without Redis."""
    rings: Rings = current_app.extensions["rings"]
    rings.whisper(Passing(merchant_id, kind, payload, utc_now()))


def forget_customer(session: Session, merchant_id: str, customer_id: str) -> None:
    """Forget every event about a customer. Numbers of others do not change."""
    queries.forget_customer(session, merchant_id, customer_id)


# For the outbox's relay: every live event is kept.
SUBSCRIPTIONS: Subscribers = dict.fromkeys(AUDIENCE, (Together(keep),))


# --- reading ------------------------------------------------------------------------------


def recent_events(
    merchant_id: str, by: Principal, limit: int = 10, before: int | None = None
) -> EventsView:
    """The newest events that the caller may see, newest first, with the names of customers."""
    viewer = Viewer(merchant_id, by.role, by.subject)
    with transaction(merchant_id) as session:
        found = queries.recent(session, viewer, limit + 1, before)
        newest = queries.last_seq(session, merchant_id)
        shown = found[:limit]
        names = _names(session, merchant_id, shown)
    return EventsView(
        items=[LiveEventView.of(event, names) for event in shown],
        last_seq=newest,
        next_before=shown[-1].seq if len(found) > limit else None,
        limit=limit,
        is_newest=before is None,
    )


def _names(session: Session, merchant_id: str, events: list[LiveEvent]) -> dict[str, str]:
    ids = sorted({event.user_id for event in events if event.user_id})
    people = identity.people(session, merchant_id, ids) if ids else []
    return {person.id: person.name for person in people if person.role is Role.CUSTOMER}


def status(merchant_id: str) -> StatusView:
    with transaction(merchant_id) as session:
        return StatusView(
            merchant_id=merchant_id,
            online_count=queries.sockets_of(session, merchant_id, PRESENT_S),
            last_seq=queries.last_seq(session, merchant_id),
        )


# --- tickets ------------------------------------------------------------------------------


def issue_ticket(claims: Claims) -> TicketView:
    """A ticket for one socket of the person behind `claims`, who has a merchant."""
    merchant_id = claims.merchant_id or ""
    secret = secrets.token_urlsafe(24)
    with transaction(merchant_id) as session:
        queries.add_ticket(session, merchant_id, _hash(secret), asdict(claims), TICKET_S)
    return TicketView(ticket=f"{merchant_id}.{secret}", expires_in_sec=TICKET_S)


def redeem_ticket(ticket: str) -> Claims:
    """Whom a ticket stands for. TicketInvalid: unknown, used before, or too old."""
    merchant_id, _, secret = ticket.partition(".")
    if not (merchant_id and secret and ticket.isprintable() and "," not in ticket):
        raise TicketInvalid
    with transaction(merchant_id) as session:
        stored = queries.take_ticket(session, merchant_id, _hash(secret))
    if stored is None:
        raise TicketInvalid
    return Claims(**{**stored, "role": Role(stored["role"])})


def _hash(secret: str) -> str:
    """A secret of 192 random bits: there is nothing to guess, so a plain hash is enough."""
    return sha256(secret.encode()).hexdigest()


# --- following a stream -------------------------------------------------------------------


def newest_seq(merchant_id: str) -> int:
    with transaction(merchant_id) as session:
        return queries.last_seq(session, merchant_id)


def news(cursors: Mapping[str, int], each: int) -> list[LiveEvent]:
    """What is newer than each merchant's cursor, in the order of numbers of each.

    A merchant whose database is down has no news.
    """
    found: list[LiveEvent] = []
    for group in apart(cursors):
        with suppress(MerchantUnavailable), transaction(*group) as session:
            found += queries.after(session, {one: cursors[one] for one in group}, each)
    return found


def backlog(merchant_id: str, after: int, until: int, limit: int) -> list[LiveEvent]:
    with transaction(merchant_id) as session:
        return queries.between(session, merchant_id, after, until, limit)


def lost(merchant_id: str, since: int) -> tuple[str, int] | None:
    """For a client that has numbers up to `since`: the frame that tells what is gone for good.

    With the number after which its stream goes on; None when nothing is gone.
    """
    with transaction(merchant_id) as session:
        newest = queries.last_seq(session, merchant_id)
        first = queries.first_kept(session, merchant_id) or newest + 1
    if first - 1 <= since <= newest:
        return None
    frame = lost_frame(merchant_id, since=since, first_kept=first, newest=newest, now=utc_now())
    return frame, first - 1


def note_presence(process_id: str, sockets: Mapping[str, int]) -> None:
    """Write how many sockets this process holds at the named merchants."""
    for group in apart(sockets):
        with suppress(MerchantUnavailable), transaction(*group) as session:
            queries.set_presence(session, process_id, {one: sockets[one] for one in group})


def allowed(claims: set[Claims]) -> tuple[set[Claims], set[str]]:
    """Which of these people still stand, and which of their merchants still allow sockets.

    Of a merchant whose database is down nobody knows: its sockets stay as they are.
    """
    standing: set[Claims] = set()
    open_: set[str] = set()
    for group in apart(claim.merchant_id for claim in claims if claim.merchant_id):
        of_group = {claim for claim in claims if claim.merchant_id in group}
        try:
            with transaction(*group) as session:
                standing |= identity.standing(session, of_group)
                open_ |= tenancy.realtime_merchants(session, set(group))
        except MerchantUnavailable:
            standing |= of_group
            open_ |= set(group)
    return standing, open_


# --- housekeeping -------------------------------------------------------------------------


def purge_old(days: int) -> int:
    """Forget events older than `days`, unused tickets, and processes that are gone: one batch."""
    with platform_transaction("events of every merchant grow old together") as session:
        return queries.purge_events(session, days, PURGED_AT_ONCE) + queries.purge_leftovers(
            session
        )
