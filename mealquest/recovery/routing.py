"""What each type of event leads to, for the merchant whose account it came from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from flask import current_app
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from mealquest.recovery import (
    attempts,
    cases,
    deauthorized,
    methods,
    plan_events,
    recovered,
    tasks,
    usage,
)
from mealquest.recovery.case_models import DunningSettings, RecoveryCase
from mealquest.recovery.domain import PLATFORM, CaseStatus, Closed, Metric, TaskType
from mealquest.recovery.events import Event, NotAnEvent
from mealquest.recovery.gateway import Invoice, id_of, subscription_of
from mealquest.recovery.models import ProcessedEvent
from mealquest.recovery.schedule import first_delay

DEAUTHORIZED = "account.application.deauthorized"
# What the endpoint for connected accounts at Stripe is to send.
TYPES = (
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice.voided",
    "invoice.marked_uncollectible",
    "customer.subscription.deleted",
    "charge.failed",
    "payment_method.attached",
    "payment_method.automatically_updated",
    DEAUTHORIZED,
)
IGNORED_REASONS = {
    "subscription_create": "a failed start of a subscription is the merchant's onboarding",
    "subscription_update": "a failed change of a subscription is handled by hand",
    "manual": "a manual invoice is handled by hand",
}
# One at a time of what an event is about, so that two who do not see each other's rows yet cannot
# both pass: a failure that looks for the payment, and the payment that looks for the failure.
_ALONE = text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key")


@dataclass(frozen=True, slots=True)
class Led:
    """What an event led to. `facts` is what a later event may need of it."""

    action: str
    reason: str
    task_id: int | None = None
    facts: dict[str, Any] | None = None


Route = Callable[[Session, str, Event], Led]


def object_of(about: Mapping[str, Any]) -> str | None:
    return id_of(about)


def route(session: Session, merchant_id: str, event: Event) -> Led:
    if merchant_id == PLATFORM and event.type in _NEED_A_MERCHANT:
        return Led("error", "cannot determine the merchant: the event names no account")
    if event.account is None:
        return _of_platform(session, merchant_id, event)
    found = ROUTES.get(event.type)
    if found is None:
        return Led("ignored", f"no use for {event.type}")
    _alone(session, merchant_id, event)
    return found(session, merchant_id, event)


def _of_platform(session: Session, merchant_id: str, event: Event) -> Led:
    """Of the platform's own account, whose customers are the merchants."""
    if event.type not in plan_events.TYPES:
        return Led("ignored", f"no use for the platform's own {event.type}")
    if merchant_id == PLATFORM:
        is_end = event.type == plan_events.DELETED
        return Led("ignored" if is_end else "error", "a subscription of nobody we bill")
    return Led(*plan_events.take(session, merchant_id, event.type, event.created, event.about))


def _alone(session: Session, merchant_id: str, event: Event) -> None:
    """Wait for whoever handles the same invoice or subscription, and lock its live tasks.

    Workers lock a task before its case; so do events.
    """
    about = id_of(event.about)
    names = {about, subscription_of(event.about)} - {None}
    keys = [sha256(f"{merchant_id}\n{name}".encode()).digest()[:8] for name in names]
    numbers = sorted(int.from_bytes(key, signed=True) for key in keys)
    session.execute(_ALONE, {"keys": numbers})
    if event.type.startswith("invoice.") and about:
        tasks.lock_of_invoices(session, merchant_id, [about])


def _invoice(event: Event) -> Invoice:
    try:
        return Invoice.of(event.about)
    except (AttributeError, KeyError, TypeError, ValueError) as wrong:
        raise NotAnEvent(f"no invoice in {event.type}") from wrong


