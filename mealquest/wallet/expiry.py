"""Vouchers and bonus whose time is over. Nothing waits for this: who pays goes by the clock."""

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.core.clock import iso_millis
from mealquest.core.db import platform_transaction, transaction
from mealquest.core.ids import new_id
from mealquest.wallet import ledger, queries
from mealquest.wallet.domain import Lot
from mealquest.wallet.ledger import BREAKAGE, Bucket, Posting, wallet_account
from mealquest.wallet.models import EntryKind
from mealquest.wallet.queries import LockedWallet

log = structlog.get_logger(__name__)


def expire_due(limit: int = 200) -> int:
    """Settle what expired for up to `limit` customers; returns how many vouchers and lots it was.

    A customer whose wallet cannot be settled is logged and left due; the others go on.
    """
    with platform_transaction("what expires is looked for at every merchant at once") as session:
        due = _customers_with_something_due(session, limit)
    return sum(_settle(merchant_id, customer_id) for merchant_id, customer_id in due)


def has_due() -> bool:
    with platform_transaction("the tick asks for every merchant at once") as session:
        return bool(_customers_with_something_due(session, 1))


def _settle(merchant_id: str, customer_id: str) -> int:
    try:
        with transaction(merchant_id) as session:
            wallet = queries.lock_of_anybody(session, merchant_id, customer_id)
            vouchers = _expire_vouchers(session, merchant_id, customer_id)
            return vouchers + (_empty_lots(session, wallet) if wallet else 0)
    except Exception as failure:  # noqa: BLE001 - one wallet must not hold up every other one
        log.warning(
            "expiry put off",
            merchant_id=merchant_id,
            customer_id=customer_id,
            error=repr(failure)[:300],
        )
        return 0


def _empty_lots(session: Session, wallet: LockedWallet) -> int:
    lots = _expire_lots(session, wallet)
    if lots:
        queries.move(session, wallet, bonus=-sum(lot.left_minor for lot in lots))
    for lot in lots:
        _post(session, wallet, lot)
    return len(lots)


def _post(session: Session, wallet: LockedWallet, lot: Lot) -> None:
    """A lot of which a part was held expires in several entries, so none is about the lot alone."""
    source, entry_id = wallet_account(wallet.customer_id, Bucket.BONUS), new_id("txn")
    ledger.post(
        session,
        wallet.merchant_id,
        entry_id=entry_id,
        kind=EntryKind.BONUS_EXPIRY,
        reference=entry_id,
        customer_id=wallet.customer_id,
        amount_minor=lot.left_minor,
        currency=wallet.currency,
        details={
            "lotId": lot.id,
            "expiredAt": iso_millis(lot.expires_at) if lot.expires_at else None,
        },
        postings=[Posting(source, BREAKAGE, lot.left_minor)],
    )


# --- statements ---------------------------------------------------------------------------

_DUE = text(
    """
    SELECT merchant_id, customer_id FROM vouchers
     WHERE status = 'ACTIVE' AND expires_at <= now()
     UNION
    SELECT merchant_id, customer_id FROM bonus_lots
     WHERE left_minor > 0 AND left_minor > held_minor AND expires_at <= now()
     LIMIT :limit
    """
)
_EXPIRE_VOUCHERS = text(
    """
    UPDATE vouchers SET status = 'EXPIRED'
     WHERE merchant_id = :merchant AND customer_id = :customer
       AND status = 'ACTIVE' AND expires_at <= now()
    """
)
_EXPIRE_LOTS = text(
    """
    WITH due AS (
        SELECT id, left_minor - held_minor AS free_minor, expires_at FROM bonus_lots
         WHERE merchant_id = :merchant AND customer_id = :customer
           AND left_minor > 0 AND left_minor > held_minor AND expires_at <= now())
    UPDATE bonus_lots AS lot SET left_minor = lot.held_minor FROM due
     WHERE lot.merchant_id = :merchant AND lot.id = due.id
    RETURNING due.id, due.free_minor, due.expires_at
    """
)


def _customers_with_something_due(session: Session, limit: int) -> list[tuple[str, str]]:
    """Merchant and customer ids; needs a session that crosses merchants."""
    return [(row[0], row[1]) for row in session.execute(_DUE, {"limit": limit})]


def _expire_vouchers(session: Session, merchant_id: str, customer_id: str) -> int:
    return queries.changed(
        session, _EXPIRE_VOUCHERS, {"merchant": merchant_id, "customer": customer_id}
    )


def _expire_lots(session: Session, wallet: LockedWallet) -> list[Lot]:
    """Take back what is free of the lots whose time is over; needs the wallet's lock.

    What a waiting payment has reserved of them stays until that payment is settled.
    """
    rows = session.execute(
        _EXPIRE_LOTS, {"merchant": wallet.merchant_id, "customer": wallet.customer_id}
    )
    return [Lot(row.id, row.free_minor, row.expires_at) for row in rows]
