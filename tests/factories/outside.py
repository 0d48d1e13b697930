"""Payments that wait for money from outside, and what a gateway reports about them."""

import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.core.settings import DEV_CALLBACK_SECRET
from mealquest.payments import service as payments
from mealquest.payments.forms import CallbackForm, VerifyForm
from mealquest.payments.replies import OutsideView, VerifyView
from tests.factories.requests import CLERK, keyed
from tests.factories.wallet import wallet_of


def ask(row: Any, amount: Any, key: str | None = None, voucher_id: str | None = None) -> VerifyView:
    """Take an order (major units) at the counter."""
    form = VerifyForm(
        user_id=row.customer_id, order_amount=Decimal(str(amount)), voucher_id=voucher_id
    )
    return payments.verify(row.merchant_id, form, CLERK, keyed(form, key or new_id("key")))


def told(row: Any, payment_id: str, amount: Any = None, status: str = "SUCCESS", **sent: Any):
    """What a gateway says about a payment of this wallet's merchant."""
    return CallbackForm.model_validate(
        {
            "merchantId": row.merchant_id,
            "paymentTxnId": payment_id,
            "externalTxnId": "ext_1",
            "status": status,
            "paidAmount": amount,
            "callbackId": new_id("cb"),
        }
        | sent
    )


def pay(row: Any, payment_id: str, amount: Any, **sent: Any) -> OutsideView:
    return payments.callback(told(row, payment_id, amount, **sent))


def fail(row: Any, payment_id: str, **sent: Any) -> OutsideView:
    return payments.callback(told(row, payment_id, status="FAILED", **sent))


def let_time_pass(row: Any, payment_id: str) -> None:
    """The hold's time is over from now on; no job has run."""
    with transaction(row.merchant_id) as session:
        session.execute(
            text(
                "UPDATE payments SET hold_expires_at = now() - interval '1 second' WHERE id = :id"
            ),
            {"id": payment_id},
        )


def expire(row: Any, payment_id: str) -> None:
    let_time_pass(row, payment_id)
    assert payments.expire_due() >= 1


def triple(row: Any) -> tuple[int, int, int]:
    """Principal, bonus and change in the wallet, minor units."""
    now = wallet_of(row.merchant_id, row.customer_id)
    return now.principal_minor, now.bonus_minor, now.silver_minor


def held(row: Any) -> tuple[int, int, int]:
    now = wallet_of(row.merchant_id, row.customer_id)
    return now.held_principal_minor, now.held_bonus_minor, now.held_silver_minor


def balances(merchant_id: str) -> dict[str, int]:
    """Every account of the merchant's ledger that is not at zero."""
    moved = text(
        """
        SELECT account, sum(minor) FROM (
            SELECT source AS account, -amount_minor AS minor FROM ledger_postings
             WHERE merchant_id = :merchant
             UNION ALL
            SELECT destination, amount_minor FROM ledger_postings WHERE merchant_id = :merchant
        ) AS ends GROUP BY account
        """
    )
    with transaction(merchant_id) as session:
        rows = session.execute(moved, {"merchant": merchant_id}).all()
    assert sum(row[1] for row in rows) == 0
    return {row[0]: int(row[1]) for row in rows if row[1]}


def signed(body: bytes, secret: str = DEV_CALLBACK_SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Payment-Signature": digest, "Content-Type": "application/json"}


def post_callback(client: Any, said: dict[str, Any], **options: Any) -> Any:
    """As a gateway posts it: compact JSON, signed over exactly these bytes."""
    body = json.dumps(said, separators=(",", ":")).encode()
    headers = signed(body) | options.pop("headers", {})
    return client.post("/api/payment/callback", data=body, headers=headers, **options)
