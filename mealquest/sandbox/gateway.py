"""The sandbox's way back to the product: a real, signed HTTP callback."""

import json
from typing import Any

import httpx
from flask import current_app

from mealquest.payments import service as payments
from mealquest.sandbox.errors import ShopRefused

PATH = "/api/payment/callback"
TIMEOUT = httpx.Timeout(15, connect=3)


def report(about: dict[str, Any]) -> dict[str, Any]:
    """Tell the product what became of a payment; its answer. ShopRefused: it did not take it."""
    settings = current_app.config["SETTINGS"]
    body = json.dumps(about).encode()
    headers = {
        "Content-Type": "application/json",
        payments.SIGNATURE: payments.signature(settings, body),
    }
    try:
        answer = httpx.post(
            settings.own_url + PATH, content=body, headers=headers, timeout=TIMEOUT, trust_env=False
        )
    except httpx.HTTPError:
        raise ShopRefused(0) from None
    if not answer.is_success:
        raise ShopRefused(answer.status_code)
    said: dict[str, Any] = answer.json()
    return said
