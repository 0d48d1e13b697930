"""What became of vouchers and bonus that somebody gave, for whoever asks if they were used."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, not_, or_, select
from sqlalchemy.orm import Session

from mealquest.wallet.domain import VoucherStatus
from mealquest.wallet.forms import VoucherState
from mealquest.wallet.models import BonusLot, EntryKind, LedgerEntry, Voucher

_STALE = and_(Voucher.status == VoucherStatus.ACTIVE, Voucher.expires_at <= func.now())
_FATE = {
    VoucherStatus.ACTIVE: "live",
    VoucherStatus.HELD: "held",
    VoucherStatus.USED: "used",
    VoucherStatus.EXPIRED: "expired",
    VoucherStatus.WITHDRAWN: "withdrawn",
}


@dataclass(frozen=True, slots=True)
class VoucherFates:
    """How many vouchers there are of each state; they sum to `given`. One past its expiry counts
    as expired at once."""

    live: int = 0
    held: int = 0
    used: int = 0
    expired: int = 0
    withdrawn: int = 0

    @property
    def given(self) -> int:
        return self.live + self.held + self.used + self.expired + self.withdrawn


def voucher_fates(session: Session, keepers: Sequence[str], givers: Select[Any]) -> VoucherFates:
    """Of the vouchers that these granted; `givers` selects one column, `Voucher.granted_by`.

    `keepers`: whose wallets they may lie in, by `sharing.keepers`.
    """
    who = givers.subquery("givers")
    (giver,) = who.c
    of_them = and_(Voucher.merchant_id.in_(keepers), Voucher.granted_by == giver)
    rows = session.execute(
        select(Voucher.status, _STALE, func.count())
        .join(who, of_them)
        .group_by(Voucher.status, _STALE)
    )
    found = dict.fromkeys(VoucherFates.__slots__, 0)
    for status, stale, count in rows:
        found[_FATE[VoucherStatus.EXPIRED if stale else status]] += count
    return VoucherFates(**found)


def gave_voucher(
    keepers: Sequence[str], giver: ColumnElement[str], state: VoucherState
) -> ColumnElement[bool]:
    """The condition that `giver`, the id of a hit, gave a voucher which is in this state now."""
    mine = exists().where(Voucher.merchant_id.in_(keepers), Voucher.granted_by == giver)
    if state is VoucherState.ALL:
        return mine
    if state is VoucherState.EXPIRED:
        return mine.where(or_(Voucher.status == VoucherStatus.EXPIRED, _STALE))
    return mine.where(Voucher.status == VoucherStatus(state.value), not_(_STALE))


def bonus_left(
    session: Session, merchant_id: str, keepers: Sequence[str], hits: Select[Any]
) -> int:
    """What is left, minor units, of the bonus that hits of campaigns gave and can still be spent.

    `hits` selects the id of a hit and its customer, whose lots with something in them are read.
    """
    who = hits.subquery("hits")
    hit_id, customer_id = who.c
    entry = and_(
        LedgerEntry.merchant_id == merchant_id,
        LedgerEntry.kind == EntryKind.CAMPAIGN_GRANT,
        LedgerEntry.reference == hit_id,
    )
    lot = and_(
        BonusLot.merchant_id.in_(keepers),
        BonusLot.customer_id == customer_id,
        BonusLot.granted_by == LedgerEntry.id,
        BonusLot.left_minor > 0,
        or_(BonusLot.expires_at.is_(None), BonusLot.expires_at > func.now()),
    )
    found = select(func.coalesce(func.sum(BonusLot.left_minor), 0)).select_from(who)
    return int(session.execute(found.join(LedgerEntry, entry).join(BonusLot, lot)).scalar_one())
