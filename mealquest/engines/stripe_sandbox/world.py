"""The sandbox as a whole: its store, its clock, who it knows, and the events it tells of."""

import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from mealquest.engines.stripe_sandbox import objects
from mealquest.engines.stripe_sandbox.errors import ApiError, missing
from mealquest.engines.stripe_sandbox.faults import Faults
from mealquest.engines.stripe_sandbox.store import Store

Json = dict[str, Any]
EVENTS_LIVE_S = 30 * 86_400
LOG_KEPT = 5000
MODERN = "2025-03-31"  # from here on an invoice names its subscription under `parent`


@dataclass(frozen=True, slots=True)
class Logged:
    """One request as it came; header names in lower case, `form` parsed, `account` from its
    header."""

    method: str
    path: str
    query: Json
    form: Json
    headers: dict[str, str]
    status: int

    @property
    def account(self) -> str:
        return self.headers.get("stripe-account", "")

    @property
    def idempotency_key(self) -> str:
        return self.headers.get("idempotency-key", "")


@dataclass
class World:
    """`key` is the platform's secret key, `webhook_secret` what its built-in endpoints sign with.

    `base_url` is set when the server listens.
    """

    store: Store
    key: str = "sk_test_sandbox"
    webhook_secret: str = "whsec_sandbox"
    client_id: str = "ca_sandbox"
    base_url: str = ""
    faults: Faults = field(default_factory=Faults)
    log: deque[Logged] = field(default_factory=lambda: deque(maxlen=LOG_KEPT))
    news: threading.Event = field(default_factory=threading.Event)  # something may be due

    # -- the clock -------------------------------------------------------------------------

    @property
    def exact_now(self) -> float:
        return time.time() + float(self.store.note("clock", 0.0))

    @property
    def now(self) -> int:
        """Seconds since 1970 by the sandbox's clock, which can be put forward."""
        return int(self.exact_now)

    def put_forward(self, seconds: float) -> None:
        self.store.write_note("clock", float(self.store.note("clock", 0.0)) + seconds)
        self.news.set()

    # -- accounts --------------------------------------------------------------------------

    def open_account(self, name: str, email: str = "", country: str = "US") -> Json:
        email = email or f"{name.lower().replace(' ', '.')}@example.com"
        return self.store.put("", objects.account(self.now, name, email, country))

    def require_access(self, account: str) -> None:
        """403 for an account that is unknown or has withdrawn."""
        found = self.store.get("", "account", account)
        if found is None or not found["x_connected"]:
            raise ApiError(
                403,
                f"The provided key '{self.shown_key}' does not have access to account"
                f" '{account}' (or that account does not exist). Application access may have"
                " been revoked.",
                code="account_invalid",
            )

    @property
    def shown_key(self) -> str:
        return f"{self.key[:8]}****{self.key[-4:]}"

    def knows_key(self, key: str, account: str) -> bool:
        """The platform's key, or the token that a connected account gave."""
        if secrets.compare_digest(key.encode(), self.key.encode()):
            return True
        owner = self.store.note(f"token:{key}")
        return owner is not None and account in {"", owner}

    def owner_of(self, key: str) -> str:
        """The account that a token works for; empty for the platform's own key."""
        return "" if key == self.key else str(self.store.note(f"token:{key}", ""))

    # -- objects ---------------------------------------------------------------------------

    def take(self, account: str, kind: str, name: str, param: str = "id") -> Json:
        """404 in Stripe's words when it is not there."""
        found = self.store.get(account, kind, name)
        if found is None:
            raise missing(kind, name, param)
        return found

    def keep(self, account: str, found: Json) -> Json:
        return self.store.put(account, found)

    # -- events ----------------------------------------------------------------------------

    def tell(self, account: str, kind: str, subject: Json, previous: Json | None = None) -> Json:
        """Remember an event and plan its way to each endpoint that asked for it.

        What happens at an account that has withdrawn is told to nobody.
        """
        made = objects.event(self.now, kind, objects.shown(subject), account, previous)
        owner = self.store.get("", "account", account)
        is_told = not account or (owner is not None and owner["x_connected"])
        for endpoint in self.endpoints() if is_told else ():
            if endpoint["x_connect"] == bool(account) and _wants(endpoint, kind):
                made["pending_webhooks"] += 1
                self.plan(made, endpoint["id"], self.exact_now)
        return self.store.put(account, made)

    def plan(self, event: Json, endpoint: str, due: float) -> None:
        self.store.run(
            "INSERT INTO deliveries (event, account, endpoint, due) VALUES (?, ?, ?, ?)",
            event["id"],
            event.get("account", ""),
            endpoint,
            due,
        )
        self.news.set()

    def endpoints(self) -> list[Json]:
        found = self.store.find("", "webhook_endpoint")
        return [endpoint for endpoint in reversed(found) if endpoint["status"] == "enabled"]

    def deliver_to(self, url: str) -> None:
        """Where the product listens: one endpoint for the platform, one for its accounts."""
        for name, connect in (("we_sandbox_platform", False), ("we_sandbox_connect", True)):
            form = {"url": url, "enabled_events": ["*"], "description": "the product's own"}
            made = objects.webhook_endpoint(
                self.now, form, connect=connect, secret=self.webhook_secret
            )
            self.store.put("", made | {"id": name, "api_version": objects.API_VERSION})


def _wants(endpoint: Json, kind: str) -> bool:
    return bool({"*", kind} & set(endpoint["enabled_events"]))
