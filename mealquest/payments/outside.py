"""What becomes of a payment that waits for money from outside.

The gateway's callback captures or releases the hold, a job lets it expire, staff may give it up.
Each takes the wallet's lock first and the payment's row second. Money that comes late is never
lost: the order is taken after all when its parts are still there, else the money goes back.
"""

from collections.abc import Sequence

import structlog
from flask import current_app
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.audit.service import AuditStatus
from mealquest.core import idempotency, outbox
from mealquest.core.clock import utc_now
from mealquest.core.crypto import same
from mealquest.core.db import platform_transaction, transaction
from mealquest.core.errors import Conflict, Invalid, Unauthenticated
from mealquest.core.idempotency import AnswerErased, KeyedRequest, request_hash
from mealquest.core.principal import SYSTEM, Principal, Role
from mealquest.payments import gateway, paid_again, refunds, waiting
from mealquest.payments.domain import ExternalStatus, PaymentStatus, may_become
from mealquest.payments.errors import NotWaiting, PaidAmountMismatch
from mealquest.payments.forms import CallbackForm
from mealquest.payments.replies import ExternalPaymentView, OutsideView
from mealquest.payments.waiting import WaitingPayment
from mealquest.state.service import scope_of_payment
from mealquest.tenancy import service as tenancy
from mealquest.wallet import service as wallets
from mealquest.wallet.service import LockedWallet, LotUse

GATEWAY = Principal(Role.SYSTEM, "payment_gateway")
ROUTE = "payments.callback"
COME = frozenset({PaymentStatus.PAID, PaymentStatus.EXTERNAL_REFUND_DUE})  # the money is there

log = structlog.get_logger(__name__)


def require_signature(body: bytes, signature: str) -> None:
    """Unauthenticated unless `signature` is the hex HMAC-SHA256 of exactly these bytes."""
    if not same(signature, gateway.signature(current_app.config["SETTINGS"], body)):
        raise Unauthenticated("invalid callback signature", code="INVALID_SIGNATURE")


def callback(form: CallbackForm) -> OutsideView:
    """Settle a waiting payment by what the gateway says; the signature has been checked.

    Raises:
        MerchantNotFound, PaymentNotFound, KeyReused, WalletBusy.
        NotWaiting: the payment never waited for outside money.
        PaidAmountMismatch: the sum is not the one asked for; the payment goes on waiting.
    """
    try:
        return _callback(form)
    except Invalid as refused:
        details = _told(form) | {"error": refused.message}
        audit.record_alone(
            form.merchant_id, "PAYMENT_CALLBACK", GATEWAY, details, AuditStatus.FAILED
        )
        raise


def _callback(form: CallbackForm) -> OutsideView:
    merchant_id = form.merchant_id
    request = KeyedRequest("gateway", ROUTE, form.key, request_hash(form))
    with transaction(merchant_id) as session:
        tenancy.settings_of(session, merchant_id)
        try:
            stored = idempotency.claim(session, merchant_id, request, OutsideView)
        except AnswerErased:  # with its customer; a gateway that asks again hears how it stands
            return _view(session, *_lock(session, merchant_id, form.payment_txn_id))
        if stored is not None:
            return stored
        wallet, before = _lock(session, merchant_id, form.payment_txn_id)
        _require_amount(form, before)
        after = _by_gateway(session, wallet, before, form)
        view = _view(session, wallet, after)
        status = AuditStatus.SUCCESS if form.succeeded else AuditStatus.FAILED
        audit.record(session, merchant_id, "PAYMENT_CALLBACK", GATEWAY, _told(form), status)
        if after is not before:
            _publish(session, after, view, "PAYMENT_VERIFIED")
        about = after.customer_id
        idempotency.store(session, merchant_id, request, view, customer_id=about)
    return view


