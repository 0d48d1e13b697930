"""API objects in the shapes of the version that the pinned SDK speaks."""

import secrets
from typing import Any

from mealquest.engines.stripe_sandbox.cards import Card

API_VERSION = "2026-10-28.endive"
Json = dict[str, Any]


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def base(kind: str, prefix: str, now: int, **members: Any) -> Json:
    made = {"id": new_id(prefix), "object": kind, "created": now, "livemode": False}
    return made | {"metadata": {}} | members


def listing(url: str, data: list[Json], *, has_more: bool = False) -> Json:
    return {"object": "list", "url": url, "has_more": has_more, "data": data}


def account(now: int, name: str, email: str, country: str = "US") -> Json:
    """A connected account; `x_connected` is the sandbox's own and never shown."""
    made = base("account", "acct", now, email=email, country=country, type="standard")
    del made["livemode"]
    profile = {"name": name, "support_email": email, "url": None}
    return made | {
        "business_profile": profile,
        "settings": {"dashboard": {"display_name": name, "timezone": "Etc/UTC"}},
        "charges_enabled": True,
        "payouts_enabled": True,
        "details_submitted": True,
        "default_currency": "usd",
        "x_connected": True,
    }


def customer(now: int, form: Json) -> Json:
    known = {name: form.get(name) for name in ("email", "name", "phone", "description", "address")}
    return base("customer", "cus", now, **known) | {
        "balance": 0,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "discount": None,
        "invoice_settings": {"default_payment_method": None, "custom_fields": None, "footer": None},
        "preferred_locales": form.get("preferred_locales") or [],
        "tax_exempt": "none",
        "shipping": None,
        "metadata": form.get("metadata") or {},
    }


def payment_method(now: int, card: Card, holder: str | None, where: str) -> Json:
    """`x_number` is the sandbox's own and never shown."""
    details = {
        "brand": card.brand,
        "country": "US",
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": card.fingerprint(where),
        "funding": "credit",
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "three_d_secure_usage": {"supported": True},
    }
    billing = {"address": None, "email": None, "name": None, "phone": None}
    return base("payment_method", "pm", now, type="card", card=details, customer=holder) | {
        "billing_details": billing,
        "allow_redisplay": "unspecified",
        "x_number": card.number,
    }


def product(now: int, name: str) -> Json:
    return base("product", "prod", now, name=name, active=True, description=None, type="service")


def price(now: int, amount: int, currency: str, product_id: str, interval: str) -> Json:
    return base("price", "price", now, unit_amount=amount, currency=currency) | {
        "product": product_id,
        "active": True,
        "type": "recurring",
        "billing_scheme": "per_unit",
        "unit_amount_decimal": str(amount),
        "lookup_key": None,
        "recurring": {"interval": interval, "interval_count": 1, "usage_type": "licensed"},
    }


def subscription_item(now: int, sold: Json, quantity: int, start: int, end: int) -> Json:
    return base("subscription_item", "si", now, price=sold, quantity=quantity) | {
        "current_period_start": start,
        "current_period_end": end,
    }


def subscription(now: int, payer: str, items: list[Json], method: str | None) -> Json:
    made = base("subscription", "sub", now, customer=payer, status="active")
    return made | {
        "items": listing(f"/v1/subscription_items?subscription={made['id']}", items)
        | {"total_count": len(items)},
        "currency": items[0]["price"]["currency"],
        "default_payment_method": method,
        "collection_method": "charge_automatically",
        "billing_cycle_anchor": items[0]["current_period_start"],
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "ended_at": None,
        "latest_invoice": None,
        "start_date": now,
        "trial_end": None,
        "trial_start": None,
        "application": None,
        "description": None,
    }


def event(now: int, kind: str, subject: Json, account_id: str, previous: Json | None) -> Json:
    data: Json = {"object": subject}
    if previous:
        data["previous_attributes"] = previous
    made = base("event", "evt", now, type=kind, api_version=API_VERSION, data=data)
    del made["metadata"]
    made["request"] = {"id": None, "idempotency_key": None}
    made["pending_webhooks"] = 0
    return made | ({"account": account_id} if account_id else {})


def webhook_endpoint(now: int, form: Json, *, connect: bool, secret: str) -> Json:
    """`x_connect` and `secret` are shown by nothing but the answer that creates it (secret)."""
    made = base("webhook_endpoint", "we", now, url=form["url"], status="enabled")
    return made | {
        "enabled_events": form.get("enabled_events") or [],
        "api_version": form.get("api_version"),
        "application": None,
        "description": form.get("description"),
        "metadata": form.get("metadata") or {},
        "secret": secret,
        "x_connect": connect,
    }


def shown(found: Json) -> Json:
    """Without what only the sandbox knows."""
    return {name: value for name, value in found.items() if not name.startswith("x_")}
