"""What a refund would do, before it is confirmed. Locks nothing and changes nothing."""

from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from mealquest.core import idempotency
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import AppError
from mealquest.core.idempotency import KeyedRequest
from mealquest.payments import queries, refunding, refunding_queries
from mealquest.payments.domain import PaymentStatus
from mealquest.payments.errors import PaymentNotFound
from mealquest.payments.refund_forms import RefundForm, RefundPreviewForm
from mealquest.payments.refund_replies import (
    GiftsBackView,
    RefundedView,
    RefundPreviewView,
    clawback_of,
)
from mealquest.payments.refunding import Planned
from mealquest.payments.refunding_queries import Refundable
from mealquest.payments.replies import DeductionView
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import RefundPolicy
from mealquest.wallet import service as wallets


def preview_refund(
    merchant_id: str, form: RefundPreviewForm, request: KeyedRequest | None
) -> RefundPreviewView:
    """What can be given back of a payment, and what that would move.

    An amount that cannot be is no error: the answer says why. PaymentNotFound: no such payment.
    """
    with transaction(merchant_id) as session:
        policy = tenancy.settings_of(session, merchant_id).refund_policy
        found = queries.one(session, merchant_id, form.payment_txn_id)
        if found is None:
            raise PaymentNotFound
        payment = refunding_queries.read(session, merchant_id, form.payment_txn_id)
        known = _known(payment, policy)
        known |= {
            "user_id": found.customer.user_id,
            "display_name": found.customer.display_name,
        }
        done = None
        if request:
            done = idempotency.answer_under(session, merchant_id, request, RefundedView)
        if done is None:
            known |= _would_do(session, payment, policy, form.refund_amount)
    return RefundPreviewView(**known, done=done)


def _known(payment: Refundable, policy: RefundPolicy) -> dict[str, Any]:
    paid = payment.status is PaymentStatus.PAID
    left = payment.parts.order - payment.refunded_minor if paid else 0
    return {
        "payment_txn_id": payment.id,
        "customer_has_left": payment.has_left,
        "status": payment.status,
        "currency": payment.currency,
        "order_amount": wallets.major(payment.parts.order, payment.currency),
        "refunded_amount": wallets.major(payment.refunded_minor, payment.currency),
        "refundable_amount": wallets.major(left, payment.currency),
        "policy": policy,
    }


def _would_do(
    session: Session, payment: Refundable, policy: RefundPolicy, typed: str
) -> dict[str, Any]:
    if not typed:
        return {}
    try:
        asked = RefundForm.model_validate({"paymentTxnId": payment.id, "refundAmount": typed})
        amount = refunding.require_amount(session, payment, asked)
    except ValidationError as wrong:
        return {"problem": str(wrong.errors()[0]["msg"])}
    except AppError as refused:
        return {"problem": refused.message}
    now = utc_now()
    wallet = wallets.read_kept(
        session, payment.merchant_id, payment.wallet_merchant_id, payment.customer_id
    )
    planned = refunding.planned_for(session, wallet, payment, policy, amount, now)
    over = {lot.id for lot in planned.lots if refunding.is_over(lot, now)}
    shown = _shown(payment, planned, over)
    return shown | {"voucher": refunding.voucher_back(session, wallet, payment, planned.plan)}


def _shown(payment: Refundable, planned: Planned, over: set[str]) -> dict[str, Any]:
    plan, currency = planned.plan, payment.currency
    to_bonus = sum(use.minor for use in plan.to_lots) + plan.to_new_lot
    lost = sum(use.minor for use in plan.to_lots if use.lot_id in over)
    return {
        "amount": wallets.major(plan.amount, currency),
        "parts": DeductionView.of(plan.parts, currency),
        "to_principal": wallets.major(plan.to_principal, currency),
        "to_bonus": wallets.major(to_bonus, currency),
        "expires_at_once": wallets.major(lost, currency),
        "clawback": clawback_of(plan, currency),
        "gifts": GiftsBackView.of(plan, currency),
    }
