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

SHOWN = 100  # vouchers of one customer on a page
NOTHING = Balances(0, 0, 0)


@dataclass(frozen=True, slots=True)
class WalletRow:
    """The balance columns, minor units; bonus still holds expired lots not swept yet.

    `held` is the part of each balance that payments waiting for outside money have reserved.
    """

    merchant_id: str
    customer_id: str
    currency: Currency
    principal: int
    bonus: int
    silver: int
    held: Balances = NOTHING

    @property
    def free_principal(self) -> int:
        return self.principal - self.held.principal

    @property
    def free_silver(self) -> int:
        return self.silver - self.held.silver


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
        ON CONFLICT DO NOTHING
    """
)
_MOVE = text(
    """
    UPDATE wallets
       SET principal_minor = principal_minor + :principal, bonus_minor = bonus_minor + :bonus,
           silver_minor = silver_minor + :silver, currency = :currency
     WHERE merchant_id = :merchant AND customer_id = :customer
       AND principal_minor + :principal >= held_principal_minor
       AND bonus_minor + :bonus >= held_bonus_minor
       AND silver_minor + :silver >= held_silver_minor
    """
)


def lock(session: Session, merchant_id: str, customer_id: str) -> LockedWallet | None:
    """The wallet, locked until the transaction ends; None without one or without the customer."""
    return _wallet(session, _LOCK, LockedWallet, merchant_id, customer_id)


def lock_of_anybody(session: Session, merchant_id: str, customer_id: str) -> LockedWallet | None:
    """As `lock`, also for a customer who has left."""
    return _wallet(session, _LOCK_ALONE, LockedWallet, merchant_id, customer_id)


def read(session: Session, merchant_id: str, customer_id: str) -> WalletRow | None:
    """The balances without a lock, zeros when there is no wallet; None without the customer."""
    return _wallet(session, _READ, WalletRow, merchant_id, customer_id)


def read_of_anybody(session: Session, merchant_id: str, customer_id: str) -> WalletRow | None:
    """As `lock_of_anybody`, without the lock."""
    return _wallet(session, _READ_ALONE, WalletRow, merchant_id, customer_id)


def read_kept(session: Session, merchant_id: str, customer_id: str) -> WalletRow | None:
    """As `read`, also of a customer whom the owner erased."""
    return _wallet(session, _READ_KEPT, WalletRow, merchant_id, customer_id)


def create(session: Session, merchant_id: str, customer_id: str) -> None:
    """An empty wallet, unless there is one or there is no such customer."""
    session.execute(_CREATE, {"merchant": merchant_id, "customer": customer_id})


def move(
    session: Session, wallet: LockedWallet, *, principal: int = 0, bonus: int = 0, silver: int = 0
) -> None:
    """Add to the balances what is given, negative to take. BalancesDiffer: they hold less."""
    moved = changed(
        session,
        _MOVE,
        {
            "merchant": wallet.merchant_id,
            "customer": wallet.customer_id,
            "currency": wallet.currency.value,
            "principal": Int8(principal),
            "bonus": Int8(bonus),
            "silver": Int8(silver),
        },
    )
    if moved != 1:
        raise BalancesDiffer(f"wallet {wallet.customer_id} of {wallet.merchant_id}")


_PURSE = text(
    """
    SELECT 'lot' AS what, id, left_minor - held_minor AS minor, expires_at, NULL AS type,
           NULL AS name, NULL AS min_spend, NULL AS rate, NULL AS status
      FROM bonus_lots
     WHERE merchant_id = :merchant AND customer_id = :customer AND left_minor > 0
       AND left_minor > held_minor
     UNION ALL
    SELECT 'voucher', id, value_minor, expires_at, type, name, min_spend_minor, discount_rate,
           status
      FROM vouchers
     WHERE merchant_id = :merchant AND customer_id = :customer
       AND (status = 'ACTIVE' OR id = :wanted)
    """
)
_USE_LOTS = text(
    """
    UPDATE bonus_lots AS lot SET left_minor = lot.left_minor - used.minor
      FROM unnest(:lots, :minors) AS used (id, minor)
     WHERE lot.merchant_id = :merchant AND lot.customer_id = :customer AND lot.id = used.id
    """
).bindparams(
    bindparam("lots", type_=ARRAY(Text)),
    bindparam("minors", type_=ARRAY(BigInteger)),
)


def purse(session: Session, merchant_id: str, customer_id: str, wanted: str | None = None) -> Purse:
    """Lots with bonus left, active vouchers, and the voucher asked for whatever its status.

    For a payment, run it after the wallet's lock, never inside the locking statement: that one
    may wait, and its sub-selects would show lots and vouchers as they were before the wait.
    """
    rows = session.execute(
        _PURSE, {"merchant": merchant_id, "customer": customer_id, "wanted": wanted}
    ).all()
    return Purse(
        tuple(Lot(row.id, row.minor, row.expires_at) for row in rows if row.what == "lot"),
        tuple(_voucher(row) for row in rows if row.what == "voucher"),
    )


def use_lots(session: Session, wallet: LockedWallet, uses: Sequence[LotUse]) -> None:
    """Take out of each lot what is given. BalancesDiffer: one of them is not the customer's."""
    touched = changed(
        session,
        _USE_LOTS,
        {
            "merchant": wallet.merchant_id,
            "customer": wallet.customer_id,
            "lots": [use.lot_id for use in uses],
            "minors": [Int8(use.minor) for use in uses],
        },
    )
    if touched != len(uses):
        raise BalancesDiffer(f"lots of {wallet.customer_id} of {wallet.merchant_id}")


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


def vouchers(session: Session, merchant_id: str, customer_id: str) -> list[VoucherFacts]:
    """Active ones first, then those of the past; of each, the latest expiry first."""
    rows = session.scalars(
        select(Voucher)
        .where(Voucher.merchant_id == merchant_id, Voucher.customer_id == customer_id)
        .order_by(
            (Voucher.status == VoucherStatus.ACTIVE).desc(), Voucher.expires_at.desc(), Voucher.id
        )
        .limit(SHOWN)
    )
    return [facts_of(row) for row in rows]


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
    )


def _wallet(
    session: Session, statement: TextClause, kind: type[AnyRow], merchant_id: str, customer_id: str
) -> AnyRow | None:
    row = session.execute(statement, {"merchant": merchant_id, "customer": customer_id}).first()
    if row is None:
        return None
    held = Balances(principal=row[4], bonus=row[5], silver=row[6])
    return kind(merchant_id, customer_id, Currency(row[0]), row[1], row[2], row[3], held)


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
    )


def changed(session: Session, statement: TextClause, values: dict[str, Any]) -> int:
    """How many rows an UPDATE changed."""
    return cast("CursorResult[Any]", session.execute(statement, values)).rowcount
