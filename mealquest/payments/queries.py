"""Statements on payments, and with what is shown of one who the customer is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.numeric import Int8
from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from mealquest.core.money import Currency
from mealquest.identity import service as identity
from mealquest.identity.service import ShownCustomer
from mealquest.payments.domain import ExternalStatus, PaymentStatus
from mealquest.wallet.service import Checkout, Deduction, LockedWallet


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    id: str
    customer_id: str
    customer: ShownCustomer
    status: PaymentStatus
    currency: Currency
    parts: Deduction
    refunded_minor: int
    voucher_name: str | None
    taken_by: str
    created_at: datetime
    wallet_merchant_id: str | None  # whose wallet paid; None: the store's own


_ADD = text(
    """
    INSERT INTO payments
           (merchant_id, id, customer_id, status, currency, order_minor, voucher_minor,
            bonus_minor, principal_minor, silver_minor, external_minor, voucher_id, quote, taken_by,
            lots, hold_expires_at, provider, payment_intent_id, external_status,
            wallet_merchant_id)
    VALUES (:merchant, :id, :customer, :status, :currency, :order, :voucher,
            :bonus, :principal, :silver, :external, :voucher_id, :quote, :taken_by,
            :lots, :hold_expires_at, :provider, :intent, :external_status, :keeper)
    """
).bindparams(bindparam("quote", type_=JSONB), bindparam("lots", type_=JSONB))


@dataclass(frozen=True, slots=True)
class Waiting:
    """How the outside part of a new payment is asked for, and until when its hold lives."""

    provider: str
    intent: str
    expires_at: datetime


def add(
    session: Session,
    wallet: LockedWallet,
    planned: Checkout,
    *,
    payment_id: str,
    status: PaymentStatus,
    quote: dict[str, Any],
    taken_by: str,
    waiting: Waiting | None = None,
) -> None:
    parts = planned.deduction
    lots = {use.lot_id: use.minor for use in planned.lots}
    session.execute(
        _ADD,
        {
            "merchant": wallet.store_id,
            "keeper": wallet.merchant_id if wallet.is_shared else None,
            "id": payment_id,
            "customer": wallet.customer_id,
            "status": status.value,
            "currency": wallet.currency.value,
            "order": Int8(planned.order_minor),
            "voucher": Int8(parts.voucher),
            "bonus": Int8(parts.bonus),
            "principal": Int8(parts.principal),
            "silver": Int8(parts.silver),
            "external": Int8(parts.external),
            "voucher_id": planned.voucher.id if planned.voucher else None,
            "quote": quote,
            "taken_by": taken_by,
            "lots": lots,
            "hold_expires_at": waiting.expires_at if waiting else None,
            "provider": waiting.provider if waiting else None,
            "intent": waiting.intent if waiting else None,
            "external_status": ExternalStatus.PENDING.value if waiting else None,
        },
    )


FACTS = """
    SELECT p.id, p.customer_id, p.status, p.currency, p.voucher_minor,
           p.bonus_minor, p.principal_minor, p.silver_minor, p.external_minor, p.refunded_minor,
           p.quote #>> '{selectedVoucher,name}' AS voucher_name, p.taken_by, p.created_at,
           p.wallet_merchant_id
      FROM payments p
     WHERE p.merchant_id = :merchant
"""
_ONE = text(FACTS + " AND p.id = :id")
_TAKEN = text(
    """
    SELECT count(*), CAST(coalesce(sum(order_minor), 0) AS bigint) FROM payments
     WHERE merchant_id = :merchant AND created_at >= :since AND created_at < :until
       AND status = 'PAID'
    """
)


def one(session: Session, merchant_id: str, payment_id: str) -> PaymentFacts | None:
    row = session.execute(_ONE, {"merchant": merchant_id, "id": payment_id}).first()
    return facts_of(session, merchant_id, [row])[0] if row else None


def taken_between(
    session: Session, merchant_id: str, since: datetime, until: datetime
) -> tuple[int, int]:
    """How many payments are paid, and their orders' sum in minor units, refunds not taken off."""
    row = session.execute(_TAKEN, {"merchant": merchant_id, "since": since, "until": until}).one()
    return row[0], row[1]


def facts_of(session: Session, merchant_id: str, rows: Sequence[Row[Any]]) -> list[PaymentFacts]:
    """Rows of `FACTS`, with their customers in one more statement."""
    people = identity.shown_customers(session, merchant_id, [row.customer_id for row in rows])
    return [_facts(row, people[row.customer_id]) for row in rows]


def _facts(row: Row[Any], customer: ShownCustomer) -> PaymentFacts:
    return PaymentFacts(
        row.id,
        row.customer_id,
        customer,
        PaymentStatus(row.status),
        Currency(row.currency),
        Deduction(
            row.voucher_minor,
            row.bonus_minor,
            row.principal_minor,
            row.silver_minor,
            row.external_minor,
        ),
        row.refunded_minor,
        row.voucher_name,
        row.taken_by,
        row.created_at,
        row.wallet_merchant_id,
    )
