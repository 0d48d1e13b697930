"""One payment, with everything that happened to it and what can be done about it."""

from collections.abc import Sequence
from typing import Any

from flask import current_app
from sqlalchemy.orm import Session

from mealquest.core.db import transaction
from mealquest.core.principal import MANAGEMENT, MERCHANT, Principal
from mealquest.payments import (
    gateway,
    paid_again,
    queries,
    refund_queries,
    refunding_queries,
    waiting,
)
from mealquest.payments.domain import GatewayRefundState, PaymentAction, PaymentStatus
from mealquest.payments.errors import PaymentNotFound
from mealquest.payments.listing import own_of, row_of
from mealquest.payments.queries import PaymentFacts
from mealquest.payments.refund_queries import RefundFacts
from mealquest.payments.refunding_queries import RefundRow
from mealquest.payments.replies import (
    ExternalPaymentView,
    GatewayRefundView,
    PaymentView,
    RefundRowView,
)
from mealquest.payments.waiting import WaitingPayment
from mealquest.tenancy import service as tenancy
from mealquest.wallet import service as wallets
from mealquest.wallet.service import KeeperView, Posting, PostingView


def payment(merchant_id: str, payment_id: str, by: Principal) -> PaymentView:
    """One payment, for staff with its postings. PaymentNotFound also for another customer's own."""
    with transaction(merchant_id) as session:
        found = queries.one(session, merchant_id, payment_id)
        if found is None or own_of(by) not in {None, found.customer_id}:
            raise PaymentNotFound
        sent_back = _sent_back(session, merchant_id, found)
        asks_outside = found.parts.external and by.role in MERCHANT
        refunds = _refunds(session, merchant_id, found)
        about = [payment_id, *(row.id for row in refunds), *(row.id for row in sent_back)]
        postings = wallets.postings_of(session, merchant_id, *about)
        again = paid_again.numbers_of(session, merchant_id, payment_id) if asks_outside else ()
        outside = _outside(session, merchant_id, found, sent_back, by)
    shown = {
        "postings": _shown(found, postings) if by.role in MERCHANT else [],
        "refunds": [RefundRowView.of(row, for_staff=by.role in MERCHANT) for row in refunds],
        "paid_again": again,
        "refundable_amount": wallets.major(_left(found), found.currency),
        "wallet_keeper": _keeper(found),
    }
    actions = [*_refund_action(found, by), *outside.pop("next_actions", ())]
    return PaymentView(**(row_of(found) | outside | shown), next_actions=actions)


def _keeper(found: PaymentFacts) -> KeeperView | None:
    """The other store that keeps the wallet which paid."""
    keeper = found.wallet_merchant_id
    if keeper is None:
        return None
    return KeeperView(merchant_id=keeper, name=tenancy.public_names([keeper]).get(keeper, keeper))


def _shown(found: PaymentFacts, postings: Sequence[Posting]) -> list[PostingView]:
    """Accounts of somebody who has left go by the id that stands in their rows."""
    own, shown = f"wallet:{found.customer_id}:", f"wallet:{found.customer.user_id}:"
    views = [PostingView.of(posting, found.currency) for posting in postings]
    return [
        view.model_copy(
            update={
                "source": view.source.replace(own, shown),
                "destination": view.destination.replace(own, shown),
            }
        )
        for view in views
    ]


def _left(found: PaymentFacts) -> int:
    """What can still be refunded, minor units."""
    paid = found.status is PaymentStatus.PAID
    return found.parts.order - found.refunded_minor if paid else 0


def _refund_action(found: PaymentFacts, by: Principal) -> list[PaymentAction]:
    possible = _left(found) and by.role in MANAGEMENT
    return [PaymentAction.REFUND] if possible else []


def _refunds(session: Session, merchant_id: str, found: PaymentFacts) -> list[RefundRow]:
    if not found.refunded_minor:
        return []
    return refunding_queries.of_payment(session, merchant_id, found.id)


def _sent_back(session: Session, merchant_id: str, found: PaymentFacts) -> list[RefundFacts]:
    """Outside money of it on its way back."""
    if not found.parts.external:
        return []
    return refund_queries.of_payment(session, merchant_id, found.id)


def _outside(
    session: Session,
    merchant_id: str,
    found: PaymentFacts,
    refunds: list[RefundFacts],
    by: Principal,
) -> dict[str, Any]:
    if not found.parts.external:
        return {}
    asked = waiting.read(session, merchant_id, found.id)
    waits = asked.status is PaymentStatus.PENDING_EXTERNAL
    url = _pay_url(asked) if waits else None
    staff = by.role in MERCHANT
    return {
        "status": asked.status,  # read last
        "external_payment": ExternalPaymentView.of(asked),
        "hold_expires_at": asked.hold_expires_at if waits else None,
        "pay_url": url,
        "gateway_refunds": tuple(
            GatewayRefundView.of(refund, found.currency, for_staff=staff) for refund in refunds
        ),
        "next_actions": _actions(by, refunds, waits=waits, has_url=url is not None),
    }


def _actions(
    by: Principal, refunds: list[RefundFacts], *, waits: bool, has_url: bool
) -> tuple[PaymentAction, ...]:
    stuck = any(refund.state is GatewayRefundState.STUCK for refund in refunds)
    possible = {
        PaymentAction.PAY_OUTSIDE: waits and has_url,
        PaymentAction.CANCEL: waits and by.role in MERCHANT,
        PaymentAction.RETRY_REFUND: stuck and by.role in MANAGEMENT,
    }
    return tuple(action for action, is_possible in possible.items() if is_possible)


def _pay_url(payment: WaitingPayment) -> str | None:
    asked = wallets.major(payment.required_hold.parts.external, payment.currency)
    return gateway.pay_url(
        current_app.config["SETTINGS"],
        merchantId=payment.merchant_id,
        paymentTxnId=payment.id,
        paymentIntentId=payment.intent,
        amount=str(asked),
        currency=payment.currency.value,
    )
