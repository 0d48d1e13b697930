"""Outside money that goes back through the gateway: rows, sent by a job until they are there."""

import structlog
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import outbox
from mealquest.core.db import platform_transaction, transaction
from mealquest.core.ids import new_id
from mealquest.core.money import Money
from mealquest.core.principal import SYSTEM
from mealquest.core.wire import number
from mealquest.payments import gateway, waiting
from mealquest.payments.domain import GatewayRefundState
from mealquest.payments.waiting import DueRefund
from mealquest.wallet import service as wallets

MAX_ATTEMPTS = 12  # about two hours of back-off; then staff are asked to look

log = structlog.get_logger(__name__)


def send_due(limit: int = 20) -> int:
    """Send one batch of due refunds, each at least once under its own id; returns the size."""
    with platform_transaction("refunds of every merchant are sent by one job") as session:
        due = waiting.claim_refunds(session, limit)
    for refund in due:
        _send(refund)
    return len(due)


def has_due() -> bool:
    with platform_transaction("the tick asks for every merchant at once") as session:
        return waiting.something_due(session)


def _send(refund: DueRefund) -> None:
    try:
        gateway.refund(refund)
    except gateway.GatewayFailed as failure:
        log.warning("gateway refund put off", refund_id=refund.id, error=str(failure)[:200])
        _put_off(refund, str(failure)[:300])
    else:
        _finish(refund)


def _put_off(refund: DueRefund, error: str) -> None:
    given_up = refund.attempts >= MAX_ATTEMPTS
    state = GatewayRefundState.STUCK if given_up else GatewayRefundState.PENDING
    with transaction(refund.merchant_id) as session:
        waiting.put_off_refund(session, refund, error, state)
        if given_up:
            _tell(session, refund, "GATEWAY_REFUND_STUCK")


def _finish(refund: DueRefund) -> None:
    with transaction(refund.merchant_id) as session:
        customer_id = waiting.payer(session, refund.merchant_id, refund.payment_id) or ""
        wallet = wallets.lock_wallet_of_anybody(session, refund.merchant_id, customer_id)
        payment = waiting.lock(session, refund.merchant_id, refund.payment_id)
        if waiting.finish_refund(session, refund):
            wallets.return_outside(session, wallet, payment.required_hold, new_id("txn"))
            _tell(session, refund, "GATEWAY_REFUND_DONE")


def _tell(session: Session, refund: DueRefund, kind: str) -> None:
    amount = number(Money(refund.amount_minor, refund.currency).major)
    details = {"paymentTxnId": refund.payment_id, "refundId": refund.id, "amount": amount}
    audit.record(session, refund.merchant_id, kind, SYSTEM, details)
    outbox.publish(session, refund.merchant_id, kind, details)
