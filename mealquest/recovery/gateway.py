"""Stripe's edge: the only import of its SDK. Answers are plain values, failures three kinds.

Nothing is retried here: the task that called is a row, and tries again under the same key.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Self

import stripe
from flask import current_app
from stripe import StripeClient

from mealquest.recovery.errors import StripeAway, StripeRefused, StripeUnauthorized
from mealquest.recovery.stripe_objects import (
    OFF_STRIPE,
    Connected,
    Decline,
    Invoice,
    Json,
    https,
    id_of,
    moment,
    subscription_of,
)

__all__ = [
    "Connected",
    "Decline",
    "Invoice",
    "StripeGateway",
    "https",
    "id_of",
    "moment",
    "subscription_of",
]

TIMEOUT_S = (5.0, 30.0)  # to connect, to read
PAGE = 100
_PAYMENT = "payments.data.payment.payment_intent"
ALREADY_TOLD = "identifier_exists"  # Stripe has words for it, and no code
_TWICE = "already exists with identifier"

logging.getLogger("stripe").setLevel(logging.WARNING)  # else it tells of every call, with its ids


class StripeGateway:
    """Calls on behalf of one account, or of the platform itself. Built for a few calls."""

    def __init__(self, account_id: str | None, timeout_s: tuple[float, float] = TIMEOUT_S) -> None:
        config = current_app.config
        base, connect = config["STRIPE_API_BASE"], config["STRIPE_CONNECT_BASE"]
        self.account_id = account_id
        self._client = StripeClient(
            config["STRIPE_SECRET_KEY"],
            stripe_account=account_id,
            base_addresses={"api": base, "connect": connect, "meter_events": base, "files": base},
            client_id=config["STRIPE_CLIENT_ID"] or None,
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=timeout_s),
        )

    @classmethod
    def for_account(cls, account_id: str, timeout_s: tuple[float, float] = TIMEOUT_S) -> Self:
        """`timeout_s`: shorter ones where a person waits for the answer."""
        return cls(account_id, timeout_s)

    @classmethod
    def platform(cls) -> Self:
        return cls(None)

    def invoice(self, invoice_id: str) -> Invoice:
        """The invoice now, with why its last payment failed."""
        params: Any = {"expand": [_PAYMENT, OFF_STRIPE]}
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
            self._cancel(one)
        return len(ids)

    def _cancel(self, subscription_id: str) -> None:
        """One that was cancelled meanwhile is what was asked for."""
        try:
            _asked(partial(self._client.v1.subscriptions.cancel, subscription_id))
        except StripeRefused as refused:
            if refused.code != "resource_missing":
                raise

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
        try:
            _asked(lambda: self._client.v1.billing.meter_events.create(params, options))
        except StripeRefused as refused:
            if refused.code != ALREADY_TOLD:
                raise

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
        raise StripeUnauthorized(_why(failure), code=_code(failure)) from None
    except stripe.StripeError as failure:
        raise _told(failure) from None


def _told(failure: stripe.StripeError) -> StripeAway | StripeRefused:
    """An answer that is none of Stripe's, such as a proxy's page, counts as no answer."""
    status, code = failure.http_status or 0, _code(failure)
    is_in_use = status == 409 or code in {"idempotency_key_in_use", "lock_timeout", "rate_limit"}
    if is_in_use or status < 400 or status in {424, 429} or status >= 500:
        return StripeAway(_why(failure), code=code, wait_s=_wait_s(failure))
    if _TWICE in str(failure.user_message or ""):
        return StripeRefused(_why(failure), code=ALREADY_TOLD)
    said = _said(failure)
    declined = said.get("decline_code") if isinstance(said, Mapping) else None
    return StripeRefused(_why(failure), code=str(declined or code))


def _code(failure: stripe.StripeError) -> str:
    """The SDK leaves some codes in the body; those of OAuth are all there is of the error."""
    said = _said(failure)
    if isinstance(said, Mapping):
        said = said.get("code")
    return str(failure.code or said or "")


def _said(failure: stripe.StripeError) -> Any:
    body = failure.json_body
    return body.get("error") if isinstance(body, Mapping) else None


def _why(failure: stripe.StripeError) -> str:
    """The status and a code; what Stripe writes besides may name an account."""
    status = failure.http_status
    return f"Stripe: {status or 'no answer'} {_code(failure) or type(failure).__name__}"


def _wait_s(failure: stripe.StripeError) -> float | None:
    said = {name.lower(): value for name, value in (failure.headers or {}).items()}
    wait = str(said.get("retry-after", ""))
    return float(wait) if wait.isdecimal() else None
