"""What each type of event leads to, for the merchant whose account it came from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from mealquest.recovery import cases, recovered, tasks, usage
from mealquest.recovery.case_models import RecoveryCase
from mealquest.recovery.domain import (
    PLATFORM,
    CaseStatus,
    Closed,
    Metric,
    TaskType,
)
from mealquest.recovery.gateway import Invoice, id_of
from mealquest.recovery.models import ProcessedEvent

# What an endpoint at Stripe is to send.
TYPES = (
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "invoice.paid",
    "invoice.payment_succeeded",
    "invoice.voided",
    "invoice.marked_uncollectible",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "charge.failed",
    "account.application.deauthorized",
)
IGNORED_REASONS = {
    "subscription_create": "a failed start of a subscription is the merchant's onboarding",
    "subscription_update": "a failed change of a subscription is handled by hand",
    "manual": "a manual invoice is handled by hand",
}


class Told(Protocol):
    """What routing reads of an event."""

    @property
    def id(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def created(self) -> datetime: ...
    @property
    def about(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Led:
    """What an event led to. `facts` is what a later event may need of it."""

    action: str
    reason: str
    task_id: int | None = None
    facts: dict[str, Any] | None = None


Route = Callable[[Session, str, Told], Led]


def object_of(about: Mapping[str, Any]) -> str | None:
    return id_of(about)


def billed(event_type: str, about: Mapping[str, Any]) -> str | None:
    """Which merchant an event of the platform's own account is about."""
    return None


def route(session: Session, merchant_id: str, event: Told) -> Led:
    if merchant_id == PLATFORM and event.type.startswith("invoice."):
        return Led("error", "cannot determine the merchant: the event names no account")
    found = ROUTES.get(event.type)
    return (
        found(session, merchant_id, event) if found else Led("ignored", f"no use for {event.type}")
    )


def _payment_failed(session: Session, merchant_id: str, event: Told) -> Led:
    invoice = Invoice.of(event.about)
    if invoice.billing_reason != "subscription_cycle":
        why = IGNORED_REASONS.get(str(invoice.billing_reason))
        return Led("ignored", why or f"billing reason {invoice.billing_reason}")
    case = cases.failed(session, merchant_id, invoice, event.created)
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
    delay_s = delay_of(attempt)
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
    usage.log(session, merchant_id, Metric.TASK_SCHEDULED, task_id=task_id)
    return Led("enqueued", f"reminder in {delay_s} s", task_id)


def delay_of(attempt_count: int) -> int:
    """Seconds from a failure to its reminder; the last one holds for all later attempts."""
    delays: Sequence[int] = current_app.config["SETTINGS"].dunning_delays
    return delays[min(attempt_count, len(delays)) - 1]


def _action_required(session: Session, merchant_id: str, event: Told) -> Led:
    invoice = Invoice.of(event.about)
    case = cases.failed(session, merchant_id, invoice, event.created, needs_action=True)
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


def _payload(event: Told, invoice: Invoice) -> dict[str, Any]:
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


def _paid(session: Session, merchant_id: str, event: Told) -> Led:
    invoice = Invoice.of(event.about)
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
    def close(session: Session, merchant_id: str, event: Told) -> Led:
        ended = cases.end(session, merchant_id, str(event.about.get("id")), why, event.created)
        return Led("processed" if ended else "ignored", why.value, facts={})

    return close


def _subscription_deleted(session: Session, merchant_id: str, event: Told) -> Led:
    if merchant_id == PLATFORM:
        return Led("ignored", "a subscription of nobody we bill", facts={})
    cases.end_of_subscription(session, merchant_id, str(event.about.get("id")), event.created)
    usage.log(session, merchant_id, Metric.SUBSCRIPTION_CHURNED)
    return Led("ignored", "subscription ended; its reminders are cancelled", facts={})


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
}
