"""Statements on payments that wait, or waited, for money from outside."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from mealquest.core.money import Currency
from mealquest.payments.domain import ExternalStatus, PaymentStatus
from mealquest.payments.errors import PaymentNotFound
from mealquest.wallet import service as wallets
from mealquest.wallet.service import Deduction, Hold, LockedWallet, LotUse


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
    hold_expires_at: datetime | None
    overdue: bool
    payer_has_left: bool

    @property
    def outside_id(self) -> str:
        """By what the gateway knows its money."""
        return self.external_txn_id or self.intent

    @property
    def required_hold(self) -> Hold:
        if self.hold is None:
            raise RuntimeError(f"{self.id} never held anything")
        return self.hold


_PAYER = text(
    "SELECT customer_id, wallet_merchant_id FROM payments"
    " WHERE merchant_id = :merchant AND id = :id"
)
_FACTS = """
    SELECT merchant_id, id, customer_id, status, currency, voucher_minor, bonus_minor,
           principal_minor, silver_minor, external_minor, voucher_id, lots, provider,
           payment_intent_id, external_status, external_txn_id, confirmed_at, hold_expires_at,
           hold_expires_at <= now() AS overdue,
           (SELECT c.deleted_at IS NOT NULL FROM customers c
             WHERE c.merchant_id = payments.merchant_id AND c.id = payments.customer_id)
           AS payer_has_left
      FROM payments WHERE merchant_id = :merchant AND id = :id
"""
_READ = text(_FACTS)
_LOCK = text(_FACTS + " FOR UPDATE")
_SETTLE = text(
    """
    UPDATE payments
       SET status = :status, external_status = :outside,
           external_txn_id = coalesce(:external, external_txn_id),
           confirmed_at = CASE WHEN :told THEN now() END,
           lots = coalesce(:lots, lots)
     WHERE merchant_id = :merchant AND id = :id
    RETURNING confirmed_at, external_txn_id
    """
).bindparams(bindparam("lots", type_=JSONB(none_as_null=True)))
_EXPIRED = text(
    """
    SELECT merchant_id, id FROM payments
     WHERE status = 'PENDING_EXTERNAL' AND hold_expires_at <= now()
     ORDER BY hold_expires_at, id LIMIT :limit
    """
)


_WAITING_OF = text(
    """
    SELECT id, coalesce(wallet_merchant_id, merchant_id) AS keeper FROM payments
     WHERE merchant_id = :merchant AND customer_id = :customer AND status = 'PENDING_EXTERNAL'
     ORDER BY id
    """
)


def of_customer(session: Session, merchant_id: str, customer_id: str) -> dict[str, str]:
    """What waits by its id, and who keeps the wallet that it holds parts of.

    Those wallets are locked before, so that no more come.
    """
    rows = session.execute(_WAITING_OF, {"merchant": merchant_id, "customer": customer_id})
    return {row.id: row.keeper for row in rows}


def lock_wallet(session: Session, merchant_id: str, payment_id: str) -> LockedWallet:
    """The wallet that paid, or is to pay, whoever uses which today; also of who has left.

    PaymentNotFound: no such payment at this merchant.
    """
    payer = session.execute(_PAYER, {"merchant": merchant_id, "id": payment_id}).one_or_none()
    if payer is None:
        raise PaymentNotFound
    return wallets.lock_kept(session, merchant_id, payer[1], payer[0])


def wallet_keeper(session: Session, merchant_id: str, payment_id: str) -> str:
    """The store that keeps the wallet which paid."""
    payer = session.execute(_PAYER, {"merchant": merchant_id, "id": payment_id}).one_or_none()
    if payer is None:
        raise PaymentNotFound
    return str(payer[1] or merchant_id)


def read(session: Session, merchant_id: str, payment_id: str) -> WaitingPayment:
    return _one(session, _READ, merchant_id, payment_id)


def lock(session: Session, merchant_id: str, payment_id: str) -> WaitingPayment:
    """The payment's row, locked; the payer's wallet is locked before."""
    return _one(session, _LOCK, merchant_id, payment_id)


def settle(
    session: Session,
    payment: WaitingPayment,
    status: PaymentStatus,
    outside: ExternalStatus,
    *,
    told: bool,
    external_txn_id: str | None = None,
    lots: Sequence[LotUse] | None = None,
) -> WaitingPayment:
    """Write where the payment went; the payment as it is now.

    `told`: the gateway said so, at this moment. `lots`: which gave the bonus in the end.
    """
    row = session.execute(
        _SETTLE,
        {
            "merchant": payment.merchant_id,
            "id": payment.id,
            "status": status.value,
            "outside": outside.value,
            "external": external_txn_id,
            "told": told,
            "lots": None if lots is None else {use.lot_id: use.minor for use in lots},
        },
    ).one()
    return replace(
        payment,
        status=status,
        external_status=outside,
        external_txn_id=row.external_txn_id,
        confirmed_at=row.confirmed_at,
    )


def expired_holds(session: Session, limit: int) -> list[tuple[str, str]]:
    """Merchant and payment ids; needs a session that crosses merchants."""
    return [(row[0], row[1]) for row in session.execute(_EXPIRED, {"limit": limit})]


def _one(
    session: Session, statement: TextClause, merchant_id: str, payment_id: str
) -> WaitingPayment:
    row = session.execute(statement, {"merchant": merchant_id, "id": payment_id}).first()
    if row is None:
        raise PaymentNotFound
    return _payment(row)


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
        hold_expires_at=row.hold_expires_at,
        overdue=bool(row.overdue),
        payer_has_left=row.payer_has_left,
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
    lots = tuple(LotUse(lot_id, minor) for lot_id, minor in (row.lots or {}).items())
    return Hold(row.id, parts, lots, row.voucher_id)
