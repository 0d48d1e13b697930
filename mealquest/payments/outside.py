"""What becomes of a payment that waits for money from outside.

The gateway's callback captures or releases the hold, a job lets it expire, staff may give it up.
Each takes the wallet's lock first and the payment's row second. Money that comes late is never
lost: the order is taken after all when its parts are still there, else the money goes back.
"""

from collections.abc import Callable

import structlog
from flask import current_app
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.audit.service import AuditStatus
from mealquest.core import idempotency, outbox
from mealquest.core.clock import utc_now
from mealquest.core.crypto import same
from mealquest.core.crypto import signature as signature_of
from mealquest.core.db import after_commit_ring, platform_transaction, transaction
from mealquest.core.errors import Conflict, Invalid, Unauthenticated
from mealquest.core.idempotency import KeyedRequest, request_hash
from mealquest.core.ids import new_id
from mealquest.core.money import Money
from mealquest.core.principal import SYSTEM, Principal, Role
from mealquest.payments import waiting
from mealquest.payments.domain import ExternalStatus, PaymentStatus, may_become
from mealquest.payments.errors import NotWaiting, PaymentNotFound
from mealquest.payments.forms import CallbackForm
from mealquest.payments.replies import CallbackView, ExternalPaymentView, scope_of
from mealquest.payments.waiting import WaitingPayment
from mealquest.tenancy import service as tenancy
from mealquest.wallet import service as wallets
from mealquest.wallet.service import Hold, LockedWallet

GATEWAY = Principal(Role.SYSTEM, "payment_gateway")
ROUTE = "payments.callback"
BELL = "payments"

log = structlog.get_logger(__name__)


def require_signature(body: bytes, signature: str) -> None:
    """Unauthenticated unless `signature` is the hex HMAC-SHA256 of exactly these bytes."""
    secret = current_app.config["SETTINGS"].payment_callback_secret
    if not same(signature, signature_of(secret.encode(), body)):
        raise Unauthenticated("invalid callback signature", code="INVALID_SIGNATURE")


def callback(form: CallbackForm) -> CallbackView:
    """Settle a waiting payment by what the gateway says; the signature has been checked.

    Raises:
        MerchantNotFound, PaymentNotFound; NotWaiting: it never waited for outside money.
        Invalid: the amount is not the one asked for; the payment goes on waiting.
    """
    merchant_id, key = form.merchant_id, form.key
    request = KeyedRequest("gateway", ROUTE, key, request_hash(form))
    with transaction(merchant_id) as session:
        tenancy.settings_of(session, merchant_id)
        stored = idempotency.claim(session, merchant_id, request, CallbackView)
        if stored is not None:
            return stored
        wallet, payment = _lock(session, merchant_id, form.payment_txn_id)
        if payment.hold is None:
            raise NotWaiting
        _require_amount(form, payment)
        view = _by_gateway(session, wallet, payment, form)
        idempotency.store(session, merchant_id, request, view)
    return view


def cancel(merchant_id: str, payment_id: str, by: Principal) -> CallbackView:
    """Give up a waiting payment; what it held is free again. Money that still comes goes back."""
    with transaction(merchant_id) as session:
        wallet, payment = _lock(session, merchant_id, payment_id)
        if payment.status is not PaymentStatus.PENDING_EXTERNAL:
            raise Conflict("payment is not waiting any more", code="PAYMENT_NOT_WAITING")
        payment = _release(session, wallet, payment, PaymentStatus.CANCELLED)
        view = _view(session, wallet, payment)
        details = {"paymentTxnId": payment_id, "userId": payment.customer_id}
        audit.record(session, merchant_id, "PAYMENT_CANCEL", by, details)
        _publish(session, payment, view, "PAYMENT_CANCELLED")
    return view


def expire_due(limit: int = 100) -> int:
    """End the holds whose time is over; returns how many. One that fails does not stop the rest."""
    with platform_transaction("holds of every merchant expire by one job") as session:
        due = waiting.expired_holds(session, limit)
    return sum(_attempt(_expire, merchant_id, payment_id) for merchant_id, payment_id in due)


def _expire(merchant_id: str, payment_id: str) -> None:
    with transaction(merchant_id) as session:
        wallet, payment = _lock(session, merchant_id, payment_id)
        if payment.status is not PaymentStatus.PENDING_EXTERNAL or not payment.overdue:
            return
        payment = _release(session, wallet, payment, PaymentStatus.EXTERNAL_EXPIRED)
        view = _view(session, wallet, payment)
        details = {"paymentTxnId": payment_id, "userId": payment.customer_id}
        audit.record(session, merchant_id, "PAYMENT_EXPIRE", SYSTEM, details)
        _publish(session, payment, view, "PAYMENT_EXPIRED")


def _attempt(act: Callable[[str, str], None], merchant_id: str, payment_id: str) -> int:
    try:
        act(merchant_id, payment_id)
    except Exception as failure:  # noqa: BLE001 - the row stays due and the next run tries again
        log.warning("payment left due", payment_id=payment_id, error=repr(failure)[:300])
        return 0
    return 1


