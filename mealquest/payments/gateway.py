"""The payment gateway: an outside edge, asked to give money back; it reports by callback."""

import json
from urllib.parse import quote

import httpx
from flask import current_app

from mealquest.core import crypto
from mealquest.core.money import Money
from mealquest.core.settings import Settings
from mealquest.core.wire import number
from mealquest.payments.refund_queries import DueRefund

TIMEOUT = httpx.Timeout(5, connect=3)
SIGNATURE = "X-Payment-Signature"
SANDBOX = "/api/dev/gateway"
SANDBOX_PAGE = "/dev/gateway/pay/{merchantId}/{paymentTxnId}"


class GatewayFailed(Exception):
    """The gateway did not take the request, or nobody knows whether it did: send it again.

    The text does not name its URL.
    """


def signature(settings: Settings, body: bytes) -> str:
    return crypto.signature(settings.payment_callback_secret.encode(), body)


def pay_url(settings: Settings, **known: str) -> str | None:
    """Where a customer pays a waiting payment; None when nobody has said where that is.

    `known` fills the placeholders of the configured address: merchantId, paymentTxnId,
    paymentIntentId, amount, currency.
    """
    address = settings.payment_page_url
    if not address and settings.is_development:
        address = settings.base_url + SANDBOX_PAGE
    for name, value in known.items():
        address = address.replace(f"{{{name}}}", quote(value, safe=""))
    return address or None


def refund(due: DueRefund) -> None:
    """Ask for the money to go back; the refund's id makes a repeat harmless.

    GatewayFailed: refused, away, or no gateway is configured.
    """
    settings: Settings = current_app.config["SETTINGS"]
    url = _base_url(settings)
    if not url:
        raise GatewayFailed("no payment gateway is configured (MQ_PAYMENT_GATEWAY_URL)")
    body = _wanted(due)
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": due.id,
        SIGNATURE: signature(settings, body),
    }
    try:
        with httpx.stream(
            "POST", f"{url}/refunds", content=body, headers=headers, timeout=TIMEOUT
        ) as answer:  # the status says it all; the body is not waited for
            status, taken = answer.status_code, answer.is_success
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        raise GatewayFailed(f"no answer: {type(failure).__name__}") from None
    if not taken:
        raise GatewayFailed(f"the gateway answered {status}")


def _base_url(settings: Settings) -> str:
    """The configured gateway; in development without one, the sandbox in this product."""
    if settings.payment_gateway_url or not settings.is_development:
        return settings.payment_gateway_url.rstrip("/")
    return settings.own_url + SANDBOX


def _wanted(due: DueRefund) -> bytes:
    return json.dumps(
        {
            "merchantId": due.merchant_id,
            "refundId": due.id,
            "paymentTxnId": due.payment_id,
            "externalTxnId": due.external_txn_id,
            "amount": number(Money(due.amount_minor, due.currency).major),
            "currency": due.currency.value,
        }
    ).encode()
