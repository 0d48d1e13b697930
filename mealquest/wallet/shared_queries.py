"""Statements on a wallet that another store keeps than the one that acts."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.core.money import Currency
from mealquest.wallet.queries import LockedWallet, wallet_of

# The wallet is kept by another store than the one that acts, where the customer must be known too.
_LOCK_SHARED = text(
    """
    SELECT s.currency, w.principal_minor, w.bonus_minor, w.silver_minor,
           w.held_principal_minor, w.held_bonus_minor, w.held_silver_minor,
           (SELECT a.currency FROM merchant_settings a
             WHERE a.merchant_id = :store) AS own_currency,
           coalesce((SELECT p.write_enabled FROM tenant_policies p
                      WHERE p.merchant_id = :merchant), true) AS is_open
      FROM wallets w
      JOIN customers c ON c.merchant_id = w.merchant_id AND c.id = w.customer_id
      JOIN customers o ON o.merchant_id = :store AND o.id = w.customer_id
      JOIN merchant_settings s ON s.merchant_id = w.merchant_id
     WHERE w.merchant_id = :merchant AND w.customer_id = :customer
       AND c.deleted_at IS NULL AND o.deleted_at IS NULL
       FOR UPDATE OF w FOR SHARE OF c, o
    """
)
_STORES_THAT_HOLD = text(
    "SELECT DISTINCT store_id FROM shared_holds"
    " WHERE merchant_id = :merchant AND customer_id = :customer ORDER BY store_id"
)
_IS_OPEN = text(
    "SELECT NOT EXISTS (SELECT FROM tenant_policies"
    " WHERE merchant_id = :merchant AND NOT write_enabled)"
)
_KNOWS = text(
    "SELECT EXISTS (SELECT FROM customers WHERE merchant_id = :merchant AND id = :customer)"
)


@dataclass(frozen=True, slots=True)
class SharedWallet:
    """A wallet that another store keeps, locked; and whether that store lets money be moved now."""

    wallet: LockedWallet
    own_currency: Currency  # of the store that acts
    is_open: bool


def lock_shared(
    session: Session, holder: str, store_id: str, customer_id: str
) -> SharedWallet | None:
    """As `lock`, for a wallet that `holder` keeps; None also when either store lacks the customer.

    The session sees both stores.
    """
    values = {"merchant": holder, "customer": customer_id, "store": store_id}
    row = session.execute(_LOCK_SHARED, values).first()
    if row is None:
        return None
    wallet = wallet_of(row, LockedWallet, holder, customer_id, store_id)
    return SharedWallet(wallet, Currency(row.own_currency), row.is_open)


def knows(session: Session, merchant_id: str, customer_id: str) -> bool:
    """Whether the merchant has, or had, a customer of this id."""
    return bool(session.scalar(_KNOWS, {"merchant": merchant_id, "customer": customer_id}))


def is_open(session: Session, merchant_id: str) -> bool:
    """Whether the merchant's policy lets its rows be written."""
    return bool(session.scalar(_IS_OPEN, {"merchant": merchant_id}))


def stores_that_hold(session: Session, keeper: str, customer_id: str) -> list[str]:
    values = {"merchant": keeper, "customer": customer_id}
    return list(session.scalars(_STORES_THAT_HOLD, values))
