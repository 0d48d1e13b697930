"""Statements on refunds: what a payment can still give back, and what has gone back so far."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.numeric import Int8
from sqlalchemy import Row, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from mealquest.core.money import Currency
from mealquest.identity import service as identity
from mealquest.identity.service import ShownCustomer
from mealquest.payments.domain import PaymentStatus
from mealquest.payments.errors import PaymentNotFound
from mealquest.payments.refund_domain import Paid, Plan
from mealquest.tenancy.service import RefundPolicy
from mealquest.wallet.service import Deduction


@dataclass(frozen=True, slots=True)
class Refundable:
    """A payment as read for a refund. `outside_id`: by what the gateway knows its money."""

    merchant_id: str
    id: str
    customer_id: str
    status: PaymentStatus
    currency: Currency
    parts: Deduction
    refunded_minor: int
    voucher_id: str | None
    lots: Mapping[str, int]
    outside_id: str
    has_left: bool  # the customer
    wallet_merchant_id: str | None  # whose wallet paid; None: the store's own

    def voucher_back(self, plan: Plan) -> str | None:
        """The voucher that a refund makes usable again; of somebody who has left it stays used."""
        return self.voucher_id if plan.is_last and not self.has_left else None


@dataclass(frozen=True, slots=True)
class RefundRow:
    id: str
    payment_id: str
    customer: ShownCustomer
    currency: Currency
    policy: RefundPolicy
    parts: Deduction
    reclaim: int
    from_bonus: int
    from_silver: int
    from_principal: int
    receivable: int
    voucher_id: str | None
    withdrawn: tuple[str, ...]
    fragments: Mapping[str, int]  # pieces taken back, by kind
    refunded_by: str
    created_at: datetime


_FACTS = """
    SELECT p.merchant_id, p.id, p.customer_id, p.status, p.currency, p.voucher_minor,
           p.bonus_minor, p.principal_minor, p.silver_minor, p.external_minor, p.refunded_minor,
           p.voucher_id, p.wallet_merchant_id, p.lots,
           coalesce(p.external_txn_id, p.payment_intent_id, p.id) AS outside,
           (SELECT c.deleted_at IS NOT NULL FROM customers c
             WHERE c.merchant_id = p.merchant_id AND c.id = p.customer_id) AS has_left
      FROM payments p WHERE p.merchant_id = :merchant AND p.id = :id
"""
_READ = text(_FACTS)
_LOCK = text(_FACTS + " FOR UPDATE OF p")
_BACK = text(
    """
    SELECT voucher_minor, bonus_minor, principal_minor, silver_minor, external_minor, lots
      FROM refunds WHERE merchant_id = :merchant AND payment_id = :payment
    """
)
_ADD = text(
    """
    WITH payment AS (
        UPDATE payments SET refunded_minor = refunded_minor + :amount
         WHERE merchant_id = :merchant AND id = :payment)
    INSERT INTO refunds
           (merchant_id, id, payment_id, currency, policy, amount_minor, voucher_minor,
            bonus_minor, principal_minor, silver_minor, external_minor, reclaim_minor,
            from_bonus_minor, from_silver_minor, from_principal_minor, from_granted_minor,
            receivable_minor, lots, voucher_id, withdrawn, fragments, refunded_by)
    VALUES (:merchant, :id, :payment, :currency, :policy, :amount, :voucher, :bonus, :principal,
            :silver, :external, :reclaim, :from_bonus, :from_silver, :from_principal,
            :from_granted, :receivable, :lots, :voucher_id, :withdrawn, :fragments, :refunded_by)
    """
).bindparams(*(bindparam(name, type_=JSONB) for name in ("lots", "withdrawn", "fragments")))
ROWS = """
    SELECT r.id, r.payment_id, p.customer_id, r.currency, r.policy,
           r.voucher_minor, r.bonus_minor, r.principal_minor, r.silver_minor, r.external_minor,
           r.reclaim_minor, r.from_bonus_minor, r.from_silver_minor, r.from_principal_minor,
           r.receivable_minor, r.voucher_id, r.withdrawn, r.fragments, r.refunded_by, r.created_at
      FROM refunds r
      JOIN payments p ON p.merchant_id = r.merchant_id AND p.id = r.payment_id
     WHERE r.merchant_id = :merchant
