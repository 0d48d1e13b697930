"""The payment gateway: an outside edge, asked to give money back; it reports by callback."""

import json

import httpx
from flask import current_app

from mealquest.core import crypto
from mealquest.core.money import Money
from mealquest.core.settings import Settings
from mealquest.core.wire import number
from mealquest.payments.waiting import DueRefund

TIMEOUT = httpx.Timeout(10, connect=3)
SANDBOX_PATH = "/api/dev/gateway"


class GatewayFailed(Exception):
    """The gateway did not take the request, or nobody knows whether it did: send it again."""


def base_url(settings: Settings) -> str:
    """The configured gateway; in development without one, the sandbox in this product."""
    if settings.payment_gateway_url or not settings.is_development:
        return settings.payment_gateway_url.rstrip("/")
    return f"http://127.0.0.1:{settings.port}{SANDBOX_PATH}"


def signature(settings: Settings, body: bytes) -> str:
    return crypto.signature(settings.payment_callback_secret.encode(), body)


def refund(due: DueRefund) -> None:
    """Ask for the money to go back; the refund's id makes a repeat harmless.

    GatewayFailed: refused, away, or no gateway is configured.
    """
    settings: Settings = current_app.config["SETTINGS"]
    url = base_url(settings)
    if not url:
        raise GatewayFailed("no payment gateway is configured (MQ_PAYMENT_GATEWAY_URL)")
    body = json.dumps(
        {
            "merchantId": due.merchant_id,
            "refundId": due.id,
            "paymentTxnId": due.payment_id,
            "externalTxnId": due.external_txn_id,
            "amount": number(Money(due.amount_minor, due.currency).major),
            "currency": due.currency.value,
        }
    ).encode()
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": due.id,
        "X-Payment-Signature": signature(settings, body),
    }
    try:
        httpx.post(
            f"{url}/refunds", content=body, headers=headers, timeout=TIMEOUT
        ).raise_for_status()
    except httpx.HTTPError as failure:
        raise GatewayFailed(f"{type(failure).__name__}: {failure}") from failure
