"""Wallets, vouchers and their history as another server kept them, written as they were.

History is told by the ledger as well: what a customer began with is one OPENING entry, so that it
and all that was sold and given back since sum to the balances there are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from mealquest.core.money import Currency
from mealquest.wallet import ledger
from mealquest.wallet.domain import Balances, Deduction, VoucherStatus, VoucherType
from mealquest.wallet.ledger import GIFTS, OPENING, SALES, Bucket, Posting, wallet_account
from mealquest.wallet.models import (
    BonusLot,
    EntryKind,
    LedgerEntry,
    LedgerPosting,
    Voucher,
    Wallet,
)

AT_ONCE = 500  # rows of one statement


@dataclass(frozen=True, slots=True)
class OldLot:
    """All bonus of one customer; it never expires. `granted_by`: the opening entry."""

    id: str
    granted: int
    left: int
    held: int
    granted_by: str


@dataclass(frozen=True, slots=True)
class OldWallet:
    """Balances, and what of them waits for money from outside, minor units."""

    customer_id: str
    balances: Balances
    held: Balances
    lot: OldLot | None


@dataclass(frozen=True, slots=True)
class OldVoucher:
    id: str
    customer_id: str
    type: VoucherType
    name: str
    value_minor: int
    min_spend_minor: int
    discount_rate: Decimal | None
    status: VoucherStatus
    expires_at: datetime
    used_by: str | None  # the payment that spent or holds it


@dataclass(frozen=True, slots=True)
class OldEntry:
    id: str
    kind: EntryKind
    reference: str
    customer_id: str
    amount_minor: int
    details: Mapping[str, Any]
    at: datetime
    postings: tuple[Posting, ...]


@dataclass(frozen=True, slots=True)
class Holdings:
    """Sums over a merchant, minor units; vouchers by status: how many, and their value."""

    principal: int = 0
    bonus: int = 0
    silver: int = 0
    vouchers: Mapping[str, tuple[int, int]] | None = None


# --- entries ----------------------------------------------------------------------------------


def opened(
    entry_id: str, customer_id: str, moved: Balances, at: datetime, granted_by: str
) -> OldEntry:
    """What a customer began with. Below zero: more came back than ever left, which leaves again."""
    postings = []
    for bucket in Bucket:
        minor = getattr(moved, bucket.value)
        ends = (OPENING, wallet_account(customer_id, bucket))
        if minor:
            postings.append(Posting(*(ends if minor > 0 else ends[::-1]), abs(minor)))
    total = moved.principal + moved.bonus + moved.silver
    return OldEntry(
        entry_id,
        EntryKind.OPENING,
        customer_id,
        customer_id,
        total,
        {"grantedBy": granted_by},
        at,
        tuple(postings),
    )


def sold(
    entry_id: str,
    payment_id: str,
    customer_id: str,
    parts: Deduction,
    details: Mapping[str, Any],
    at: datetime,
) -> OldEntry:
    """An order that was paid; with an outside part it is the entry of that money's coming."""
    if parts.external:
        kind, amount = EntryKind.PAYMENT_EXTERNAL_CONFIRM, parts.external
        postings = ledger.capture_postings(customer_id, parts)
    else:
        kind, amount = EntryKind.PAYMENT, parts.order
        postings = ledger.sale_postings(customer_id, parts)
    return OldEntry(entry_id, kind, payment_id, customer_id, amount, details, at, tuple(postings))


def waited(
    entry_id: str,
    payment_id: str,
    customer_id: str,
    order_minor: int,
    details: Mapping[str, Any],
    at: datetime,
) -> OldEntry:
    """The note that an order waits, or waited, for outside money; it moves nothing."""
    kind = EntryKind.PAYMENT_PENDING
    return OldEntry(entry_id, kind, payment_id, customer_id, order_minor, details, at, ())


