"""Objects of Stripe as plain values, retrieved or carried by an event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from flask import current_app

Json = Mapping[str, Any]
OFF_STRIPE = "amount_paid_off_stripe"


@dataclass(frozen=True, slots=True)
class Decline:
    """Why the last attempt to charge failed, and with what card; None where nothing is said."""

    code: str | None
    decline_code: str | None
    network: str | None
    card: str | None  # the card's fingerprint
    charge_id: str | None
    needs_action: bool


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice as Stripe has it now. Amounts are minor units of `currency`."""

    id: str
    status: str
    currency: str
    amount_due: int
    amount_remaining: int
    amount_paid: int
    attempt_count: int
    next_payment_attempt: datetime | None
    hosted_url: str | None
    customer_id: str | None
    customer_email: str | None
    customer_name: str | None
    subscription_id: str | None
    billing_reason: str | None
    is_paid_out_of_band: bool
    off_stripe: int  # of what was paid; Stripe says so when asked, not in its events
    paid_at: datetime | None
    created: datetime
    decline: Decline | None

    @classmethod
    def of(cls, said: Json) -> Self:
        """Of an invoice object, as it is retrieved or as an event carries it."""
        paid = int(said.get("amount_paid") or 0)
        off_stripe = int(said.get(OFF_STRIPE) or 0)
        return cls(
            id=str(said["id"]),
            status=str(said.get("status") or ""),
            currency=str(said.get("currency") or "").lower(),
            amount_due=int(said.get("amount_due") or 0),
            amount_remaining=int(said.get("amount_remaining", said.get("amount_due")) or 0),
            amount_paid=paid,
            attempt_count=int(said.get("attempt_count") or 0),
            next_payment_attempt=moment(said.get("next_payment_attempt")),
            hosted_url=https(said.get("hosted_invoice_url")),
            customer_id=id_of(said.get("customer")),
            customer_email=said.get("customer_email"),
            customer_name=said.get("customer_name"),
            subscription_id=subscription_of(said),
            billing_reason=said.get("billing_reason"),
            is_paid_out_of_band=bool(said.get("paid_out_of_band")) or 0 < paid <= off_stripe,
            off_stripe=off_stripe,
            paid_at=moment((said.get("status_transitions") or {}).get("paid_at")),
            created=moment(said.get("created")) or datetime.fromtimestamp(0, UTC),
            decline=_decline(said),
        )


@dataclass(frozen=True, slots=True)
class Connected:
    """What an authorisation code was exchanged for. Holds tokens."""

    account_id: str
    access_token: str
    refresh_token: str
    livemode: bool
    scope: str


def moment(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) else None


def https(url: Any) -> str | None:
    """A link that may stand in a mail; in development the sandbox's own as well."""
    if not isinstance(url, str):
        return None
    sandbox = current_app.config.get("STRIPE_SANDBOX_URL")
    is_sandbox = bool(sandbox) and url.startswith(f"{sandbox}/")
    return url if url.startswith("https://") or is_sandbox else None


def id_of(said: Any) -> str | None:
    """The id of an object that is named or expanded."""
    if isinstance(said, Mapping):
        said = said.get("id")
    return said if isinstance(said, str) else None


def subscription_of(invoice: Json) -> str | None:
    """Where the subscription stands now, and where older versions of the API have it."""
    parent = invoice.get("parent") or {}
    details = parent.get("subscription_details") or {}
    return id_of(details.get("subscription")) or id_of(invoice.get("subscription"))


def _decline(invoice: Json) -> Decline | None:
    intent = _last_intent(invoice)
    if intent is None:
        return None
    error = intent.get("last_payment_error") or {}
    method = error.get("payment_method") or {}
    card = method.get("card") or {}
    needs_action = intent.get("status") == "requires_action"
    if not (error or needs_action):
        return None
    return Decline(
        code=error.get("code"),
        decline_code=error.get("decline_code"),
        network=card.get("network") or card.get("brand"),
        card=card.get("fingerprint"),
        charge_id=error.get("charge") or id_of(intent.get("latest_charge")),
        needs_action=needs_action or error.get("code") == "authentication_required",
    )


def _last_intent(invoice: Json) -> Json | None:
    payments = (invoice.get("payments") or {}).get("data") or []
    intents = [(one.get("payment") or {}).get("payment_intent") for one in payments]
    found = [one for one in [*intents, invoice.get("payment_intent")] if isinstance(one, Mapping)]
    return max(found, key=lambda one: one.get("created") or 0, default=None)
