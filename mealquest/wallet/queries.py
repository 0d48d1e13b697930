"""Statements on wallets, lots and vouchers, prepared once: the payment road runs them often.

They are SQL text so that a state in a partial index's condition stays a literal, which a plan
with parameters can still use. Whole numbers are sent as `Int8`, because the driver otherwise picks
a type by size, and every mix of sizes would be prepared as a statement of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from psycopg.types.numeric import Int8
from sqlalchemy import CursorResult, Row, TextClause, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger, Text

from mealquest.core.money import Currency
from mealquest.wallet.domain import Balances, Lot, LotUse, VoucherFacts, VoucherStatus, VoucherType
from mealquest.wallet.errors import BalancesDiffer
from mealquest.wallet.models import Voucher

NOTHING = Balances(0, 0, 0)


@dataclass(frozen=True, slots=True)
class WalletRow:
    """The balance columns, minor units; bonus still holds expired lots not swept yet.

    `merchant_id` keeps the wallet, its lots and vouchers; `store_id` is the store that acts. They
    differ where stores share wallets. `held` is the part of each balance that payments waiting for
    outside money have reserved. `in_alliance`: the store shares wallets with some other at present,
    as far as whoever read this has asked.
    """

    merchant_id: str
    customer_id: str
    store_id: str
    currency: Currency
    principal: int
    bonus: int
    silver: int
    held: Balances = NOTHING
    in_alliance: bool = False

    @property
    def free_principal(self) -> int:
        return self.principal - self.held.principal

    @property
    def free_silver(self) -> int:
        return self.silver - self.held.silver

    @property
    def is_shared(self) -> bool:
        """Whether another store keeps it than the one that acts."""
        return self.merchant_id != self.store_id


AnyRow = TypeVar("AnyRow", bound=WalletRow)


@dataclass(frozen=True, slots=True)
class LockedWallet(WalletRow):
    """Balances that nobody else changes until this transaction ends."""


@dataclass(frozen=True, slots=True)
class Purse:
    """What a customer may pay with besides the balances: lots with bonus left, and vouchers."""

    lots: tuple[Lot, ...]
    vouchers: tuple[VoucherFacts, ...]


# The currency is the merchant's: it can change only while no money has moved, so a wallet that
# was written under another one is empty. The customer's row is locked too, after the wallet's:
# otherwise somebody who left while this statement waited would still look present to it.
_LOCK = text(
    """
    SELECT s.currency, w.principal_minor, w.bonus_minor, w.silver_minor,
           w.held_principal_minor, w.held_bonus_minor, w.held_silver_minor
      FROM wallets w
      JOIN customers c ON c.merchant_id = w.merchant_id AND c.id = w.customer_id
      JOIN merchant_settings s ON s.merchant_id = w.merchant_id
     WHERE w.merchant_id = :merchant AND w.customer_id = :customer AND c.deleted_at IS NULL
       FOR UPDATE OF w FOR SHARE OF c
    """
)
_ALONE = """
    SELECT currency, principal_minor, bonus_minor, silver_minor,
           held_principal_minor, held_bonus_minor, held_silver_minor FROM wallets
     WHERE merchant_id = :merchant AND customer_id = :customer
"""
_READ_ALONE = text(_ALONE)
_LOCK_ALONE = text(_ALONE + " FOR UPDATE")
_READ = text(
    """
    SELECT s.currency, coalesce(w.principal_minor, 0), coalesce(w.bonus_minor, 0),
           coalesce(w.silver_minor, 0), coalesce(w.held_principal_minor, 0),
           coalesce(w.held_bonus_minor, 0), coalesce(w.held_silver_minor, 0)
      FROM customers c
      JOIN merchant_settings s ON s.merchant_id = c.merchant_id
      LEFT JOIN wallets w ON w.merchant_id = c.merchant_id AND w.customer_id = c.id
     WHERE c.merchant_id = :merchant AND c.id = :customer AND c.deleted_at IS NULL
    """
)
_READ_KEPT = text(_READ.text.replace("c.deleted_at IS NULL", "c.cancelled_at IS NULL"))
_CREATE = text(
    """
    INSERT INTO wallets (merchant_id, customer_id, currency)
    SELECT c.merchant_id, c.id, s.currency
      FROM customers c JOIN merchant_settings s ON s.merchant_id = c.merchant_id
     WHERE c.merchant_id = :merchant AND c.id = :customer AND c.deleted_at IS NULL
       FOR SHARE OF c
        ON CONFLICT DO NOTHING
    RETURNING currency, principal_minor, bonus_minor, silver_minor,
              held_principal_minor, held_bonus_minor, held_silver_minor
    """
)
_MOVE_BALANCES = """
    UPDATE wallets
       SET principal_minor = principal_minor + :principal, bonus_minor = bonus_minor + :bonus,
           silver_minor = silver_minor + :silver, currency = :currency
     WHERE merchant_id = :merchant AND customer_id = :customer
       AND principal_minor + :principal >= held_principal_minor
       AND bonus_minor + :bonus >= held_bonus_minor
       AND silver_minor + :silver >= held_silver_minor
