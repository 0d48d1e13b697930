"""What has happened, in its order, as campaigns would have heard it.

What a campaign has listened for is kept with its whole context (`campaign_triggers`) and is the
truth. The rest is built again from the rows it left: payments, refunds, top-ups, sign-ins. A
partner's order does not say whose it was, and what was reported to nobody left no row: those are
known only as far as they are kept.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session
from ulid import ULID

from mealquest.audit import service as audit
from mealquest.campaigns import inactivity
from mealquest.campaigns.domain import MANUAL, Verdict
from mealquest.campaigns.replay_domain import Happening, Order, Spending
from mealquest.core.db import streamed
from mealquest.core.money import Currency
from mealquest.core.wire import number
from mealquest.identity import service as identity
from mealquest.payments import service as payments
from mealquest.tenancy.service import Operation
from mealquest.wallet import service as wallets
from mealquest.wallet.service import major

# An event is published within its transaction, whose beginning its row has as its time.
BEFORE, AFTER = timedelta(seconds=2), timedelta(seconds=15)
LATE = timedelta(days=1)  # an event may wait so long for its campaigns, while a shop is frozen
AVERAGES: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Span:
    merchant_id: str
    event: str
    currency: Currency
    since: datetime
    until: datetime
    waits: tuple[int, ...] = ()  # days, of USER_INACTIVE

    @property
    def bounds(self) -> tuple[str, datetime, datetime]:
        return self.merchant_id, self.since, self.until


@dataclass(slots=True)
class Known:
    """What of the span is kept already: payments, sources, and when an event of whom came out."""

    payments: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    times: dict[str, list[datetime]] = field(default_factory=dict)

    def has_time(self, customer_id: str, at: datetime) -> bool:
        times = self.times.get(customer_id, ())
        return any(at - BEFORE <= told <= at + AFTER for told in times)


@dataclass(slots=True)
class Heard:
    """How many came out of which drawer, and whether a report lacked a field."""

    kept: int = 0
    rebuilt: int = 0
    reported: int = 0


Built = tuple[datetime, str, dict[str, Any]]


def happenings(
    session: Session, span: Span, heard: Heard, *, with_tags: bool, kept_only: bool = False
) -> Iterator[Happening]:
    """In order of time. `kept_only`: what some campaign listened for, and nothing else."""
    kept = _kept(session, span, heard)
    if kept_only or span.event not in _BUILDERS:
        return kept
    tags = identity.tags_of_all(session, span.merchant_id) if with_tags else {}
    known = _known(session, span)
    built = _BUILDERS[span.event](session, span, known)
    return heapq.merge(kept, _rebuilt(built, tags, heard), key=lambda one: one.at)


def _rebuilt(
    built: Iterable[Built], tags: Mapping[str, list[str]], heard: Heard
) -> Iterator[Happening]:
    for at, customer_id, context in built:
        heard.rebuilt += 1
        yield Happening(at, customer_id, context | {"tags": tags.get(customer_id, [])})


# --- what is kept -----------------------------------------------------------------------------

_KEPT = text(
    """
    SELECT created_at, customer_id, context, source = :manual, kill_switch, decisions
      FROM campaign_triggers
     WHERE merchant_id = :merchant AND event = :event
       AND created_at >= :since AND created_at < :until
     ORDER BY created_at, id
    """
)
_SOURCES = text(
    """
    SELECT source, payment_id, customer_id FROM campaign_triggers
     WHERE merchant_id = :merchant AND event = :event AND source <> :manual
       AND created_at >= :since AND created_at < :until
    """
)


def _kept(session: Session, span: Span, heard: Heard) -> Iterator[Happening]:
    for row in streamed(session, _KEPT, _values(span)):
        heard.kept += 1
        heard.reported += row[3]
        yield _happening(row)


def _happening(row: Any) -> Happening:
    at, customer_id, context, is_manual, kill_switch, said = row
    gave_back = any(one[0] == Verdict.REFUNDED for one in said.values())
    return Happening(at, customer_id, context, is_manual, kill_switch, not gave_back, said)


def _known(session: Session, span: Span) -> Known:
    known = Known()
    values = _values(span) | {"until": span.until + LATE}
    for source, payment_id, customer_id in streamed(session, _SOURCES, values):
        if payment_id:
            known.payments.add(payment_id)
        elif source.startswith("evt_"):
            told = ULID.from_str(source.removeprefix("evt_")).datetime
            known.times.setdefault(customer_id, []).append(told)
        else:
            known.sources.add(source)
    return known


def _values(span: Span) -> dict[str, Any]:
    return {
        "merchant": span.merchant_id,
        "event": span.event,
        "manual": MANUAL,
        "since": span.since,
        "until": span.until,
    }


# --- what is built again ----------------------------------------------------------------------


def _payments(session: Session, span: Span, known: Known) -> Iterator[Built]:
    for order in payments.past_orders(session, *span.bounds):
        if order.id not in known.payments:
            amount = number(major(order.order_minor, span.currency))
            context = {"orderAmount": amount, "orderCount": order.earlier}
            yield order.at, order.customer_id, context


def _recharges(session: Session, span: Span, known: Known) -> Iterator[Built]:
    for one in wallets.past_top_ups(session, *span.bounds):
        if not known.has_time(one.customer_id, one.at):
            context = {
                "rechargeAmount": number(major(one.amount_minor, span.currency)),
                "bonusGranted": number(major(one.bonus_minor, span.currency)),
            }
            yield one.at, one.customer_id, context


def _refunds(session: Session, span: Span, known: Known) -> Iterator[Built]:
    for one in payments.past_refunds(session, *span.bounds):
        if not known.has_time(one.customer_id, one.at):
            context = {
                "refundAmount": number(major(one.amount_minor, span.currency)),
                "totalRefunded": number(major(one.total_minor, span.currency)),
            }
            yield one.at, one.customer_id, context


def _entries(session: Session, span: Span, known: Known) -> Iterator[Built]:
    merchant_id, since, until = span.bounds
    signed_in = audit.done(session, merchant_id, Operation.CUSTOMER_SIGN_IN, since, until)
    for at, customer_id, details in signed_in:
        if "isNewUser" in details and not known.has_time(customer_id, at):
            context = {"isNewUser": bool(details["isNewUser"]), "hasReferral": False}
            yield at, customer_id, context


def _absences(session: Session, span: Span, known: Known) -> Iterator[Built]:
    merchant_id, since, until = span.bounds
    averages = [
        payments.average_spent(session, merchant_id, since + AVERAGES * number)
        for number in range((until - since) // AVERAGES + 1)
    ]
    streams = (_away(session, span, days, averages, known) for days in span.waits)
    return heapq.merge(*streams, key=lambda one: one[0])


def _away(
    session: Session, span: Span, days: int, averages: list[int], known: Known
) -> Iterator[Built]:
    merchant_id, since, until = span.bounds
    for at, quiet in payments.absences(session, merchant_id, days, since, until):
        if inactivity.source_of(quiet, days) not in known.sources:
            average = averages[(at - since) // AVERAGES]
            yield at, quiet.customer_id, inactivity.context_of(quiet, average, at)


_BUILDERS = {
    "PAYMENT_SUCCESS": _payments,
    "RECHARGE": _recharges,
    "REFUND": _refunds,
    "USER_ENTER_SHOP": _entries,
    inactivity.EVENT: _absences,
}


def is_rebuilt(event: str) -> bool:
    """Whether what nobody listened for can be built again."""
    return event in _BUILDERS


# --- what was spent, and bought ---------------------------------------------------------------

_SPENT = text(
    """
    SELECT created_at, sum(cost_minor) FROM campaign_hits
     WHERE merchant_id = :merchant AND created_at >= :since AND created_at < :until
       AND cost_minor > 0 AND campaign_id <> :own
     GROUP BY created_at
     ORDER BY created_at
    """
)
_REDEEMED = text(
    """
    SELECT campaign_id = :own, h.key, CAST(h.value AS bigint)
      FROM campaign_hits, jsonb_each_text(redeemed) AS h
     WHERE merchant_id = :merchant AND created_at < :until AND redeemed <> '{}'
    """
)
AT_ONCE = 5_000


def spendings(session: Session, span: Span, own: str, month_begins: datetime) -> Iterator[Spending]:
    """What other campaigns cost since the month began, and cards that paid, also this one's."""
    values = {"merchant": span.merchant_id, "own": own, "until": span.until}
    hits = (
        Spending(at, int(minor))
        for at, minor in streamed(session, _SPENT, values | {"since": month_begins})
    )
    cards = sorted(_cards(session, span, values, month_begins), key=lambda one: one.at)
    return heapq.merge(hits, cards, key=lambda one: one.at)


def _cards(
    session: Session, span: Span, values: dict[str, Any], since: datetime
) -> Iterator[Spending]:
    for rows in _redeemed(session, values):
        vouchers = [row[1] for row in rows]
        paid = payments.paid_with(session, span.merchant_id, vouchers, since)
        for own, voucher_id, minor in rows:
            if voucher_id in paid and paid[voucher_id] < span.until:
                yield Spending(paid[voucher_id], minor, own)


def _redeemed(session: Session, values: dict[str, Any]) -> Iterator[list[Any]]:
    """Cards that paid, some thousand at once."""
    batch: list[Any] = []
    for row in streamed(session, _REDEEMED, values):
        batch.append(row)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def orders(session: Session, span: Span) -> Iterator[Order]:
    for one in payments.past_orders(session, *span.bounds):
        yield Order(one.at, one.customer_id, one.order_minor)
