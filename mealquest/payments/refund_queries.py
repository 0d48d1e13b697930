"""Statements on outside money that goes back through the gateway."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from psycopg.types.numeric import Int8
from sqlalchemy import CursorResult, TextClause, text
from sqlalchemy.orm import Session

from mealquest.core.ids import new_id
from mealquest.core.money import Currency
from mealquest.payments.domain import GatewayRefundState

LEASE_S = 120  # nobody else sends a refund that was claimed, for so long


@dataclass(frozen=True, slots=True)
class DueRefund:
    merchant_id: str
    id: str
    payment_id: str
    external_txn_id: str
    amount_minor: int
    currency: Currency
    attempts: int  # the one that is made now included


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """`refund_id`: the refund it is part of; None for money that came too late."""

    id: str
    refund_id: str | None
    amount_minor: int
    state: GatewayRefundState
    attempts: int
    last_error: str | None
    run_at: datetime
    done_at: datetime | None


_ADD = text(
    """
    INSERT INTO gateway_refunds
           (merchant_id, id, payment_id, refund_id, external_txn_id, amount_minor, currency, state)
    VALUES (:merchant, :id, :payment, :refund, :external, :amount, :currency, 'PENDING')
    """
)
_CLAIM = text(
    """
    WITH due AS MATERIALIZED (
        SELECT merchant_id, id FROM gateway_refunds
         WHERE state = 'PENDING' AND run_at <= now()
         ORDER BY run_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE gateway_refunds AS r
       SET attempts = attempts + 1, run_at = now() + make_interval(secs => :lease)
      FROM due
     WHERE r.merchant_id = due.merchant_id AND r.id = due.id
    RETURNING r.merchant_id, r.id, r.payment_id, r.external_txn_id, r.amount_minor, r.currency,
              r.attempts
    """
)
_FINISH = text(
    """
    UPDATE gateway_refunds SET state = 'DONE', done_at = now(), last_error = NULL
     WHERE merchant_id = :merchant AND id = :id AND state <> 'DONE'
    """
)
# Full jitter: a random part of 2^attempts seconds, at most an hour.
_PUT_OFF = text(
    """
    UPDATE gateway_refunds
       SET last_error = :error, state = :state,
           run_at = now() + random() * least(power(2, attempts), 3600) * interval '1 second'
     WHERE merchant_id = :merchant AND id = :id AND state = 'PENDING' AND attempts = :attempts
    """
)
_AGAIN = text(
    """
    UPDATE gateway_refunds SET state = 'PENDING', attempts = 0, run_at = now()
     WHERE merchant_id = :merchant AND payment_id = :payment AND state = 'STUCK'
    """
)
_OF_PAYMENT = text(
    """
    SELECT id, refund_id, amount_minor, state, attempts, last_error, run_at, done_at
      FROM gateway_refunds
     WHERE merchant_id = :merchant AND payment_id = :payment ORDER BY created_at, id
    """
)
_HAS_DUE = text(
    "SELECT EXISTS (SELECT FROM gateway_refunds WHERE state = 'PENDING' AND run_at <= now())"
)


def add(
    session: Session,
    merchant_id: str,
    payment_id: str,
    *,
    external_txn_id: str,
    minor: int,
    currency: Currency,
    refund_id: str | None = None,
) -> str:
    """Owe money of a payment back; due at once. Returns its id."""
    sent_as = new_id("rf")
    session.execute(
        _ADD,
        {
            "merchant": merchant_id,
            "id": sent_as,
            "payment": payment_id,
            "refund": refund_id,
            "external": external_txn_id,
            "amount": Int8(minor),
            "currency": currency.value,
        },
    )
    return sent_as


def claim(session: Session, limit: int) -> list[DueRefund]:
    """Due refunds, leased for two minutes; needs a session that crosses merchants."""
    rows = session.execute(_CLAIM, {"limit": limit, "lease": LEASE_S})
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


def finish(session: Session, refund: DueRefund) -> bool:
    """False: another worker has finished it."""
    return _changed(session, _FINISH, {"merchant": refund.merchant_id, "id": refund.id}) == 1


def put_off(session: Session, refund: DueRefund, error: str, state: GatewayRefundState) -> bool:
    """False: somebody else has sent or claimed it since this attempt began."""
    values = {
        "merchant": refund.merchant_id,
        "id": refund.id,
        "attempts": Int8(refund.attempts),
        "error": error,
        "state": state.value,
    }
    return _changed(session, _PUT_OFF, values) == 1


def send_again(session: Session, merchant_id: str, payment_id: str) -> int:
    """Make the payment's refunds due that were given up; returns how many."""
    return _changed(session, _AGAIN, {"merchant": merchant_id, "payment": payment_id})


def of_payment(session: Session, merchant_id: str, payment_id: str) -> list[RefundFacts]:
    rows = session.execute(_OF_PAYMENT, {"merchant": merchant_id, "payment": payment_id})
    return [
        RefundFacts(
            row.id,
            row.refund_id,
            row.amount_minor,
            GatewayRefundState(row.state),
            row.attempts,
            row.last_error,
            row.run_at,
            row.done_at,
        )
        for row in rows
    ]


def has_due(session: Session) -> bool:
    """At any merchant; needs a session that crosses them."""
    return bool(session.execute(_HAS_DUE).scalar_one())


def _changed(session: Session, statement: TextClause, values: dict[str, Any]) -> int:
    return cast("CursorResult[Any]", session.execute(statement, values)).rowcount