"""
_MOVE = text(_MOVE_BALANCES)
_WITH_LOTS = """
    WITH lots AS (
        UPDATE bonus_lots AS lot SET left_minor = lot.left_minor - used.minor
          FROM unnest(:lots, :minors) AS used (id, minor)
         WHERE lot.merchant_id = :merchant AND lot.customer_id = :customer AND lot.id = used.id
        RETURNING lot.id),
    moved AS ({move} RETURNING customer_id)
    SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM lots)
"""
_MOVE_WITH_LOTS = text(_WITH_LOTS.format(move=_MOVE_BALANCES)).bindparams(
    bindparam("lots", type_=ARRAY(Text)),
    bindparam("minors", type_=ARRAY(BigInteger)),
)


def lock(session: Session, merchant_id: str, customer_id: str) -> LockedWallet | None:
    """The wallet, locked until the transaction ends; None without one or without the customer."""
    return _wallet(session, _LOCK, LockedWallet, merchant_id, customer_id)


def lock_of_anybody(
    session: Session, merchant_id: str, customer_id: str, store_id: str | None = None
) -> LockedWallet | None:
    """As `lock`, also for a customer who has left; `store_id` acts, by default the keeper."""
    return _wallet(session, _LOCK_ALONE, LockedWallet, merchant_id, customer_id, store_id)


def read(
    session: Session, merchant_id: str, customer_id: str, store_id: str | None = None
) -> WalletRow | None:
    """The balances without a lock, zeros when there is no wallet; None without the customer."""
    return _wallet(session, _READ, WalletRow, merchant_id, customer_id, store_id)


def read_of_anybody(
    session: Session, merchant_id: str, customer_id: str, store_id: str | None = None
) -> WalletRow | None:
    """As `lock_of_anybody`, without the lock."""
    return _wallet(session, _READ_ALONE, WalletRow, merchant_id, customer_id, store_id)


def read_kept(session: Session, merchant_id: str, customer_id: str) -> WalletRow | None:
    """As `read`, also of a customer whom the owner erased."""
    return _wallet(session, _READ_KEPT, WalletRow, merchant_id, customer_id)


def create(session: Session, merchant_id: str, customer_id: str) -> LockedWallet | None:
    """An empty wallet, as locked as by `lock`; None when there is one or no such customer."""
    return _wallet(session, _CREATE, LockedWallet, merchant_id, customer_id)


def move(
    session: Session,
    wallet: LockedWallet,
    *,
    principal: int = 0,
    bonus: int = 0,
    silver: int = 0,
    lots: Sequence[LotUse] = (),
) -> None:
    """Add to the balances what is given, negative to take; and take out of the lots what is given.

    BalancesDiffer: they hold less, or a lot is not the customer's.
    """
    values = {
        "merchant": wallet.merchant_id,
        "customer": wallet.customer_id,
        "currency": wallet.currency.value,
        "principal": Int8(principal),
        "bonus": Int8(bonus),
        "silver": Int8(silver),
    }
    if lots:
        used = {"lots": [use.lot_id for use in lots], "minors": [Int8(use.minor) for use in lots]}
        moved, touched = session.execute(_MOVE_WITH_LOTS, values | used).one()
    else:
        moved, touched = changed(session, _MOVE, values), 0
    if moved != 1 or touched != len(lots):
        raise BalancesDiffer(f"wallet {wallet.customer_id} of {wallet.merchant_id}")


_PURSE = text(
    """
    SELECT 'lot' AS what, id, left_minor - held_minor AS minor, expires_at, NULL AS type,
           NULL AS name, NULL AS min_spend, NULL AS rate, NULL AS status, NULL AS only_at
      FROM bonus_lots
     WHERE merchant_id = :merchant AND customer_id = :customer AND left_minor > 0
       AND left_minor > held_minor
     UNION ALL
    SELECT 'voucher', id, value_minor, expires_at, type, name, min_spend_minor, discount_rate,
           status, only_at
      FROM vouchers
     WHERE merchant_id = :merchant AND customer_id = :customer
       AND (status = 'ACTIVE' OR id = :wanted) AND (only_at IS NULL OR only_at = :store)
    """
)


def purse(
    session: Session,
    merchant_id: str,
    customer_id: str,
    wanted: str | None = None,
    *,
    at_store: str | None = None,
) -> Purse:
    """Lots with bonus left, active vouchers, and the voucher asked for whatever its status.

    `at_store`: where it is spent, if not at the store that keeps it; vouchers of other givers stay
    out of sight there.

    For a payment, run it after the wallet's lock, never inside the locking statement: that one
    may wait, and its sub-selects would show lots and vouchers as they were before the wait.
    """
    values = {"merchant": merchant_id, "customer": customer_id, "wanted": wanted}
    rows = session.execute(_PURSE, values | {"store": at_store or merchant_id}).all()
    return Purse(
        tuple(Lot(row.id, row.minor, row.expires_at) for row in rows if row.what == "lot"),
        tuple(_voucher(row) for row in rows if row.what == "voucher"),
    )


_USE_VOUCHER = text(
    """
    UPDATE vouchers SET status = 'USED', used_by = :used_by
     WHERE merchant_id = :merchant AND customer_id = :customer AND id = :id
       AND status = 'ACTIVE'
    """
)


def use_voucher(session: Session, wallet: LockedWallet, voucher_id: str, used_by: str) -> bool:
    """Mark it spent. False: it is not active any more."""
    found = {"merchant": wallet.merchant_id, "customer": wallet.customer_id, "id": voucher_id}
    return changed(session, _USE_VOUCHER, {**found, "used_by": used_by}) == 1


def voucher(session: Session, merchant_id: str, voucher_id: str) -> VoucherFacts:
    row = session.scalars(
        select(Voucher).where(Voucher.merchant_id == merchant_id, Voucher.id == voucher_id)
    ).one()
    return facts_of(row)


def facts_of(row: Voucher) -> VoucherFacts:
    return VoucherFacts(
        row.id,
        row.type,
        row.name,
        row.value_minor,
        row.min_spend_minor,
        row.discount_rate,
        row.status,
        row.expires_at,
        row.only_at,
    )


def _wallet(
    session: Session,
    statement: TextClause,
    kind: type[AnyRow],
    merchant_id: str,
    customer_id: str,
    store_id: str | None = None,
) -> AnyRow | None:
    row = session.execute(statement, {"merchant": merchant_id, "customer": customer_id}).first()
    return None if row is None else wallet_of(row, kind, merchant_id, customer_id, store_id)


def wallet_of(
    row: Any, kind: type[AnyRow], merchant_id: str, customer_id: str, store_id: str | None
) -> AnyRow:
    held = Balances(principal=row[4], bonus=row[5], silver=row[6])
    store = store_id or merchant_id
    return kind(merchant_id, customer_id, store, Currency(row[0]), row[1], row[2], row[3], held)


def _voucher(row: Row[Any]) -> VoucherFacts:
    return VoucherFacts(
        row.id,
        VoucherType(row.type),
        row.name,
        row.minor,
        row.min_spend,
        row.rate,
        VoucherStatus(row.status),
        row.expires_at,
        row.only_at,
    )


def changed(session: Session, statement: TextClause, values: dict[str, Any]) -> int:
    """How many rows an UPDATE changed."""
    return cast("CursorResult[Any]", session.execute(statement, values)).rowcount