def _payment_failed(session: Session, merchant_id: str, event: Event) -> Led:
    invoice = _invoice(event)
    if invoice.billing_reason != "subscription_cycle":
        why = IGNORED_REASONS.get(str(invoice.billing_reason))
        return Led("ignored", why or f"billing reason {invoice.billing_reason}")
    case = cases.failed(session, merchant_id, invoice, event.created, event.id)
    if ended := _ended_before(session, merchant_id, case):
        return ended
    if case.holdout:
        return Led("ignored", "held out of mails, to tell what they bring")
    attempt = max(1, invoice.attempt_count)
    if attempt <= case.scheduled_attempt:
        return Led("ignored", "this attempt, or a newer one, is known")
    case.scheduled_attempt = attempt
    tasks.end_of_type(
        session, merchant_id, invoice.id, TaskType.DUNNING_RETRY, "a newer attempt failed"
    )
    delay_s = _delay_s(session, merchant_id, attempt)
    task_id = tasks.enqueue(
        session,
        merchant_id,
        TaskType.DUNNING_RETRY,
        _payload(event, invoice)
        | {
            "attemptCount": attempt,
            "billingReason": invoice.billing_reason,
        },
        delay_s=delay_s,
        dedupe_key=f"dunning:{invoice.id}",
        invoice_id=invoice.id,
    )
    if task_id is None:
        return Led("ignored", "a reminder is planned already")
    usage.log(session, merchant_id, Metric.TASK_SCHEDULED, task_id=task_id)
    return Led("enqueued", f"reminder in {delay_s} s", task_id)


def _delay_s(session: Session, merchant_id: str, attempt_count: int) -> int:
    """Seconds from a failure to its reminder, by the merchant's own sequence where it has one."""
    usual = current_app.config["SETTINGS"].dunning_delays
    own = session.scalar(
        select(DunningSettings.steps).where(DunningSettings.merchant_id == merchant_id)
    )
    return first_delay(own, usual, attempt_count)


def _action_required(session: Session, merchant_id: str, event: Event) -> Led:
    invoice = _invoice(event)
    case = cases.failed(session, merchant_id, invoice, event.created, event.id, needs_action=True)
    if ended := _ended_before(session, merchant_id, case):
        return ended
    if case.holdout:
        return Led("ignored", "held out of mails, to tell what they bring")
    task_id = tasks.enqueue(
        session,
        merchant_id,
        TaskType.NOTIFY_ACTION_REQUIRED,
        _payload(event, invoice),
        dedupe_key=f"action:{invoice.id}",
        invoice_id=invoice.id,
    )
    if task_id is None:
        return Led("ignored", "the customer is being asked already")
    usage.log(session, merchant_id, Metric.ACTION_REQUIRED_NOTIFICATION, task_id=task_id)
    return Led("enqueued", "the customer is asked to authenticate", task_id)


def _payload(event: Event, invoice: Invoice) -> dict[str, Any]:
    """Ids and figures, nobody's name or address."""
    return {
        "eventId": event.id,
        "invoiceId": invoice.id,
        "customerId": invoice.customer_id,
        "subscriptionId": invoice.subscription_id,
        "amountDue": invoice.amount_due,
        "currency": invoice.currency,
        "hostedInvoiceUrl": invoice.hosted_url,
    }


def _paid(session: Session, merchant_id: str, event: Event) -> Led:
    invoice = _invoice(event)
    facts = {
        "amountPaid": invoice.amount_paid,
        "currency": invoice.currency,
        "isOutOfBand": invoice.is_paid_out_of_band,
    }
    counted = recovered.paid(session, merchant_id, invoice, event.created, event.id)
    if counted is None:
        return Led("ignored", "paid without a failure, or counted before", facts=facts)
    return Led("processed", "recovered", facts=facts)


def _closed(why: Closed) -> Route:
    def close(session: Session, merchant_id: str, event: Event) -> Led:
        ended = cases.end(session, merchant_id, str(event.about.get("id")), why, event.created)
        return Led("processed" if ended else "ignored", why.value, facts={})

    return close


def _subscription_deleted(session: Session, merchant_id: str, event: Event) -> Led:
    cases.end_of_subscription(session, merchant_id, str(event.about.get("id")), event.created)
    usage.log(session, merchant_id, Metric.SUBSCRIPTION_CHURNED)
    return Led("ignored", "subscription ended; its reminders are cancelled", facts={})


