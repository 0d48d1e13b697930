"""What Stripe never delivered, found by asking: events, open invoices, and cases nobody heard of.

Each run reads the account's events since the last one, with an overlap, and hands them to the same
intake as the webhooks, where an event's id counts once. Then it compares what is open there with
what is open here. It is a chain of tasks, one per connected account and one of the platform's own;
what it does not get done stays for the next link.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

import structlog
from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core.db import transaction
from mealquest.recovery import connect, declines, found, plan_events, recovered, routing, webhooks
from mealquest.recovery.case_models import Recovery, RecoveryCase, RecoverySync
from mealquest.recovery.domain import PLATFORM, CaseStatus, Closed, TaskType, chain_key
from mealquest.recovery.errors import StripeAway, StripeRefused, StripeUnauthorized
from mealquest.recovery.events import Event, NotAnEvent
from mealquest.recovery.gateway import Invoice, StripeGateway
from mealquest.recovery.running import Done, Outcome, processor, still_mine
from mealquest.recovery.running import Task as Claimed
from mealquest.recovery.tasks import NewTask
from mealquest.tenancy import service as tenancy

EVERY_S = 900
OVERLAP = timedelta(hours=1)  # events are listed a little after they are made
FURTHEST = timedelta(days=30)  # Stripe keeps events no longer
CHECK_AFTER = timedelta(days=1)
PAGE = 100
MOST_FOUND = 2_000  # that one run takes in; the next one goes on
MOST_LISTED = 5_000  # of open invoices
MOST_CHECKS = 50  # calls about single invoices, of one run and kind
REVOKED = "account_invalid"
CLOSED_AS = {
    "paid": "invoice.paid",
    "void": "invoice.voided",
    "uncollectible": "invoice.marked_uncollectible",
}

T = TypeVar("T")
log = structlog.get_logger(__name__)


class _Lost(Exception):
    """The task is somebody else's by now."""


@dataclass
class _Round:
    """One run over one account; empty: the platform's own."""

    task: Claimed
    account: str
    since: datetime
    began: datetime
    found: int = 0
    failed: int = 0
    is_whole: bool = True  # nothing was left for the next run
    stripe: StripeGateway = field(init=False)

    def __post_init__(self) -> None:
        self.stripe = StripeGateway(self.account or None)

    @property
    def merchant_id(self) -> str:
        return self.task.merchant_id

    def go_on(self) -> None:
        """_Lost: stop here, without harm done."""
        if not still_mine(self.task):
            raise _Lost


@processor(TaskType.RECONCILE)
def reconcile(task: Claimed) -> Outcome:
    """Never parked: while Stripe is away, the next link tries again."""
    one = _begin(task)
    if one is None:
        return Done("not_connected")
    try:
        _read_events(one)
        if one.account:
            _read_open_invoices(one)
            _check_cases(one)
            _check_recoveries(one)
    except _Lost:
        return Done("lost")
    except StripeUnauthorized as failure:
        if failure.code == REVOKED and one.account:
            return Done("deauthorized", effects=_let_go(one))
        return _next(one, str(failure))
    except StripeAway as failure:
        return _next(one, str(failure), wait_s=failure.wait_s)
    except StripeRefused as failure:
        return _next(one, str(failure))
    return _next(one, f"{one.failed} events failed" if one.failed else None)


def _begin(task: Claimed) -> _Round | None:
    """None: there is no account to ask."""
    with transaction(task.merchant_id) as session:
        account, since = "", None
        if task.merchant_id != PLATFORM:
            known = tenancy.account_of(session, task.merchant_id)
            if known.stripe_connect_id is None:
                return None
            account, since = known.stripe_connect_id, known.connected_at
        now = session.scalars(select(func.now())).one()
        sync = session.get(RecoverySync, task.merchant_id)
        if sync is not None and sync.account == account:
            since = max(sync.read_until, since or sync.read_until)
    return _Round(task, account, max((since or now) - OVERLAP, now - FURTHEST), now)


def _next(one: _Round, error: str | None = None, wait_s: float | None = None) -> Done:
    """The end of this link, how far it read, and the next link."""
    is_read = error is None and one.is_whole
    outcome = "read" if is_read else "put_off" if error else "more_to_read"
    if error:
        log.warning("reconciliation put off", merchant_id=one.merchant_id, why=error)

    def note(session: Session) -> None:
        values: dict[str, Any] = {
            "account": one.account,
            "last_run_at": func.now(),
            "last_error": error,
        }
        values["read_until"] = one.began if is_read else one.since + OVERLAP
        session.execute(
            insert(RecoverySync)
            .values(merchant_id=one.merchant_id, **values)
            .on_conflict_do_update(index_elements=["merchant_id"], set_=values)
        )

    following = NewTask(
        type=TaskType.RECONCILE,
        payload={},
        merchant_id=one.merchant_id,
        delay_s=max(wait_s or 0.0, EVERY_S if is_read or error else 1.0),
        dedupe_key=chain_key(TaskType.RECONCILE),
    )
    return Done(outcome, effects=note, next=following)


def _let_go(one: _Round) -> Any:
    """Stripe says that the account has let us go, which its event has not told."""

    def note(session: Session) -> None:
        connect.disconnected(
            session, one.merchant_id, "deauthorized at Stripe", account_id=one.account
        )

    return note


# --- events -------------------------------------------------------------------------------


def _read_events(one: _Round) -> None:
    if one.account:
        webhooks.replay(one.account, one.merchant_id)
    types = routing.TYPES if one.account else plan_events.TYPES
    for page in _pages(one.stripe.events(types, one.since)):
        one.go_on()
        known = webhooks.known(one.merchant_id, [str(said["id"]) for said in page])
        for said in page:
            if said["id"] not in known:
                _take_in(one, dict(said) | {"account": one.account or None})
        if one.found >= MOST_FOUND:
            one.is_whole = False
            return


