"""What the routes of live events answer."""

from typing import Any, Self

from pydantic import Field

from mealquest.core.wire import Timestamp, View
from mealquest.realtime.domain import LiveEvent


class TicketView(View):
    ticket: str
    expires_in_sec: int


class StatusView(View):
    """Open sockets of the merchant in all processes, and its newest number."""

    merchant_id: str
    online_count: int
    last_seq: int


class LiveEventView(View):
    """One event as sockets get it. `user_name`: the customer it is about, for pages."""

    seq: int
    type: str
    merchant_id: str
    payload: dict[str, Any]
    timestamp: Timestamp
    user_id: str | None = None
    user_name: str | None = None

    @classmethod
    def of(cls, event: LiveEvent, names: dict[str, str]) -> Self:
        return cls(
            seq=event.seq,
            type=event.type,
            merchant_id=event.merchant_id,
            payload=event.payload,
            timestamp=event.occurred_at,
            user_id=event.user_id,
            user_name=names.get(event.user_id) if event.user_id else None,
        )


class EventsView(View):
    """Newest first. `before` of the next page is `nextBefore`; null on the last one."""

    items: list[LiveEventView]
    last_seq: int
    next_before: int | None = None
    limit: int = Field(10, exclude=True)
    is_newest: bool = Field(True, exclude=True)  # False: a page further down, which does not move
