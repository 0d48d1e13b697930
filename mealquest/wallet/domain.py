"""Smart deduction: which voucher, how much bonus, principal and change pay an order.

Pure computation over minor units of one currency; no database. The order of the sources is
voucher, bonus, principal, silver (change), and what is left must be paid outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final

from mealquest.wallet.errors import VoucherNotFound, VoucherNotUsable

NO_VOUCHER: Final = "NONE"


class VoucherType(StrEnum):
    ITEM_WARRANT = "ITEM_WARRANT"
    NO_THRESHOLD_VOUCHER = "NO_THRESHOLD_VOUCHER"
    DISCOUNT_CARD = "DISCOUNT_CARD"


class VoucherStatus(StrEnum):
    ACTIVE = "ACTIVE"  # may be spent until it expires
    HELD = "HELD"  # kept for the payment `used_by`, which waits for money from outside
    USED = "USED"  # spent by `used_by`
    EXPIRED = "EXPIRED"  # set by a job; eligibility itself goes by the clock
    WITHDRAWN = "WITHDRAWN"  # taken back: what earned it was refunded, or its customer left


class VoucherVerdict(StrEnum):
    """What the counter tells about a voucher for one order."""

    CHOSEN = "CHOSEN"
    ELIGIBLE = "ELIGIBLE"  # would apply; another one is used
    EXPIRED = "EXPIRED"
    HELD = "HELD"  # by another payment, which waits for money from outside
    NOT_ACTIVE = "NOT_ACTIVE"
    BELOW_MIN_SPEND = "BELOW_MIN_SPEND"
    WORTH_NOTHING = "WORTH_NOTHING"  # it would take nothing off this order


REFUSALS: Final = {
    VoucherVerdict.EXPIRED: "it has expired",
    VoucherVerdict.HELD: "another payment holds it",
    VoucherVerdict.NOT_ACTIVE: "it was used before",
    VoucherVerdict.BELOW_MIN_SPEND: "the order is below its minimum spend",
    VoucherVerdict.WORTH_NOTHING: "it takes nothing off this order",
}


@dataclass(frozen=True, slots=True)
class VoucherFacts:
    id: str
    type: VoucherType
    name: str
    value_minor: int
    min_spend_minor: int
    discount_rate: Decimal | None
    status: VoucherStatus
    expires_at: datetime
    only_at: str | None = None  # the one store that takes it; None: every store that sees it

    def worth(self, order_minor: int) -> int:
        """What it takes off an order, at most the order itself."""
        if self.type is not VoucherType.DISCOUNT_CARD:
            return min(order_minor, self.value_minor)
        off = Decimal(order_minor) * (1 - (self.discount_rate or Decimal(1)))
        return int(off.quantize(Decimal(1), rounding=ROUND_HALF_UP))

    def forfeits(self, order_minor: int) -> int:
        """What of its value is lost because the order is smaller."""
        if self.type is VoucherType.DISCOUNT_CARD:
            return 0
        return max(0, self.value_minor - order_minor)

    def is_usable(self, now: datetime) -> bool:
        return self.status is VoucherStatus.ACTIVE and self.expires_at > now

    def status_at(self, now: datetime) -> VoucherStatus:
        """The status to show: an active voucher past its expiry does not wait for the job."""
        if self.status is VoucherStatus.ACTIVE and self.expires_at <= now:
            return VoucherStatus.EXPIRED
        return self.status


@dataclass(frozen=True, slots=True)
class VoucherOption:
    voucher: VoucherFacts
    verdict: VoucherVerdict
    worth_minor: int


@dataclass(frozen=True, slots=True)
class Lot:
    id: str
    left_minor: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class LotUse:
    lot_id: str
    minor: int


@dataclass(frozen=True, slots=True)
class Balances:
    """Minor units by bucket: what can be spent now, what is held, or what is shown."""

    principal: int
    bonus: int
    silver: int


@dataclass(frozen=True, slots=True)
class Deduction:
    voucher: int
    bonus: int
    principal: int
    silver: int
    external: int

    @property
    def order(self) -> int:
        return self.voucher + self.bonus + self.principal + self.silver + self.external


@dataclass(frozen=True, slots=True)
class Checkout:
    order_minor: int
    deduction: Deduction
    voucher: VoucherFacts | None
    options: tuple[VoucherOption, ...]
    lots: tuple[LotUse, ...]
    remaining: Balances


def checkout(
    order_minor: int,
    *,
    principal: int,
    silver: int,
    lots: Sequence[Lot],
    vouchers: Sequence[VoucherFacts],
    now: datetime,
    wanted: str | None = None,
) -> Checkout:
    """Split an order over its sources.

    Args (minor units):
        order_minor: more than zero.
        wanted: a voucher id, `"NONE"` to keep all vouchers, None for the rule: the eligible
            voucher that expires soonest, the larger value first when two expire together.

    Raises:
        VoucherNotFound: `wanted` names no voucher of this customer.
        VoucherNotUsable: it names one that does not apply to this order.
    """
    if order_minor <= 0:
        raise ValueError("an order must be more than zero")
    chosen = _choose(order_minor, vouchers, now, wanted)
    voucher = chosen.worth(order_minor) if chosen else 0
    usable = spendable(lots, now)
    available = Balances(principal, sum(lot.left_minor for lot in usable), silver)
    left = order_minor - voucher
    bonus = min(left, available.bonus)
    from_principal = min(left - bonus, principal)
    from_silver = min(left - bonus - from_principal, silver)
    external = left - bonus - from_principal - from_silver
    return Checkout(
        order_minor,
        Deduction(voucher, bonus, from_principal, from_silver, external),
        chosen,
        _options(order_minor, vouchers, now, chosen),
        use_lots(usable, bonus),
        Balances(principal - from_principal, available.bonus - bonus, silver - from_silver),
    )


def spendable(lots: Sequence[Lot], now: datetime) -> list[Lot]:
    """Lots that have not expired, soonest expiry first, those without one last."""
    alive = [lot for lot in lots if lot.expires_at is None or lot.expires_at > now]
    return sorted(alive, key=lambda lot: (lot.expires_at is None, lot.expires_at or now, lot.id))


def use_lots(lots: Sequence[Lot], minor: int) -> tuple[LotUse, ...]:
    """Take `minor` out of the lots in the order given; they must hold as much."""
    uses = []
    for lot in lots:
        if minor == 0:
            break
        if take := min(lot.left_minor, minor):
            uses.append(LotUse(lot.id, take))
            minor -= take
    if minor:
        raise ValueError("the lots hold less than asked for")
    return tuple(uses)


def _verdict(order_minor: int, voucher: VoucherFacts, now: datetime) -> VoucherVerdict:
    status = voucher.status_at(now)
    if status is VoucherStatus.EXPIRED:
        return VoucherVerdict.EXPIRED
    if status is VoucherStatus.HELD:
        return VoucherVerdict.HELD
    if status is not VoucherStatus.ACTIVE:
        return VoucherVerdict.NOT_ACTIVE
    if order_minor < voucher.min_spend_minor:
        return VoucherVerdict.BELOW_MIN_SPEND
    if voucher.worth(order_minor) == 0:
        return VoucherVerdict.WORTH_NOTHING
    return VoucherVerdict.ELIGIBLE


def _choose(
    order_minor: int, vouchers: Sequence[VoucherFacts], now: datetime, wanted: str | None
) -> VoucherFacts | None:
    if wanted == NO_VOUCHER:
        return None
    if wanted is not None:
        return _wanted(order_minor, vouchers, now, wanted)
    eligible = [v for v in vouchers if _verdict(order_minor, v, now) is VoucherVerdict.ELIGIBLE]
    return min(eligible, key=lambda v: (v.expires_at, -v.value_minor, v.id), default=None)


def _wanted(
    order_minor: int, vouchers: Sequence[VoucherFacts], now: datetime, wanted: str
) -> VoucherFacts:
    for voucher in vouchers:
        if voucher.id == wanted:
            verdict = _verdict(order_minor, voucher, now)
            if verdict is VoucherVerdict.ELIGIBLE:
                return voucher
            raise VoucherNotUsable(REFUSALS[verdict])
    raise VoucherNotFound


def _options(
    order_minor: int,
    vouchers: Sequence[VoucherFacts],
    now: datetime,
    chosen: VoucherFacts | None,
) -> tuple[VoucherOption, ...]:
    def verdict(voucher: VoucherFacts) -> VoucherVerdict:
        if chosen and voucher.id == chosen.id:
            return VoucherVerdict.CHOSEN
        return _verdict(order_minor, voucher, now)

    return tuple(
        VoucherOption(voucher, verdict(voucher), voucher.worth(order_minor))
        for voucher in sorted(vouchers, key=lambda v: (v.expires_at, -v.value_minor, v.id))
    )
