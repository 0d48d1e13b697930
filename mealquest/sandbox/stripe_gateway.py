"""The levers of the sandbox Stripe."""

from typing import Any

import httpx
from flask import current_app

from mealquest.sandbox.errors import SandboxAway

TIMEOUT = httpx.Timeout(10, connect=3)
Json = dict[str, Any]


def invoices(account: str) -> list[Json]:
    """The newest ones of an account. SandboxAway."""
    found: list[Json] = _ask("GET", f"invoices/{account}")["data"]
    return found


def simulate(**wish: Any) -> Json:
    """A renewal that fails; its invoice. SandboxAway."""
    return _ask("POST", "simulate", wish)


def step(what: str, account: str, invoice_id: str) -> Json:
    """`retry` or `pay` an open invoice. SandboxAway: it waits for no money."""
    return _ask("POST", f"{what}/{account}/{invoice_id}", {})


def _ask(method: str, lever: str, said: Json | None = None) -> Json:
    config = current_app.config
    try:
        answer = httpx.request(
            method,
            f"{config['STRIPE_SANDBOX_URL']}/_sandbox/{lever}",
            headers={"Authorization": f"Bearer {config['STRIPE_SECRET_KEY']}"},
            json=said,
            timeout=TIMEOUT,
            trust_env=False,
        )
        made: Json = answer.json()
    except (httpx.HTTPError, ValueError) as failure:
        raise SandboxAway(type(failure).__name__) from None
    if not answer.is_success:
        raise SandboxAway(str(made["error"]["message"]))
    return made
