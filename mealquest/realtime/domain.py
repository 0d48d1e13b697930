"""Who hears of which event, how a frame looks, and why a socket is closed."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from mealquest.core.clock import iso_millis
from mealquest.core.principal import MANAGEMENT, MERCHANT, Role

TICKET_S = 30
OF_THE_OUTBOX = "occurredAt"  # when it happened: a frame says that as its timestamp

_STAFF = MERCHANT
_STAFF_AND_OWN = MERCHANT | {Role.CUSTOMER}

# Event type -> roles that hear of it; a customer only of events whose `userId` is their own.
# What is not named here is no live event.
AUDIENCE: dict[str, frozenset[Role]] = {
    "PAYMENT_VERIFIED": _STAFF_AND_OWN,
    "PAYMENT_REFUNDED": _STAFF_AND_OWN,
    "PAYMENT_CANCELLED": _STAFF_AND_OWN,
    "PAYMENT_EXPIRED": _STAFF_AND_OWN,
    "GATEWAY_REFUND_DONE": _STAFF,
    "GATEWAY_REFUND_STUCK": _STAFF,
    "WALLET_TOPPED_UP": _STAFF_AND_OWN,
    "WALLET_MOVED": frozenset({Role.CUSTOMER}),  # at another store that shares the wallet
    "VOUCHER_GRANTED": _STAFF,  # with the reason, which is not for the customer
    "PROPOSAL_CONFIRMED": _STAFF,
    "CAMPAIGN_STATUS_CHANGED": _STAFF,
    "FIRE_SALE_CREATED": _STAFF,
    "KILL_SWITCH_CHANGED": _STAFF,
    "ALLIANCE_SETTLED": MANAGEMENT,
    "TCA_TRIGGERED": _STAFF,
    "STRATEGY_CHAT_SESSION_CREATED": MANAGEMENT,
    "STRATEGY_CHAT_MESSAGE": MANAGEMENT,
    "STRATEGY_CHAT_REVIEWED": MANAGEMENT,
    "STRATEGY_PROPOSAL_CREATED": MANAGEMENT,
    "PROPOSAL_CANDIDATE_PICKED": MANAGEMENT,
    "RECOVERY_CHANGED": MANAGEMENT,
    "ALLIANCE_CHANGED": MANAGEMENT,
}

# What passes by: told to the sockets that are open and ask for it, in no order with the events
# above, never numbered and never kept.
PASSING: dict[str, frozenset[Role]] = {
    "STRATEGY_CHAT_DRAFT": MANAGEMENT,
}


def types_for(role: Role) -> list[str]:
    """What somebody of this role may hear of at all, in the order of the alphabet."""
    return sorted(kind for kind, roles in AUDIENCE.items() if role in roles)


@dataclass(frozen=True, slots=True)
class Viewer:
    """On whose behalf a stream is read."""

    merchant_id: str
    role: Role
    subject: str

    def may_hear(self, passing: "Passing") -> bool:
        is_theirs = passing.merchant_id == self.merchant_id
        return is_theirs and self.role in PASSING.get(passing.type, frozenset())

    def may_see(self, event: "LiveEvent") -> bool:
        if self.role not in AUDIENCE.get(event.type, frozenset()):
            return False
        return self.role is not Role.CUSTOMER or event.user_id == self.subject


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One numbered event. Numbers of a merchant rise by one, in the order of their commits."""

    merchant_id: str
    seq: int
    type: str
    user_id: str | None
    payload: dict[str, Any]
    occurred_at: datetime

    def frame(self) -> str:
        return _frame(self.type, self.merchant_id, self.payload, self.occurred_at, self.seq)


@dataclass(frozen=True, slots=True)
class Passing:
    """Something that is true for a moment; whoever is not there to hear it has missed nothing."""

    merchant_id: str
    type: str
    payload: dict[str, Any]
    moment: datetime

    def frame(self) -> str:
        """As an event's, but for the number."""
        return _frame(self.type, self.merchant_id, self.payload, self.moment)


def lost_frame(merchant_id: str, *, since: int, first_kept: int, newest: int, now: datetime) -> str:
    """Tells a client that events after `since` are not kept any more: read the state anew.

    The stream goes on with event `first_kept`, or after `newest` when none is kept.
    """
    payload = {"since": since, "firstKept": first_kept, "newest": newest}
    return _frame("EVENTS_LOST", merchant_id, payload, now, first_kept - 1)


def _frame(
    kind: str,
    merchant_id: str,
    payload: dict[str, Any],
    moment: datetime,
    seq: int | None = None,
) -> str:
    number = {} if seq is None else {"seq": seq}
    return json.dumps(
        {
            "type": kind,
            "merchantId": merchant_id,
            "payload": payload,
            "timestamp": iso_millis(moment),
            **number,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


class Close(IntEnum):
    """Status codes of RFC 6455 and its registry that we close with."""

    NORMAL = 1000
    POLICY = 1008
    FAILURE = 1011
    RESTART = 1012
    FULL = 1013


class Reason(StrEnum):
    """Sent as the words of a close frame, and counted; clients compare them."""

    TOKEN_EXPIRED = "TOKEN_EXPIRED"
    SIGNED_OUT = "SIGNED_OUT"  # or removed, or in another role by now
    REALTIME_DISABLED = "TENANT_REALTIME_DISABLED"
    TOO_SLOW = "TOO_SLOW"
    RESTARTING = "RESTARTING"  # connect again, with `since`
    UNAVAILABLE = "UNAVAILABLE"  # the database does not answer; try again later
    FULL = "SOCKETS_FULL"  # this process holds as many as it may; try again later

    @property
    def code(self) -> Close:
        codes = {
            Reason.UNAVAILABLE: Close.FAILURE,
            Reason.RESTARTING: Close.RESTART,
            Reason.FULL: Close.FULL,
        }
        return codes.get(self, Close.POLICY)