# --- the gateway's word -------------------------------------------------------------------


def _by_gateway(
    session: Session, wallet: LockedWallet, payment: WaitingPayment, form: CallbackForm
) -> CallbackView:
    if form.succeeded:
        payment = _paid_outside(session, wallet, payment, form.external_txn_id)
    elif payment.status is PaymentStatus.PENDING_EXTERNAL:
        payment = _release(session, wallet, payment, PaymentStatus.EXTERNAL_FAILED)
    view = _view(session, wallet, payment)
    details = {
        "paymentTxnId": payment.id,
        "externalTxnId": form.external_txn_id,
        "callbackStatus": form.status,
    }
    status = AuditStatus.SUCCESS if form.succeeded else AuditStatus.FAILED
    audit.record(session, payment.merchant_id, "PAYMENT_CALLBACK", GATEWAY, details, status)
    _publish(session, payment, view, "PAYMENT_VERIFIED")
    return view


def _paid_outside(
    session: Session, wallet: LockedWallet, payment: WaitingPayment, external_txn_id: str | None
) -> WaitingPayment:
    """Capture the hold; or, when it was let go before, take the parts again or owe the money."""
    held, entry_id = payment.required_hold, new_id("txn")
    if payment.status is PaymentStatus.PENDING_EXTERNAL:
        wallets.capture(session, wallet, held, entry_id)
        return _move(session, payment, PaymentStatus.PAID, external_txn_id)
    if may_become(payment.status, PaymentStatus.PAID) and wallets.capture_late(
        session, wallet, held, entry_id, utc_now()
    ):
        return _move(session, payment, PaymentStatus.PAID, external_txn_id)
    if may_become(payment.status, PaymentStatus.EXTERNAL_REFUND_DUE):
        return _owe_back(session, wallet, payment, held, entry_id, external_txn_id)
    return payment  # settled before: nothing changes


def _owe_back(
    session: Session,
    wallet: LockedWallet,
    payment: WaitingPayment,
    held: Hold,
    entry_id: str,
    external_txn_id: str | None,
) -> WaitingPayment:
    wallets.receive_for_return(session, wallet, held, entry_id)
    payment = _move(session, payment, PaymentStatus.EXTERNAL_REFUND_DUE, external_txn_id)
    waiting.add_gateway_refund(session, payment, held.parts.external)
    after_commit_ring(session, BELL)
    return payment


def _release(
    session: Session, wallet: LockedWallet, payment: WaitingPayment, target: PaymentStatus
) -> WaitingPayment:
    wallets.release(session, wallet, payment.required_hold)
    return _move(session, payment, target, payment.external_txn_id)


def _move(
    session: Session, payment: WaitingPayment, target: PaymentStatus, external_txn_id: str | None
) -> WaitingPayment:
    if not may_become(payment.status, target):
        raise RuntimeError(f"a payment cannot go from {payment.status} to {target}")
    outside = {
        PaymentStatus.PAID: ExternalStatus.CONFIRMED,
        PaymentStatus.EXTERNAL_REFUND_DUE: ExternalStatus.CONFIRMED,
    }.get(target, ExternalStatus.FAILED)
    return waiting.settle(session, payment, target, outside, external_txn_id)


def _require_amount(form: CallbackForm, payment: WaitingPayment) -> None:
    """A failed payment may come without its amount; money that came must be what was asked."""
    if not form.succeeded:
        return
    if form.paid_amount is None:
        raise Invalid("paidAmount mismatch", code="PAID_AMOUNT_MISMATCH")
    paid = Money.of_major(form.paid_amount, payment.currency)
    if paid.minor != payment.required_hold.parts.external:
        raise Invalid("paidAmount mismatch", code="PAID_AMOUNT_MISMATCH")


def _lock(
    session: Session, merchant_id: str, payment_id: str
) -> tuple[LockedWallet, WaitingPayment]:
    """The payer's wallet, then the payment's row, both locked; always in this order."""
    customer_id = waiting.payer(session, merchant_id, payment_id)
    if customer_id is None:
        raise PaymentNotFound
    wallet = wallets.lock_wallet_of_anybody(session, merchant_id, customer_id)
    return wallet, waiting.lock(session, merchant_id, payment_id)


def _view(session: Session, wallet: LockedWallet, payment: WaitingPayment) -> CallbackView:
    balances = wallets.wallet_view(session, wallet.merchant_id, wallet.customer_id)
    return CallbackView(
        payment_txn_id=payment.id,
        status=payment.status,
        external_payment=ExternalPaymentView.of(payment),
        wallet=balances,
        wallet_scope=scope_of(payment.merchant_id),
    )


def _publish(session: Session, payment: WaitingPayment, view: CallbackView, kind: str) -> None:
    event = view.model_dump(mode="json", by_alias=True) | {"userId": payment.customer_id}
    outbox.publish(session, payment.merchant_id, kind, event)
