"""Statements on live events, inside the caller's transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, func, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session

from mealquest.core.outbox import Event
from mealquest.core.principal import Role
from mealquest.realtime.domain import OF_THE_OUTBOX, LiveEvent, Viewer, types_for
from mealquest.realtime.models import LiveEventRow, LivePresence, LiveStream, LiveTicket

_COLUMNS = (
    LiveEventRow.merchant_id,
    LiveEventRow.seq,
    LiveEventRow.type,
    LiveEventRow.user_id,
    LiveEventRow.payload,
    LiveEventRow.occurred_at,
)


# --- numbering ----------------------------------------------------------------------------


def take_numbers(session: Session, merchant_id: str, count: int) -> int:
    """Take the merchant's next `count` numbers, and keep everybody else from it until the commit.

    Returns the one before the first; a negative count gives numbers back.
    """
    newest = session.execute(
        insert(LiveStream)
        .values(merchant_id=merchant_id, last_seq=count)
        .on_conflict_do_update(
            index_elements=["merchant_id"], set_={"last_seq": LiveStream.last_seq + count}
        )
        .returning(LiveStream.last_seq)
    ).scalar_one()
    return newest - count


_ADD = text(
    """
    INSERT INTO live_events (merchant_id, seq, event_id, type, user_id, payload, occurred_at)
    SELECT :merchant_id, :after + row_number() OVER (ORDER BY e.place),
           e.event_id, e.type, e.user_id, e.payload, e.occurred_at
      FROM jsonb_to_recordset(:events) AS e (place int, event_id text, type text, user_id text,
                                             payload jsonb, occurred_at timestamptz)
     WHERE NOT EXISTS (SELECT FROM live_events AS known
                        WHERE known.merchant_id = :merchant_id AND known.event_id = e.event_id)
    """
).bindparams(bindparam("events", type_=JSONB))


def add(session: Session, merchant_id: str, events: Sequence[Event], after: int) -> int:
    """Keep events under the numbers that follow `after`; how many, for some have one already."""
    given = [_kept(place, event) for place, event in enumerate(events)]
    values = {"merchant_id": merchant_id, "after": after, "events": given}
    return _count(session.execute(_ADD, values))


def _kept(place: int, event: Event) -> dict[str, Any]:
    payload = {name: value for name, value in event.payload.items() if name != OF_THE_OUTBOX}
    user_id = payload.get("userId")
    return {
        "place": place,
        "event_id": event.id,
        "type": event.type,
        "user_id": user_id if isinstance(user_id, str) else None,
        "payload": payload,
        "occurred_at": event.payload.get(OF_THE_OUTBOX) or event.created_at.isoformat(),
    }


def forget_customer(session: Session, merchant_id: str, customer_id: str) -> None:
    session.execute(
        delete(LiveEventRow)
        .where(LiveEventRow.merchant_id == merchant_id, LiveEventRow.user_id == customer_id)
        .execution_options(synchronize_session=False)
    )


# --- reading ------------------------------------------------------------------------------


def last_seq(session: Session, merchant_id: str) -> int:
    """The merchant's newest number; 0 before its first event."""
    newest = select(LiveStream.last_seq).where(LiveStream.merchant_id == merchant_id)
    return session.scalar(newest) or 0


def first_kept(session: Session, merchant_id: str) -> int | None:
    return session.scalar(
        select(func.min(LiveEventRow.seq)).where(LiveEventRow.merchant_id == merchant_id)
    )


def between(
    session: Session, merchant_id: str, after: int, until: int, limit: int
) -> list[LiveEvent]:
    """Events with `after` < seq <= `until`, oldest first."""
    rows = session.execute(
        select(*_COLUMNS)
        .where(
            LiveEventRow.merchant_id == merchant_id,
            LiveEventRow.seq > after,
            LiveEventRow.seq <= until,
        )
        .order_by(LiveEventRow.seq)
        .limit(limit)
    )
    return [LiveEvent(*row) for row in rows]


_AFTER = text(
    """
    SELECT e.merchant_id, e.seq, e.type, e.user_id, e.payload, e.occurred_at
      FROM unnest(CAST(:merchants AS text[]), CAST(:cursors AS bigint[])) AS c (merchant_id, seq)
     CROSS JOIN LATERAL (
           SELECT * FROM live_events
            WHERE live_events.merchant_id = c.merchant_id AND live_events.seq > c.seq
            ORDER BY live_events.seq LIMIT :each) AS e
     ORDER BY e.merchant_id, e.seq
    """
)


