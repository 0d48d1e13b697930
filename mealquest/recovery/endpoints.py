"""The webhook endpoints that Stripe has to know: one for connected accounts, one for our own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask import current_app

from mealquest.recovery import plan_events, routing
from mealquest.recovery.gateway import StripeGateway

CONNECTED, OWN = "/api/stripe/webhook", "/api/webhooks/stripe"
WANTED = ((CONNECTED, routing.TYPES, True), (OWN, plan_events.TYPES, False))
HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class NoPublicAddress(Exception):
    """Stripe could not reach the product where its settings say that it is."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of one endpoint: `what` is made, changed or kept. `secret`: of a new one."""

    url: str
    what: str
    secret: str | None = None


def register() -> Iterator[Registered]:
    """See to it that Stripe has both endpoints with every type of event. Repeats change nothing.

    Raises NoPublicAddress before anything is asked, and what the gateway raises.
    """
    base = current_app.config["SETTINGS"].base_url
    parts = urlsplit(base)
    is_sandbox = bool(current_app.config["STRIPE_SANDBOX_URL"])
    if not is_sandbox and (parts.scheme != "https" or parts.hostname in HERE):
        raise NoPublicAddress(f"MQ_PUBLIC_BASE_URL has to be a public https address, not {base}")
    platform = StripeGateway.platform()
    known = {str(one["url"]): one for one in platform.webhook_endpoints()}
    for path, types, connect in WANTED:
        url = base + path
        if url not in known:
            made = platform.create_webhook_endpoint(url, types, connect=connect)
            yield Registered(url, "made", str(made["secret"]))
        elif _is_as_wanted(known[url], types):
            yield Registered(url, "kept")
        else:
            platform.change_webhook_endpoint(str(known[url]["id"]), types)
            yield Registered(url, "changed")


def _is_as_wanted(endpoint: Mapping[str, Any], types: tuple[str, ...]) -> bool:
    has = set(endpoint.get("enabled_events") or ())
    return endpoint.get("status") == "enabled" and ("*" in has or set(types) <= has)