def cancel_all_of(
    session: Session, merchant_id: str, customer_id: str, by: Principal, keeper: str | None = None
) -> int:
    """Give up every payment of a customer that still waits at this store. How many.

    With `keeper` those that hold parts of the wallet kept there. The wallets are locked.
    """
    kept = waiting.of_customer(session, merchant_id, customer_id)
    waiting_ones = [one for one, at in kept.items() if keeper in {None, at}]
    for payment_id in waiting_ones:
        wallet, payment = _lock(session, merchant_id, payment_id)
        payment = _release(session, wallet, payment, PaymentStatus.CANCELLED)
        view = _view(session, wallet, payment)
        audit.record(session, merchant_id, "PAYMENT_CANCEL", by, _whose(payment))
        _publish(session, payment, view, "PAYMENT_CANCELLED")
    return len(waiting_ones)


def cancel(merchant_id: str, payment_id: str, by: Principal) -> OutsideView:
    """Give up a waiting payment; what it held is free again. Money that still comes goes back.

    Cancelled twice, it is cancelled once. Conflict: it does not wait any more.
    """
    with transaction(merchant_id) as session:
        wallet, payment = _lock(session, merchant_id, payment_id)
        if payment.status is PaymentStatus.CANCELLED:
            return _view(session, wallet, payment)
        if payment.status is not PaymentStatus.PENDING_EXTERNAL:
            raise Conflict("payment is not waiting any more", code="PAYMENT_NOT_WAITING")
        payment = _release(session, wallet, payment, PaymentStatus.CANCELLED)
        view = _view(session, wallet, payment)
        audit.record(session, merchant_id, "PAYMENT_CANCEL", by, _whose(payment))
        _publish(session, payment, view, "PAYMENT_CANCELLED")
    return view


def expire_due(limit: int = 100) -> int:
    """End the holds whose time is over; returns how many. One that fails does not stop the rest."""
    with platform_transaction("holds of every merchant expire by one job") as session:
        due = waiting.expired_holds(session, limit)
    return sum(_try_to_expire(merchant_id, payment_id) for merchant_id, payment_id in due)


def _try_to_expire(merchant_id: str, payment_id: str) -> bool:
    try:
        return _expire(merchant_id, payment_id)
    except Exception as failure:  # noqa: BLE001 - it stays due and the next run tries again
        log.warning("hold left due", payment_id=payment_id, error=repr(failure)[:300])
        return False


def _expire(merchant_id: str, payment_id: str) -> bool:
    """False: it does not wait any more."""
    with transaction(merchant_id) as session:
        wallet, payment = _lock(session, merchant_id, payment_id)
        if payment.status is not PaymentStatus.PENDING_EXTERNAL or not payment.overdue:
            return False
        payment = _release(session, wallet, payment, PaymentStatus.EXTERNAL_EXPIRED)
        view = _view(session, wallet, payment)
        audit.record(session, merchant_id, "PAYMENT_EXPIRE", SYSTEM, _whose(payment))
        _publish(session, payment, view, "PAYMENT_EXPIRED")
    return True


# --- the gateway's word -------------------------------------------------------------------


def _by_gateway(
    session: Session, wallet: LockedWallet, payment: WaitingPayment, form: CallbackForm
) -> WaitingPayment:
    """The payment after it; the very same one when it was settled before and nothing changes."""
    if form.succeeded:
        return _paid_outside(session, wallet, payment, form.external_txn_id)
    if payment.status is PaymentStatus.PENDING_EXTERNAL:
        return _release(
            session,
            wallet,
            payment,
            PaymentStatus.EXTERNAL_FAILED,
            told=True,
            external_txn_id=form.external_txn_id,
        )
    return payment