def refunded(
    refund_id: str,
    customer_id: str,
    amount: int,
    clawback: Balances,
    details: Mapping[str, Any],
    at: datetime,
) -> OldEntry:
    """A refund by the old rule: all of it came back as principal, and the gifted share went."""
    principal = wallet_account(customer_id, Bucket.PRINCIPAL)
    bonus = wallet_account(customer_id, Bucket.BONUS)
    moves = (
        Posting(SALES, principal, amount),
        Posting(bonus, GIFTS, clawback.bonus),
        Posting(principal, GIFTS, clawback.principal),
    )
    postings = tuple(move for move in moves if move.minor)
    kind = EntryKind.REFUND
    return OldEntry(refund_id, kind, refund_id, customer_id, amount, details, at, postings)


# --- writing ----------------------------------------------------------------------------------


def restore(
    session: Session,
    merchant_id: str,
    currency: Currency,
    *,
    wallets: Sequence[OldWallet],
    vouchers: Sequence[OldVoucher],
    entries: Sequence[OldEntry],
    granted_by: str,
) -> None:
    """Write them; the customers are there. The caller has made sure that they agree."""
    own = {"merchant_id": merchant_id}
    _add(session, Wallet, (own | _wallet_row(one, currency) for one in wallets))
    lots = ((one.customer_id, one.lot) for one in wallets)
    _add(session, BonusLot, (own | _lot_row(who, lot) for who, lot in lots if lot))
    given = {"granted_by": granted_by}
    _add(session, Voucher, (own | given | _columns(one) for one in vouchers))
    _add(session, LedgerEntry, (own | _entry_row(one, currency) for one in entries))
    _add(session, LedgerPosting, (own | row for one in entries for row in _posting_rows(one)))


def _add(session: Session, table: type[Any], rows: Iterable[dict[str, Any]]) -> None:
    found = list(rows)
    for start in range(0, len(found), AT_ONCE):
        session.execute(insert(table), found[start : start + AT_ONCE])


def _columns(voucher: OldVoucher) -> dict[str, Any]:
    return {name: getattr(voucher, name) for name in voucher.__slots__}


def _wallet_row(wallet: OldWallet, currency: Currency) -> dict[str, Any]:
    names = [bucket.value for bucket in Bucket]
    return {
        "customer_id": wallet.customer_id,
        "currency": currency,
        **{f"{name}_minor": getattr(wallet.balances, name) for name in names},
        **{f"held_{name}_minor": getattr(wallet.held, name) for name in names},
    }


def _lot_row(customer_id: str, lot: OldLot) -> dict[str, Any]:
    return {
        "id": lot.id,
        "customer_id": customer_id,
        "granted_minor": lot.granted,
        "left_minor": lot.left,
        "held_minor": lot.held,
        "expires_at": None,
        "granted_by": lot.granted_by,
    }


def _entry_row(entry: OldEntry, currency: Currency) -> dict[str, Any]:
    return {
        "id": entry.id,
        "kind": entry.kind,
        "reference": entry.reference,
        "customer_id": entry.customer_id,
        "amount_minor": entry.amount_minor,
        "currency": currency,
        "details": dict(entry.details),
        "created_at": entry.at,
    }


def _posting_rows(entry: OldEntry) -> list[dict[str, Any]]:
    return [
        {
            "entry_id": entry.id,
            "line": line,
            "source": posting.source,
            "destination": posting.destination,
            "amount_minor": posting.minor,
        }
        for line, posting in enumerate(entry.postings, start=1)
    ]


# --- proof ------------------------------------------------------------------------------------

_BALANCES = text(
    """
    SELECT CAST(coalesce(sum(principal_minor), 0) AS bigint),
           CAST(coalesce(sum(bonus_minor), 0) AS bigint),
           CAST(coalesce(sum(silver_minor), 0) AS bigint)
      FROM wallets WHERE merchant_id = :merchant
    """
)
_VOUCHERS = text(
    """
    SELECT status, count(*), CAST(sum(value_minor) AS bigint) FROM vouchers
     WHERE merchant_id = :merchant GROUP BY status
    """
)


def holdings(session: Session, merchant_id: str) -> Holdings:
    """What stands in the tables now."""
    own = {"merchant": merchant_id}
    vouchers = {row[0]: (row[1], row[2]) for row in session.execute(_VOUCHERS, own)}
    principal, bonus, silver = session.execute(_BALANCES, own).one()
    return Holdings(principal, bonus, silver, vouchers)