def _take_in(one: _Round, said: Mapping[str, Any]) -> None:
    """One that fails is tried again by the next link, and holds up no other."""
    one.found += 1
    try:
        webhooks.take_in(Event.of(said))
    except NotAnEvent as wrong:
        log.error("event not understood", event_id=said.get("id"), why=str(wrong))
    except Exception as failure:
        one.failed += 1
        log.error("event not taken in", event_id=said.get("id"), exc_info=failure)


def _pages(listed: Iterator[T]) -> Iterator[list[T]]:
    while page := list(islice(listed, PAGE)):
        yield page


# --- invoices -----------------------------------------------------------------------------


def _read_open_invoices(one: _Round) -> None:
    """Invoices that failed, or failed again, without an event of it."""
    listed = one.stripe.invoices("open", one.began - FURTHEST)
    for page in _pages(islice(listed, MOST_LISTED)):
        one.go_on()
        failed = [invoice for invoice in page if invoice.attempt_count > 0]
        known = _attempts(one.merchant_id, [invoice.id for invoice in failed])
        for invoice in failed:
            if invoice.attempt_count > known.get(invoice.id, 0):
                _take_in(
                    one, found.as_event(one.account, invoice, "invoice.payment_failed", one.began)
                )


def _attempts(merchant_id: str, invoice_ids: list[str]) -> dict[str, int]:
    """How many attempts are known of each; those of a former connection do not count."""
    with transaction(merchant_id) as session:
        rows = session.execute(
            select(RecoveryCase.invoice_id, RecoveryCase.attempt_count).where(
                RecoveryCase.merchant_id == merchant_id,
                RecoveryCase.invoice_id.in_(invoice_ids),
                or_(
                    RecoveryCase.closed_why.is_(None),
                    RecoveryCase.closed_why != Closed.DISCONNECTED,
                ),
            )
        )
        return dict(rows.tuples().all())


def _check_cases(one: _Round) -> None:
    """Open cases that failed since they were asked for, as events do not say why, or that were not
    asked for in a day: their end may have been told to nobody."""
    for invoice_id in _unchecked(one):
        invoice = _asked(one, invoice_id)
        facts: dict[str, Any] = {}
        if invoice and (kind := CLOSED_AS.get(invoice.status)):
            _take_in(one, found.as_event(one.account, invoice, kind, one.began))
        elif invoice:
            facts = {"amount_due": max(0, invoice.amount_remaining)}
            facts["next_payment_attempt"] = invoice.next_payment_attempt
            facts |= _why(invoice)
        with transaction(one.merchant_id) as session:
            session.execute(
                update(RecoveryCase)
                .where(
                    RecoveryCase.merchant_id == one.merchant_id,
                    RecoveryCase.invoice_id == invoice_id,
                )
                .values(checked_at=func.now(), **facts)
            )


def _why(invoice: Invoice) -> dict[str, Any]:
    """Why the payment failed, by columns of the case; empty where Stripe does not say."""
    said = invoice.decline
    if said is None:
        return {}
    kind = declines.decline_of(said.decline_code, said.code).kind
    return {"decline_code": said.decline_code or said.code, "decline_class": kind.value}


def _asked(one: _Round, invoice_id: str) -> Invoice | None:
    """None: Stripe does not show it, now or ever."""
    one.go_on()
    try:
        return one.stripe.invoice(invoice_id)
    except StripeRefused as failure:
        log.warning("invoice not readable", invoice_id=invoice_id, why=str(failure))
        return None


def _unchecked(one: _Round) -> list[str]:
    last = func.coalesce(RecoveryCase.checked_at, RecoveryCase.first_failed_at)
    with transaction(one.merchant_id) as session:
        query = (
            select(RecoveryCase.invoice_id)
            .where(
                RecoveryCase.merchant_id == one.merchant_id,
                RecoveryCase.status == CaseStatus.OPEN,
                or_(
                    RecoveryCase.checked_at.is_(None),
                    RecoveryCase.checked_at < RecoveryCase.last_failed_at,
                    last < func.now() - CHECK_AFTER,
                ),
            )
            .order_by(last, RecoveryCase.invoice_id)
            .limit(MOST_CHECKS)
        )
        return list(session.scalars(query))


def _check_recoveries(one: _Round) -> None:
    """Events do not say what was paid past Stripe. Each new recovery is looked at once."""
    for invoice_id in _recent(one):
        invoice = _asked(one, invoice_id)
        with transaction(one.merchant_id) as session:
            if invoice and invoice.off_stripe:
                recovered.came_off_stripe(
                    session, one.merchant_id, invoice_id, invoice.off_stripe, invoice.amount_paid
                )
            _mark_checked(session, one.merchant_id, invoice_id)


def _recent(one: _Round) -> list[str]:
    with transaction(one.merchant_id) as session:
        query = (
            select(Recovery.invoice_id)
            .where(
                Recovery.merchant_id == one.merchant_id,
                ~Recovery.is_checked,
                Recovery.recovered_at > func.now() - FURTHEST,
            )
            .order_by(Recovery.recovered_at, Recovery.invoice_id)
            .limit(MOST_CHECKS)
        )
        return list(session.scalars(query))


def _mark_checked(session: Session, merchant_id: str, invoice_id: str) -> None:
    session.execute(
        update(Recovery)
        .where(Recovery.merchant_id == merchant_id, Recovery.invoice_id == invoice_id)
        .values(is_checked=True)
    )