"""
_OF_PAYMENT = text(ROWS + " AND r.payment_id = :payment ORDER BY r.created_at, r.id")


def read(session: Session, merchant_id: str, payment_id: str) -> Refundable:
    return _one(session, _READ, merchant_id, payment_id)


def lock(session: Session, merchant_id: str, payment_id: str) -> Refundable:
    """The payment's row, locked; the payer's wallet is locked before."""
    return _one(session, _LOCK, merchant_id, payment_id)


def paid(session: Session, payment: Refundable) -> Paid:
    """What paid it, and what of that has gone back; needs the payment's lock to stay true."""
    values = {"merchant": payment.merchant_id, "payment": payment.id}
    back, lots = [0] * 5, Counter[str]()
    for row in session.execute(_BACK, values):
        back = [total + minor for total, minor in zip(back, row[:5], strict=True)]
        lots.update(row.lots)
    return Paid(payment.parts, Deduction(*back), payment.lots, lots)


def add(
    session: Session,
    payment: Refundable,
    refund_id: str,
    plan: Plan,
    policy: RefundPolicy,
    *,
    refunded_by: str,
) -> None:
    """Write the refund, and count it on the payment."""
    parts = plan.parts
    session.execute(
        _ADD,
        {
            "merchant": payment.merchant_id,
            "id": refund_id,
            "payment": payment.id,
            "currency": payment.currency.value,
            "policy": policy.value,
            "amount": Int8(plan.amount),
            "voucher": Int8(parts.voucher),
            "bonus": Int8(parts.bonus),
            "principal": Int8(parts.principal),
            "silver": Int8(parts.silver),
            "external": Int8(parts.external),
            "reclaim": Int8(plan.target),
            "from_bonus": Int8(plan.from_bonus),
            "from_silver": Int8(plan.from_silver),
            "from_principal": Int8(plan.from_principal),
            "from_granted": Int8(plan.from_granted),
            "receivable": Int8(plan.receivable),
            "lots": {use.lot_id: use.minor for use in plan.lot_shares},
            "voucher_id": payment.voucher_back(plan),
            "withdrawn": list(plan.withdrawn),
            "fragments": dict(plan.fragments),
            "refunded_by": refunded_by,
        },
    )


def of_payment(session: Session, merchant_id: str, payment_id: str) -> list[RefundRow]:
    """Oldest first."""
    rows = session.execute(_OF_PAYMENT, {"merchant": merchant_id, "payment": payment_id})
    return rows_of(session, merchant_id, rows.all())


def rows_of(session: Session, merchant_id: str, rows: Sequence[Row[Any]]) -> list[RefundRow]:
    """Rows of `ROWS`, with their customers in one more statement."""
    people = identity.shown_customers(session, merchant_id, [row.customer_id for row in rows])
    return [_row(row, people[row.customer_id]) for row in rows]


def _row(row: Row[Any], customer: ShownCustomer) -> RefundRow:
    return RefundRow(
        id=row.id,
        payment_id=row.payment_id,
        customer=customer,
        currency=Currency(row.currency),
        policy=RefundPolicy(row.policy),
        parts=_parts(row),
        reclaim=row.reclaim_minor,
        from_bonus=row.from_bonus_minor,
        from_silver=row.from_silver_minor,
        from_principal=row.from_principal_minor,
        receivable=row.receivable_minor,
        voucher_id=row.voucher_id,
        withdrawn=tuple(row.withdrawn),
        fragments=row.fragments,
        refunded_by=row.refunded_by,
        created_at=row.created_at,
    )


def _one(session: Session, statement: TextClause, merchant_id: str, payment_id: str) -> Refundable:
    row = session.execute(statement, {"merchant": merchant_id, "id": payment_id}).first()
    if row is None:
        raise PaymentNotFound
    return Refundable(
        merchant_id=row.merchant_id,
        id=row.id,
        customer_id=row.customer_id,
        status=PaymentStatus(row.status),
        currency=Currency(row.currency),
        parts=_parts(row),
        refunded_minor=row.refunded_minor,
        voucher_id=row.voucher_id,
        lots=row.lots or {},
        outside_id=row.outside,
        has_left=row.has_left,
        wallet_merchant_id=row.wallet_merchant_id,
    )


def _parts(row: Row[Any]) -> Deduction:
    return Deduction(
        row.voucher_minor,
        row.bonus_minor,
        row.principal_minor,
        row.silver_minor,
        row.external_minor,
    )
