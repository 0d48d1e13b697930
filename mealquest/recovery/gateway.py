"""Stripe's edge: the only import of its SDK. Answers are plain values, failures three kinds.

Nothing is retried here: the task that called is a row, and tries again under the same key.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self

import stripe
from flask import current_app
from stripe import StripeClient

from mealquest.recovery.errors import StripeAway, StripeRefused, StripeUnauthorized

TIMEOUT_S = (5.0, 30.0)  # to connect, to read
PAGE = 100
_PAYMENT = "payments.data.payment.payment_intent"
Json = Mapping[str, Any]


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
    created: datetime
    decline: Decline | None

    @classmethod
    def of(cls, said: Json) -> Self:
        """Of an invoice object, as it is retrieved or as an event carries it."""
        return cls(
            id=str(said["id"]),
            status=str(said.get("status") or ""),
            currency=str(said.get("currency") or "").lower(),
            amount_due=int(said.get("amount_due") or 0),
            amount_remaining=int(said.get("amount_remaining") or 0),
            amount_paid=int(said.get("amount_paid") or 0),
            attempt_count=int(said.get("attempt_count") or 0),
            next_payment_attempt=moment(said.get("next_payment_attempt")),
            hosted_url=https(said.get("hosted_invoice_url")),
            customer_id=id_of(said.get("customer")),
            customer_email=said.get("customer_email"),
            customer_name=said.get("customer_name"),
            subscription_id=subscription_of(said),
            billing_reason=said.get("billing_reason"),
            is_paid_out_of_band=bool(
                said.get("paid_out_of_band") or said.get("amount_paid_off_stripe")
            ),
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


class StripeGateway:
    """Calls on behalf of one account, or of the platform itself. Built for a few calls."""

    def __init__(self, account_id: str | None) -> None:
        config = current_app.config
        base, connect = config["STRIPE_API_BASE"], config["STRIPE_CONNECT_BASE"]
        self.account_id = account_id
        self._client = StripeClient(
            config["STRIPE_SECRET_KEY"],
            stripe_account=account_id,
            base_addresses={"api": base, "connect": connect, "meter_events": base, "files": base},
            client_id=config["STRIPE_CLIENT_ID"] or None,
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_S),
        )

    @classmethod
    def for_account(cls, account_id: str) -> Self:
        return cls(account_id)

    @classmethod
    def platform(cls) -> Self:
        return cls(None)

    def invoice(self, invoice_id: str) -> Invoice:
        """The invoice now, with why its last payment failed."""
        params: Any = {"expand": [_PAYMENT]}
        found = _asked(lambda: self._client.v1.invoices.retrieve(invoice_id, params))
        return Invoice.of(found.to_dict())

    def invoices(self, status: str, created_gte: datetime) -> Iterator[Invoice]:
        params: Any = {
            "status": status,
            "limit": PAGE,
            "created": {"gte": int(created_gte.timestamp())},
        }
        for one in self._all(lambda more: self._client.v1.invoices.list(params | more)):
            yield Invoice.of(one)

    def pay(self, invoice_id: str, key: str) -> Invoice:
        """Charge an open invoice now. StripeRefused: the card was declined, `code` says how."""
        options: Any = {"idempotency_key": key}
        paid = _asked(lambda: self._client.v1.invoices.pay(invoice_id, None, options))
        return Invoice.of(paid.to_dict())

    def subscription_status(self, subscription_id: str) -> str:
        found = _asked(lambda: self._client.v1.subscriptions.retrieve(subscription_id))
        return str(found.status)

    def events(self, types: Sequence[str], created_gte: datetime) -> Iterator[Json]:
        """Events as webhooks would have carried them, newest first."""
        params: Any = {
            "types": list(types),
            "limit": PAGE,
            "created": {"gte": int(created_gte.timestamp())},
        }
        yield from self._all(lambda more: self._client.v1.events.list(params | more))

    def cancel_subscriptions(self) -> int:
        """Cancel every active subscription of the account; returns how many."""
        params: Any = {"status": "active", "limit": PAGE}
        ids = [
            str(one["id"])
            for one in self._all(lambda more: self._client.v1.subscriptions.list(params | more))
        ]
        for one in ids:
            _asked(partial(self._client.v1.subscriptions.cancel, one))
        return len(ids)

    def authorize_url(self, state: str, redirect_uri: str) -> str:
        params: Any = {"scope": "read_write", "state": state, "redirect_uri": redirect_uri}
        return str(self._client.oauth.authorize_url(params))

    def oauth_token(self, code: str) -> Connected:
        params: Any = {"grant_type": "authorization_code", "code": code}
        said = _asked(lambda: self._client.oauth.token(params)).to_dict()
        return Connected(
            account_id=str(said.get("stripe_user_id") or ""),
            access_token=str(said.get("access_token") or ""),
            refresh_token=str(said.get("refresh_token") or ""),
            livemode=bool(said.get("livemode")),
            scope=str(said.get("scope") or ""),
        )

    def deauthorize(self, account_id: str) -> None:
        params: Any = {"stripe_user_id": account_id}
        _asked(lambda: self._client.oauth.deauthorize(params))

    def has_access(self, account_id: str) -> bool:
        """Whether the platform may still act for an account."""
        try:
            _asked(lambda: self._client.v1.accounts.retrieve(account_id))
        except StripeUnauthorized as failure:
            if failure.code == "account_invalid":
                return False
            raise
        return True

    def meter_event(
        self, *, customer_id: str, value: int, identifier: str, at: datetime, name: str
    ) -> None:
        params: Any = {
            "event_name": name,
            "payload": {"value": str(value), "stripe_customer_id": customer_id},
            "identifier": identifier,
            "timestamp": int(at.timestamp()),
        }
        options: Any = {"idempotency_key": identifier}
        _asked(lambda: self._client.v1.billing.meter_events.create(params, options))

    def create_customer(self, merchant_id: str) -> str:
        """The platform's customer that a merchant is billed as; the same one when repeated.

        Its name and address come by `describe_customer`: a repeat has to ask for the same thing.
        """
        params: Any = {"metadata": {"merchantId": merchant_id}}
        options: Any = {"idempotency_key": f"merchant/{merchant_id}"}
        return str(_asked(lambda: self._client.v1.customers.create(params, options)).id)

    def describe_customer(self, customer_id: str, name: str, email: str | None) -> None:
        params: Any = {"name": name} | ({"email": email} if email else {})
        _asked(lambda: self._client.v1.customers.update(customer_id, params))

    def webhook_endpoints(self) -> list[Json]:
        params: Any = {"limit": PAGE}
        return list(self._all(lambda more: self._client.v1.webhook_endpoints.list(params | more)))

    def create_webhook_endpoint(self, url: str, types: Sequence[str], *, connect: bool) -> Json:
        """The new endpoint; `secret` is told this once."""
        params: Any = {
            "url": url,
            "enabled_events": list(types),
            "connect": connect,
            "api_version": stripe.api_version,
        }
        made = _asked(lambda: self._client.v1.webhook_endpoints.create(params))
        return dict(made.to_dict())

    def change_webhook_endpoint(self, endpoint_id: str, types: Sequence[str]) -> None:
        """Let an endpoint have these types, and switch it on."""
        params: Any = {"enabled_events": list(types), "disabled": False}
        _asked(lambda: self._client.v1.webhook_endpoints.update(endpoint_id, params))

    def _all(self, ask: Callable[[dict[str, Any]], Any]) -> Iterator[Json]:
        more: dict[str, Any] = {}
        while True:
            page = _asked(partial(ask, more)).to_dict()
            yield from page["data"]
            if not page.get("has_more") or not page["data"]:
                return
            more = {"starting_after": page["data"][-1]["id"]}


def _asked(call: Callable[[], Any]) -> Any:
    """What the SDK answers; its errors as one of the three that callers know."""
    try:
        return call()
    except (stripe.AuthenticationError, stripe.PermissionError) as failure:
        raise StripeUnauthorized(_why(failure), code=failure.code or "") from None
    except stripe.StripeError as failure:
        raise _told(failure) from None


def _told(failure: stripe.StripeError) -> StripeAway | StripeRefused:
    status, code = failure.http_status or 0, failure.code or ""
    is_in_use = status == 409 or code in {"idempotency_key_in_use", "lock_timeout", "rate_limit"}
    if is_in_use or status in {0, 424, 429} or status >= 500:
        return StripeAway(_why(failure), code=code, wait_s=_wait_s(failure))
    decline: Any = failure.json_body or {}
    declined = (decline.get("error") or {}).get("decline_code") if decline else None
    return StripeRefused(_why(failure), code=str(declined or code))


def _why(failure: stripe.StripeError) -> str:
    status = failure.http_status
    return f"Stripe: {status or 'no answer'} {failure.code or type(failure).__name__}"


def _wait_s(failure: stripe.StripeError) -> float | None:
    said = {name.lower(): value for name, value in (failure.headers or {}).items()}
    wait = str(said.get("retry-after", ""))
    return float(wait) if wait.isdecimal() else None


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