def after(session: Session, cursors: Mapping[str, int], each: int) -> list[LiveEvent]:
    """What is newer than each merchant's cursor, in one statement; at most `each` a merchant."""
    rows = session.execute(
        _AFTER,
        {"merchants": list(cursors), "cursors": list(cursors.values()), "each": each},
    )
    return [LiveEvent(*row) for row in rows]


def recent(
    session: Session, viewer: Viewer, limit: int, before: int | None = None
) -> list[LiveEvent]:
    """The newest events that the viewer may see, newest first; older than `before` if given."""
    wanted = select(*_COLUMNS).where(
        LiveEventRow.merchant_id == viewer.merchant_id,
        LiveEventRow.type.in_(types_for(viewer.role)),
    )
    if viewer.role is Role.CUSTOMER:
        wanted = wanted.where(LiveEventRow.user_id == viewer.subject)
    if before is not None:
        wanted = wanted.where(LiveEventRow.seq < before)
    rows = session.execute(wanted.order_by(LiveEventRow.seq.desc()).limit(limit))
    return [LiveEvent(*row) for row in rows]


# --- tickets ------------------------------------------------------------------------------


def add_ticket(
    session: Session, merchant_id: str, secret_hash: str, claims: dict[str, Any], seconds: int
) -> None:
    session.execute(
        insert(LiveTicket).values(
            merchant_id=merchant_id,
            secret_hash=secret_hash,
            claims=claims,
            expires_at=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds),
        )
    )


def take_ticket(session: Session, merchant_id: str, secret_hash: str) -> dict[str, Any] | None:
    """The claims of a ticket that is good, which it is no longer after this."""
    return session.scalar(
        delete(LiveTicket)
        .where(
            LiveTicket.merchant_id == merchant_id,
            LiveTicket.secret_hash == secret_hash,
            LiveTicket.expires_at > func.now(),
        )
        .returning(LiveTicket.claims)
    )


# --- presence -----------------------------------------------------------------------------


def set_presence(session: Session, process_id: str, sockets: Mapping[str, int]) -> None:
    """Write how many sockets this process holds, by merchant; 0 takes the row away."""
    held = {merchant_id: count for merchant_id, count in sockets.items() if count}
    gone = sorted(set(sockets) - set(held))
    if held:
        row = insert(LivePresence).values(
            [
                {"merchant_id": merchant_id, "process_id": process_id, "sockets": count}
                for merchant_id, count in sorted(held.items())
            ]
        )
        session.execute(
            row.on_conflict_do_update(
                index_elements=["merchant_id", "process_id"],
                set_={"sockets": row.excluded.sockets, "seen_at": func.now()},
            )
        )
    if gone:
        session.execute(
            delete(LivePresence).where(
                LivePresence.merchant_id.in_(gone), LivePresence.process_id == process_id
            )
        )


def sockets_of(session: Session, merchant_id: str, seen_within_s: int) -> int:
    """Open sockets of the merchant, over all processes that have been heard of lately."""
    found = session.scalar(
        select(func.coalesce(func.sum(LivePresence.sockets), 0)).where(
            LivePresence.merchant_id == merchant_id,
            LivePresence.seen_at > func.now() - func.make_interval(0, 0, 0, 0, 0, 0, seen_within_s),
        )
    )
    return int(found or 0)


# --- housekeeping: across merchants ---------------------------------------------------------

# The oldest rows of each merchant stand first in its primary key.
_PURGE = text(
    """
    DELETE FROM live_events AS e
     USING live_streams AS s
     CROSS JOIN LATERAL (
           SELECT old.seq, old.created_at FROM live_events AS old
            WHERE old.merchant_id = s.merchant_id ORDER BY old.seq LIMIT :each) AS o
     WHERE e.merchant_id = s.merchant_id AND e.seq = o.seq
       AND o.created_at < now() - make_interval(days => :days)
    """
)
_PURGE_TICKETS = text("DELETE FROM live_tickets WHERE expires_at < now()")
_PURGE_PRESENCE = text("DELETE FROM live_presence WHERE seen_at < now() - interval '1 hour'")


def purge_events(session: Session, days: int, each: int) -> int:
    return _count(session.execute(_PURGE, {"days": days, "each": each}))


def purge_leftovers(session: Session) -> int:
    """Tickets nobody used, and what killed processes said of themselves."""
    return _count(session.execute(_PURGE_TICKETS)) + _count(session.execute(_PURGE_PRESENCE))


def _count(result: Any) -> int:
    return int(result.rowcount)