def _charge_failed(session: Session, merchant_id: str, event: Event) -> Led:
    """The invoice's own event says the rest; here is which card it was."""
    charge = event.about
    method = charge.get("payment_method_details")
    card = method.get("card") if isinstance(method, Mapping) else None
    said = card if isinstance(card, Mapping) else {}
    charge_id, fingerprint = id_of(charge), said.get("fingerprint")
    network = said.get("network") or said.get("brand") or cases.UNKNOWN
    words = [charge_id, fingerprint, network]
    if all(isinstance(word, str) and word.isprintable() for word in words):
        attempts.note(
            session,
            merchant_id,
            str(charge_id),
            card=str(fingerprint),
            network=str(network),
            invoice_id=id_of(charge.get("invoice")) or "",
            at=event.created,
        )
    return Led("ignored", "the invoice's event covers it")


def _new_method(session: Session, merchant_id: str, event: Event) -> Led:
    payer = id_of(event.about.get("customer"))
    stopped = methods.attached(session, merchant_id, payer, event.created) if payer else 0
    return Led("processed" if stopped else "ignored", f"a new method; {stopped} invoices wait")


def _deauthorized(session: Session, merchant_id: str, event: Event) -> Led:
    return Led(*deauthorized.let_go(session, merchant_id, event.account, event.created))


def _ended_before(session: Session, merchant_id: str, case: RecoveryCase) -> Led | None:
    """What ended this invoice though its event came first: it is made up for now."""
    if case.status is not CaseStatus.OPEN:
        return Led("ignored", f"the invoice has left recovery: {case.closed_why}")
    named = [one for one in (case.invoice_id, case.subscription_id) if one]
    ends = session.scalars(
        select(ProcessedEvent)
        .where(
            ProcessedEvent.merchant_id == merchant_id,
            ProcessedEvent.object_id.in_(named),
            ProcessedEvent.event_type.in_(ENDS),
            ProcessedEvent.payload.is_not(None),
        )
        .order_by(ProcessedEvent.created_at, ProcessedEvent.event_id)
    ).all()
    for one in ends:
        _end_again(session, merchant_id, case, one)
    return Led("ignored", "the invoice had left recovery before") if ends else None


def _end_again(
    session: Session, merchant_id: str, case: RecoveryCase, told: ProcessedEvent
) -> None:
    why = ENDS[told.event_type]
    if why is not Closed.PAID:
        cases.end(session, merchant_id, case.invoice_id, why, told.created_at)
        return
    facts = told.payload or {}
    invoice = Invoice.of(
        {
            "id": case.invoice_id,
            "amount_paid": facts.get("amountPaid"),
            "currency": facts.get("currency"),
            "paid_out_of_band": facts.get("isOutOfBand"),
        }
    )
    recovered.paid(session, merchant_id, invoice, told.created_at, told.event_id)


ENDS: Mapping[str, Closed] = {
    "invoice.paid": Closed.PAID,
    "invoice.payment_succeeded": Closed.PAID,
    "invoice.voided": Closed.VOIDED,
    "invoice.marked_uncollectible": Closed.UNCOLLECTIBLE,
    "customer.subscription.deleted": Closed.SUBSCRIPTION_ENDED,
}
ROUTES: Mapping[str, Route] = {
    "invoice.payment_failed": _payment_failed,
    "invoice.payment_action_required": _action_required,
    "invoice.paid": _paid,
    "invoice.payment_succeeded": _paid,
    "invoice.voided": _closed(Closed.VOIDED),
    "invoice.marked_uncollectible": _closed(Closed.UNCOLLECTIBLE),
    "customer.subscription.deleted": _subscription_deleted,
    "charge.failed": _charge_failed,
    "payment_method.attached": _new_method,
    "payment_method.automatically_updated": _new_method,
    DEAUTHORIZED: _deauthorized,
}
_NEED_A_MERCHANT = frozenset({"invoice.payment_failed", "invoice.payment_action_required"})