def _paid_outside(
    session: Session, wallet: LockedWallet, payment: WaitingPayment, external_txn_id: str | None
) -> WaitingPayment:
    """Capture the hold; or, when it was let go before, take the parts again or owe the money.

    Nothing is taken again from the wallet of somebody who has left: their money goes back.
    """
    held = payment.required_hold
    if payment.status is PaymentStatus.PENDING_EXTERNAL:
        wallets.capture(session, wallet, held, external_txn_id)
        return _come(session, payment, PaymentStatus.PAID, external_txn_id)
    if may_become(payment.status, PaymentStatus.PAID) and not payment.payer_has_left:
        again = wallets.capture_late(session, wallet, held, external_txn_id, utc_now())
        if again is not None:
            return _come(session, payment, PaymentStatus.PAID, external_txn_id, again.lots)
    if not may_become(payment.status, PaymentStatus.EXTERNAL_REFUND_DUE):
        paid_again.notice(session, payment, external_txn_id)
        return payment
    wallets.receive_for_return(session, wallet, held, external_txn_id)
    payment = _come(session, payment, PaymentStatus.EXTERNAL_REFUND_DUE, external_txn_id)
    refunds.owe(session, payment, held.parts.external)
    return payment


def _come(
    session: Session,
    payment: WaitingPayment,
    target: PaymentStatus,
    external_txn_id: str | None,
    lots: Sequence[LotUse] | None = None,
) -> WaitingPayment:
    return _move(session, payment, target, told=True, external_txn_id=external_txn_id, lots=lots)


def _release(
    session: Session,
    wallet: LockedWallet,
    payment: WaitingPayment,
    target: PaymentStatus,
    *,
    told: bool = False,
    external_txn_id: str | None = None,
) -> WaitingPayment:
    wallets.release(session, wallet, payment.required_hold)
    return _move(session, payment, target, told=told, external_txn_id=external_txn_id)


def _move(
    session: Session,
    payment: WaitingPayment,
    target: PaymentStatus,
    *,
    told: bool,
    external_txn_id: str | None,
    lots: Sequence[LotUse] | None = None,
) -> WaitingPayment:
    if not may_become(payment.status, target):
        raise RuntimeError(f"a payment cannot go from {payment.status} to {target}")
    outside = ExternalStatus.CONFIRMED if target in COME else ExternalStatus.FAILED
    return waiting.settle(
        session, payment, target, outside, told=told, external_txn_id=external_txn_id, lots=lots
    )


def _require_amount(form: CallbackForm, payment: WaitingPayment) -> None:
    """Money that came must be what was asked for; a payment that failed may come without a sum."""
    if payment.hold is None:
        raise NotWaiting
    asked = wallets.major(payment.hold.parts.external, payment.currency)
    if form.succeeded and form.paid_amount != asked:
        raise PaidAmountMismatch


def _lock(
    session: Session, merchant_id: str, payment_id: str
) -> tuple[LockedWallet, WaitingPayment]:
    """The payer's wallet, then the payment's row, both locked; always in this order."""
    wallet = waiting.lock_wallet(session, merchant_id, payment_id)
    return wallet, waiting.lock(session, merchant_id, payment_id)


# --- what is said about it ----------------------------------------------------------------


def _view(session: Session, wallet: LockedWallet, payment: WaitingPayment) -> OutsideView:
    balances = wallets.wallet_view(session, wallet.merchant_id, wallet.customer_id)
    return OutsideView(
        payment_txn_id=payment.id,
        status=payment.status,
        external_payment=ExternalPaymentView.of(payment),
        wallet=balances,
        wallet_scope=scope_of_payment(session, wallet),
    )


def _publish(session: Session, payment: WaitingPayment, view: OutsideView, kind: str) -> None:
    event = view.model_dump(mode="json", by_alias=True) | {"userId": payment.customer_id}
    outbox.publish(session, payment.merchant_id, kind, event)


def _told(form: CallbackForm) -> dict[str, str | None]:
    return {
        "paymentTxnId": form.payment_txn_id,
        "externalTxnId": form.external_txn_id,
        "callbackStatus": form.status,
    }


def _whose(payment: WaitingPayment) -> dict[str, str]:
    return {"paymentTxnId": payment.id, "userId": payment.customer_id}
