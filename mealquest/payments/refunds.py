"""Outside money that goes back through the gateway: rows, sent by a job until they are there."""

from typing import Protocol

import structlog
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import outbox
from mealquest.core.db import after_commit_ring, platform_transaction, transaction
from mealquest.core.errors import Conflict
from mealquest.core.money import Currency, Money
from mealquest.core.principal import SYSTEM, Principal
from mealquest.core.wire import number
from mealquest.payments import gateway, refund_queries, waiting
from mealquest.payments.domain import GatewayRefundState
from mealquest.payments.refund_queries import DueRefund
from mealquest.wallet import service as wallets

BELL = "payments"
BATCH = 5  # with a gateway that hangs 8 seconds each, well inside the lease and the job's time
MAX_ATTEMPTS = 30  # about ten hours of back-off; then staff are asked to look

log = structlog.get_logger(__name__)


class PaidOutside(Protocol):
    """A payment that money came from outside for."""

    @property
    def merchant_id(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def currency(self) -> Currency: ...
    @property
    def outside_id(self) -> str: ...


def owe(session: Session, payment: PaidOutside, minor: int, refund_id: str | None = None) -> str:
    """Have the job send outside money of a payment back, in minor units of its currency.

    `refund_id`: the refund it is part of; None for money that came too late. Returns the id under
    which it is sent.
    """
    sent_as = refund_queries.add(
        session,
        payment.merchant_id,
        payment.id,
        external_txn_id=payment.outside_id,
        minor=minor,
        currency=payment.currency,
        refund_id=refund_id,
    )
    after_commit_ring(session, BELL)
    return sent_as


def send_due(limit: int = BATCH) -> int:
    """Send one batch of due refunds, each at least once under its own id; returns the size."""
    with platform_transaction("refunds of every merchant are sent by one job") as session:
        due = refund_queries.claim(session, limit)
    for refund in due:
        try:
            _send(refund)
        except Exception as failure:  # noqa: BLE001 - its lease ends and it is sent again
            log.warning("gateway refund unfinished", refund_id=refund.id, error=repr(failure)[:300])
    return len(due)


def send_again(merchant_id: str, payment_id: str, by: Principal) -> None:
    """Start over with refunds that were given up. Conflict: the payment has none of these."""
    with transaction(merchant_id) as session:
        waiting.read(session, merchant_id, payment_id)
        if not refund_queries.send_again(session, merchant_id, payment_id):
            raise Conflict("no refund of this payment is stuck", code="NO_REFUND_STUCK")
        details = {"paymentTxnId": payment_id}
        audit.record(session, merchant_id, "GATEWAY_REFUND_RETRY", by, details)
        after_commit_ring(session, BELL)


def has_due() -> bool:
    with platform_transaction("the tick asks for every merchant at once") as session:
        return refund_queries.has_due(session) or bool(waiting.expired_holds(session, 1))


def _send(refund: DueRefund) -> None:
    try:
        gateway.refund(refund)
    except gateway.GatewayFailed as failure:
        log.warning("gateway refund put off", refund_id=refund.id, error=str(failure))
        _put_off(refund, str(failure))
    else:
        _finish(refund)


def _put_off(refund: DueRefund, error: str) -> None:
    given_up = refund.attempts >= MAX_ATTEMPTS
    state = GatewayRefundState.STUCK if given_up else GatewayRefundState.PENDING
    with transaction(refund.merchant_id) as session:
        if refund_queries.put_off(session, refund, error, state) and given_up:
            _tell(session, refund, "GATEWAY_REFUND_STUCK")


def _finish(refund: DueRefund) -> None:
    with transaction(refund.merchant_id) as session:
        wallet = waiting.lock_wallet(session, refund.merchant_id, refund.payment_id)
        if refund_queries.finish(session, refund):
            wallets.return_outside(
                session, wallet, refund.payment_id, refund.id, refund.amount_minor
            )
            _tell(session, refund, "GATEWAY_REFUND_DONE")


def _tell(session: Session, refund: DueRefund, kind: str) -> None:
    amount = number(Money(refund.amount_minor, refund.currency).major)
    details = {"paymentTxnId": refund.payment_id, "refundId": refund.id, "amount": amount}
    audit.record(session, refund.merchant_id, kind, SYSTEM, details)
    outbox.publish(session, refund.merchant_id, kind, details)
