"""Put right what no sum depends on: parts of a wallet that are held for nobody."""

from collections.abc import Mapping

from psycopg.types.numeric import Int8
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger, Text

from mealquest.wallet.queries import LockedWallet

_WALLET = text(
    """
    UPDATE wallets
       SET held_principal_minor = :principal, held_bonus_minor = :bonus,
           held_silver_minor = :silver
     WHERE merchant_id = :merchant AND customer_id = :customer
    """
)
_LOTS = text(
    """
    UPDATE bonus_lots AS lot
       SET held_minor = coalesce((SELECT h.minor FROM unnest(:lots, :minors) AS h (id, minor)
                                   WHERE h.id = lot.id), 0)
     WHERE lot.merchant_id = :merchant AND lot.customer_id = :customer
    """
).bindparams(
    bindparam("lots", type_=ARRAY(Text)),
    bindparam("minors", type_=ARRAY(BigInteger)),
)
_VOUCHER = text(
    """
    UPDATE vouchers SET status = 'ACTIVE', used_by = NULL
     WHERE merchant_id = :merchant AND id = :id AND status = 'HELD'
    """
)


def set_held(
    session: Session, wallet: LockedWallet, *, principal: int, silver: int, lots: Mapping[str, int]
) -> None:
    """Hold exactly this, minor units; the bonus is the sum of what is held of its lots.

    The database refuses to hold more than there is.
    """
    mine = {"merchant": wallet.merchant_id, "customer": wallet.customer_id}
    values = {
        "principal": Int8(principal),
        "bonus": Int8(sum(lots.values())),
        "silver": Int8(silver),
    }
    session.execute(_WALLET, mine | values)
    minors = [Int8(minor) for minor in lots.values()]
    session.execute(_LOTS, {**mine, "lots": list(lots), "minors": minors})


def free_voucher(session: Session, merchant_id: str, voucher_id: str) -> None:
    """Let go a held voucher; whoever calls knows that nobody waits for it."""
    session.execute(_VOUCHER, {"merchant": merchant_id, "id": voucher_id})
