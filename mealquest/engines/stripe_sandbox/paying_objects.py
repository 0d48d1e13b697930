"""Invoices, payment intents and charges in API shapes."""

import secrets
from typing import Any

from mealquest.engines.stripe_sandbox.cards import Card
from mealquest.engines.stripe_sandbox.objects import base, listing

Json = dict[str, Any]
LINK_LIVES_S = 30 * 86_400


def invoice(
    now: int, payer: Json, sub: Json | None, amount: int, currency: str, reason: str, seller: str
) -> Json:
    """Open, not tried yet. `x_token` is in the address of its page."""
    made = base("invoice", "in", now, currency=currency, status="open", billing_reason=reason)
    parent = None
    period = (now, now)
    if sub:
        item = sub["items"]["data"][0]
        period = (item["current_period_start"], item["current_period_end"])
        of_sub = {"subscription": sub["id"], "metadata": sub["metadata"]}
        parent = {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": of_sub,
        }
    line = _line(made["id"], amount, currency, sub, period)
    sums = ("amount_due", "amount_remaining", "subtotal", "subtotal_excluding_tax", "total")
    return made | {
        **dict.fromkeys((*sums, "total_excluding_tax"), amount),
        **dict.fromkeys(("amount_paid", "amount_overpaid", "amount_shipping"), 0),
        "account_country": "US",
        "account_name": seller,
        "amount_paid_off_stripe": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "collection_method": "charge_automatically",
        "customer": payer["id"],
        "customer_email": payer["email"],
        "customer_name": payer["name"],
        "default_payment_method": sub["default_payment_method"] if sub else None,
        "description": None,
        "due_date": None,
        "effective_at": now,
        "ending_balance": 0,
        "starting_balance": 0,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "lines": listing(f"/v1/invoices/{made['id']}/lines", [line]) | {"total_count": 1},
        "next_payment_attempt": None,
        "number": f"SANDBOX-{secrets.randbelow(10**8):08d}",
        "parent": parent,
        "payment_settings": {"default_mandate": None, "payment_method_types": None},
        "period_start": period[0],
        "period_end": period[1],
        "status_transitions": _transitions(finalized_at=now),
        "x_token": secrets.token_urlsafe(24),
        "x_link_ends": now + LINK_LIVES_S,
        "x_tries": 0,
    }


def _line(
    invoice_id: str, amount: int, currency: str, sub: Json | None, period: tuple[int, int]
) -> Json:
    line = base("line_item", "il", period[0], amount=amount, currency=currency, quantity=1)
    del line["created"]
    return line | {
        "invoice": invoice_id,
        "description": "Subscription" if sub else "Invoice",
        "period": {"start": period[0], "end": period[1]},
        "subtotal": amount,
        "parent": {
            "type": "subscription_item_details",
            "subscription_item_details": {"subscription": sub["id"]},
        }
        if sub
        else None,
    }


def _transitions(finalized_at: int) -> Json:
    never = dict.fromkeys(("marked_uncollectible_at", "paid_at", "voided_at"))
    return {"finalized_at": finalized_at} | never


def invoice_payment(now: int, bill: Json, intent_id: str) -> Json:
    made = base("invoice_payment", "inpay", now, invoice=bill["id"], currency=bill["currency"])
    del made["metadata"]
    return made | {
        "amount_paid": None,
        "amount_requested": bill["amount_remaining"],
        "is_default": True,
        "payment": {"type": "payment_intent", "payment_intent": intent_id},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }


def intent(now: int, bill: Json) -> Json:
    made = base("payment_intent", "pi", now, amount=bill["amount_remaining"])
    return made | {
        "amount_capturable": 0,
        "amount_received": 0,
        "application": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{made['id']}_secret_{secrets.token_hex(12)}",
        "confirmation_method": "automatic",
        "currency": bill["currency"],
        "customer": bill["customer"],
        "description": "Subscription update",
        "last_payment_error": None,
        "latest_charge": None,
        "next_action": None,
        "payment_method": None,
        "payment_method_types": ["card"],
        "receipt_email": None,
        "setup_future_usage": None,
        "status": "requires_payment_method",
        "x_invoice": bill["id"],
    }


def charge(now: int, paying: Json, method: Json, card: Card, *, works: bool) -> Json:
    """One attempt at a card, whether it worked or not."""
    facts = method["card"]
    outcome = {
        "advice_code": None if works else _advice(card),
        "network_advice_code": None,
        "network_decline_code": None if works else "05",
        "network_status": "approved_by_network" if works else "declined_by_network",
        "reason": None if works else card.decline_code,
        "risk_level": "normal",
        "seller_message": "Payment complete." if works else card.message,
        "type": "authorized" if works else "issuer_declined",
    }
    on_card = {
        name: facts[name]
        for name in ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    }
    made = base("charge", "ch", now, amount=paying["amount"], currency=paying["currency"])
    return made | {
        "amount_captured": paying["amount"] if works else 0,
        "amount_refunded": 0,
        "billing_details": method["billing_details"],
        "captured": works,
        "customer": paying["customer"],
        "description": paying["description"],
        "disputed": False,
        "failure_code": None if works else card.code,
        "failure_message": None if works else card.message,
        "outcome": outcome,
        "paid": works,
        "payment_intent": paying["id"],
        "payment_method": method["id"],
        "payment_method_details": {
            "type": "card",
            "card": on_card | {"network": facts["brand"], "three_d_secure": None},
        },
        "refunded": False,
        "status": "succeeded" if works else "failed",
        "x_invoice": paying["x_invoice"],
    }


def _advice(card: Card) -> str:
    return "try_again_later" if card.decline_code == "insufficient_funds" else "do_not_try_again"


def payment_error(card: Card, method: Json, charge_id: str) -> Json:
    """What the intent remembers of a failed attempt, and what a 402 says."""
    return {
        "advice_code": _advice(card),
        "charge": charge_id,
        "code": card.code,
        "decline_code": card.decline_code,
        "doc_url": f"https://stripe.com/docs/error-codes/{card.code.replace('_', '-')}",
        "message": card.message,
        "payment_method": {n: v for n, v in method.items() if not n.startswith("x_")},
        "type": "card_error",
    }
