"""An invoice as Stripe shows it, in the shape of the event that should have told of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from flask import current_app

from mealquest.recovery.gateway import Invoice


def as_event(account: str, invoice: Invoice, kind: str, now: datetime) -> dict[str, Any]:
    """Found again in the same state, it is the same event."""
    at = invoice.paid_at if kind == "invoice.paid" and invoice.paid_at else now
    state = invoice.attempt_count if kind == "invoice.payment_failed" else invoice.status
    return {
        "id": f"found:{invoice.id}:{state}",
        "type": kind,
        "account": account,
        "livemode": current_app.config["SETTINGS"].stripe_is_live,
        "created": int(at.astimezone(UTC).timestamp()),
        "data": {"object": dict(_about(invoice))},
    }


def _about(invoice: Invoice) -> Iterator[tuple[str, Any]]:
    attempt = invoice.next_payment_attempt
    yield "id", invoice.id
    yield "status", invoice.status
    yield "customer", invoice.customer_id
    yield "subscription", invoice.subscription_id
    yield "billing_reason", invoice.billing_reason
    yield "currency", invoice.currency
    yield "amount_due", invoice.amount_due
    yield "amount_remaining", invoice.amount_remaining
    yield "amount_paid", invoice.amount_paid
    yield "amount_paid_off_stripe", invoice.off_stripe
    yield "paid_out_of_band", invoice.is_paid_out_of_band
    yield "attempt_count", invoice.attempt_count
    yield "next_payment_attempt", int(attempt.timestamp()) if attempt else None
    yield "hosted_invoice_url", invoice.hosted_url
