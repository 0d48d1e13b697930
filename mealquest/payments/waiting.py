"""Statements on payments that wait, or waited, for money from outside, and on what goes back."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg.types.numeric import Int8
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from mealquest.core.ids import new_id
from mealquest.core.money import Currency
from mealquest.payments.domain import ExternalStatus, GatewayRefundState, PaymentStatus
from mealquest.payments.errors import PaymentNotFound
from mealquest.wallet.service import Deduction, Hold, LotUse


@dataclass(frozen=True, slots=True)
class WaitingPayment:
    """A payment as locked. `hold` is None when the wallet covered it; `overdue` by the database."""

    merchant_id: str
    id: str
    customer_id: str
    status: PaymentStatus
    currency: Currency
    hold: Hold | None
    provider: str
    intent: str
    external_status: ExternalStatus
    external_txn_id: str | None
    confirmed_at: datetime | None
    overdue: bool

    @property
    def required_hold(self) -> Hold:
        if self.hold is None:
            raise RuntimeError(f"{self.id} never held anything")
        return self.hold


_PAYER = text("SELECT customer_id FROM payments WHERE merchant_id = :merchant AND id = :id")
_LOCK = text(
    """
    SELECT merchant_id, id, customer_id, status, currency, voucher_minor, bonus_minor,
           principal_minor, silver_minor, external_minor, voucher_id, held_lots, provider,
           payment_intent_id, external_status, external_txn_id, confirmed_at,
           hold_expires_at <= now() AS overdue
      FROM payments WHERE merchant_id = :merchant AND id = :id FOR UPDATE
    """
)
_SETTLE = text(
    """
    UPDATE payments
       SET status = :status, external_status = :outside, external_txn_id = :external,
           confirmed_at = now()
     WHERE merchant_id = :merchant AND id = :id
    RETURNING confirmed_at
    """
)
_EXPIRED = text(
    """
    SELECT merchant_id, id FROM payments
     WHERE status = 'PENDING_EXTERNAL' AND hold_expires_at <= now()
     ORDER BY hold_expires_at LIMIT :limit
    """
)
_ADD_REFUND = text(
    """
    INSERT INTO gateway_refunds
           (merchant_id, id, payment_id, external_txn_id, amount_minor, currency, state)
    VALUES (:merchant, :id, :payment, :external, :amount, :currency, 'PENDING')
    """
)


def payer(session: Session, merchant_id: str, payment_id: str) -> str | None:
    found = session.execute(_PAYER, {"merchant": merchant_id, "id": payment_id}).scalar()
    return str(found) if found is not None else None


def lock(session: Session, merchant_id: str, payment_id: str) -> WaitingPayment:
    """The payment's row, locked; the payer's wallet is locked before."""
    row = session.execute(_LOCK, {"merchant": merchant_id, "id": payment_id}).first()
    if row is None:
        raise PaymentNotFound
    return _payment(row)


def settle(
    session: Session,
    payment: WaitingPayment,
    status: PaymentStatus,
    outside: ExternalStatus,
    external_txn_id: str | None,
) -> WaitingPayment:
    """Write where the payment went; the payment as it is now."""
    moment = session.execute(
        _SETTLE,
        {
            "merchant": payment.merchant_id,
            "id": payment.id,
            "status": status.value,
            "outside": outside.value,
            "external": external_txn_id,
        },
    ).scalar_one()
    return replace(
        payment,
        status=status,
        external_status=outside,
        external_txn_id=external_txn_id,
        confirmed_at=moment,
    )


def expired_holds(session: Session, limit: int) -> list[tuple[str, str]]:
    """Merchant and payment ids; needs a session that crosses merchants."""
    return [(row[0], row[1]) for row in session.execute(_EXPIRED, {"limit": limit})]


def add_gateway_refund(session: Session, payment: WaitingPayment, minor: int) -> None:
    session.execute(
        _ADD_REFUND,
        {
            "merchant": payment.merchant_id,
            "id": new_id("rf"),
            "payment": payment.id,
            "external": payment.external_txn_id or payment.intent,
            "amount": Int8(minor),
            "currency": payment.currency.value,
        },
    )


# --- money that goes back -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DueRefund:
    merchant_id: str
    id: str
    payment_id: str
    external_txn_id: str
    amount_minor: int
    currency: Currency
    attempts: int


_CLAIM = text(
    """
    UPDATE gateway_refunds AS r
       SET attempts = attempts + 1, run_at = now() + interval '2 minutes'
      FROM (SELECT merchant_id, id FROM gateway_refunds
             WHERE state = 'PENDING' AND run_at <= now()
             ORDER BY run_at LIMIT :limit FOR UPDATE SKIP LOCKED) AS due
     WHERE r.merchant_id = due.merchant_id AND r.id = due.id
    RETURNING r.merchant_id, r.id, r.payment_id, r.external_txn_id, r.amount_minor, r.currency,
              r.attempts
    """
)
_FINISH = text(
    """
    UPDATE gateway_refunds SET state = 'DONE', done_at = now(), last_error = NULL
     WHERE merchant_id = :merchant AND id = :id AND state = 'PENDING'
    """
)
_PUT_OFF = text(
    """
    UPDATE gateway_refunds
       SET last_error = :error, state = :state,
           run_at = now() + random() * least(power(2, attempts), 3600) * interval '1 second'
     WHERE merchant_id = :merchant AND id = :id AND state = 'PENDING'
    """
)
_DUE = text(
    """
    SELECT EXISTS (SELECT FROM gateway_refunds WHERE state = 'PENDING' AND run_at <= now())
        OR EXISTS (SELECT FROM payments
                    WHERE status = 'PENDING_EXTERNAL' AND hold_expires_at <= now())
    """
)


def claim_refunds(session: Session, limit: int) -> list[DueRefund]:
    """Due refunds, leased for two minutes; needs a session that crosses merchants."""
    rows = session.execute(_CLAIM, {"limit": limit})
    return [
        DueRefund(
            row.merchant_id,
            row.id,
            row.payment_id,
            row.external_txn_id,
            row.amount_minor,
            Currency(row.currency),
            row.attempts,
        )
        for row in rows
    ]


def finish_refund(session: Session, refund: DueRefund) -> bool:
    """False: another worker has finished it."""
    found = {"merchant": refund.merchant_id, "id": refund.id}
    return bool(session.execute(_FINISH, found).rowcount)  # type: ignore[attr-defined]  # an UPDATE


def put_off_refund(
    session: Session, refund: DueRefund, error: str, state: GatewayRefundState
) -> None:
    session.execute(
        _PUT_OFF,
        {
            "merchant": refund.merchant_id,
            "id": refund.id,
            "error": error,
            "state": state.value,
        },
    )


def something_due(session: Session) -> bool:
    """A hold to expire or a refund to send, at any merchant."""
    return bool(session.execute(_DUE).scalar_one())


def _payment(row: Row[Any]) -> WaitingPayment:
    return WaitingPayment(
        merchant_id=row.merchant_id,
        id=row.id,
        customer_id=row.customer_id,
        status=PaymentStatus(row.status),
        currency=Currency(row.currency),
        hold=_hold(row),
        provider=row.provider or "",
        intent=row.payment_intent_id or "",
        external_status=ExternalStatus(row.external_status or ExternalStatus.PENDING),
        external_txn_id=row.external_txn_id,
        confirmed_at=row.confirmed_at,
        overdue=bool(row.overdue),
    )


def _hold(row: Row[Any]) -> Hold | None:
    if row.payment_intent_id is None:
        return None
    parts = Deduction(
        row.voucher_minor,
        row.bonus_minor,
        row.principal_minor,
        row.silver_minor,
        row.external_minor,
    )
    lots = tuple(LotUse(lot_id, minor) for lot_id, minor in (row.held_lots or {}).items())
    return Hold(row.id, parts, lots, row.voucher_id)
