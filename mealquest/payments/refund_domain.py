"""What a refund moves: how it is spread over what paid, and what is taken back.

Pure computation over minor units of one currency; no database. The rule is that of the wire
contract: in proportion, by largest remainder over the running total, ties to the earlier part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mealquest.payments.domain import GiftKind
from mealquest.tenancy.service import RefundPolicy
from mealquest.wallet.service import Deduction, LotUse


def share(whole: Sequence[int], given: Sequence[int], more: int) -> list[int]:
    """How `more` of a whole is spread over its parts, after `given` of each.

    All that is given so far, this share included, is as near to the proportion of the parts as
    whole units allow. No share is negative: where the largest remainder alone would take a unit
    back that a part has been given (the Alabama paradox), the part keeps it for now. The last
    share makes every part whole.
    """
    total, reached = sum(whole), sum(given) + more
    if not 0 <= more <= total - sum(given):
        raise ValueError("more than is left of the whole")
    if not more:
        return [0] * len(whole)
    # What each part may claim, in fractions of `total` of a minor unit.
    claims = [part * reached - had * total for part, had in zip(whole, given, strict=True)]
    shares = [max(0, claim // total) for claim in claims]
    rests = [claim - got * total for claim, got in zip(claims, shares, strict=True)]
    left = more - sum(shares)
    for index in sorted(range(len(whole)), key=lambda i: (-rests[i], i))[: max(0, left)]:
        shares[index] += 1
    while left < 0:
        index = min((i for i, got in enumerate(shares) if got), key=lambda i: (rests[i], -i))
        shares[index] -= 1
        rests[index] += total
        left += 1
    return shares


def proportion(whole: int, reached: int, total: int) -> int:
    """`whole * reached / total`, halves up; it never falls while `reached` rises."""
    return (2 * whole * reached + total) // (2 * total)


@dataclass(frozen=True, slots=True)
class Paid:
    """A settled payment: what paid it, and what of that has gone back."""

    parts: Deduction
    back: Deduction  # by part, all refunds together
    lots: Mapping[str, int] = field(default_factory=dict)  # which gave the bonus
    lots_back: Mapping[str, int] = field(default_factory=dict)

    @property
    def left(self) -> int:
        return self.parts.order - self.back.order


@dataclass(frozen=True, slots=True)
class FreeLot:
    """A bonus lot: what is free of it, and whether its time is over."""

    id: str
    free: int
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Gift:
    """Something the payment earned. `worth`: what the customer had of it; `claimed` so far.

    Fragments, of the kind `fragment`, are counted in pieces and are worth no money. A voucher that
    can still be used is `returnable`: it goes back itself, with the payment's last unit, and
    nothing is claimed for it.
    """

    id: str
    kind: GiftKind
    worth: int
    claimed: int = 0
    lot_id: str | None = None
    voucher_id: str | None = None
    fragment: str | None = None
    returnable: bool = False


@dataclass(frozen=True, slots=True)
class Purse:
    """What of the customer's wallet nothing holds; lots in the order they are taken in.

    `granted`: of the principal what campaigns gave and nobody has spent. `fragments`: pieces.
    """

    silver: int
    lots: tuple[FreeLot, ...]
    granted: int = 0
    fragments: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one refund does.

    Attributes (minor units):
        parts: the refund by the source that paid.
        lot_shares: the bonus part, by the lot that gave it.
        to_principal, to_lots, to_new_lot: where principal and bonus parts are credited.
        reclaimed: of the bonus that paid, what is taken back and not given back.
        target: what is to be taken back, `reclaimed` among it; `from_lots`, `from_silver`,
            `from_principal` and `receivable` sum to it.
        from_granted: of `from_principal` what a campaign had given; the rest comes off
            `to_principal`, so that what the customer paid in is never touched.
        claims: what each gift accounts for, by the gift's id; of fragments, pieces.
        fragments: pieces that are taken, by kind; what is missing of them is owed to nobody.
        withdrawn: vouchers earned by the payment that go back unused.
        is_last: nothing of the payment is left, and its own voucher may be used again.
    """

    parts: Deduction
    lot_shares: tuple[LotUse, ...]
    to_principal: int
    to_lots: tuple[LotUse, ...]
    to_new_lot: int
    reclaimed: int
    target: int
    from_lots: tuple[LotUse, ...]
    from_silver: int
    from_principal: int
    from_granted: int
    receivable: int
    claims: Mapping[str, int]
    fragments: Mapping[str, int]
    withdrawn: tuple[str, ...]
    is_last: bool

    @property
    def amount(self) -> int:
        return self.parts.order

    @property
    def from_bonus(self) -> int:
        return sum(use.minor for use in self.from_lots)


def plan(
    paid: Paid, purse: Purse, gifts: Sequence[Gift], policy: RefundPolicy, amount: int
) -> Plan:
    """What refunding `amount` (more than zero, at most what is left) moves."""
    parts = _parts(paid, amount)
    shares = _lot_shares(paid, parts.bonus)
    restores = policy is RefundPolicy.RESTORE
    to_lots = shares if restores else ()
    known = sum(use.minor for use in to_lots)
    to_new_lot = parts.bonus - known if restores else 0  # of payments older than their lots
    to_principal = parts.principal + (0 if restores else parts.bonus)
    is_last = amount == paid.left
    reached = paid.back.order + amount
    claims = {gift.id: _claim(gift, reached, paid.parts.order) for gift in gifts}
    claimed = sum(claims[gift.id] for gift in gifts if gift.kind is not GiftKind.FRAGMENT)
    taker = _Taker(
        _credited(purse, to_lots), purse.silver + parts.silver, purse.granted, to_principal
    )
    for gift in gifts:
        taker.take_back_itself(gift, claims[gift.id])
    reclaimed = 0 if restores else parts.bonus
    taker.take_anywhere(reclaimed)
    taker.take_anywhere(claimed - taker.itself)
    return Plan(
        parts=parts,
        lot_shares=shares,
        to_principal=to_principal,
        to_lots=to_lots,
        to_new_lot=to_new_lot,
        reclaimed=reclaimed,
        target=reclaimed + claimed,
        from_lots=tuple(LotUse(lot, minor) for lot, minor in taker.from_lots.items()),
        from_silver=taker.from_silver,
        from_principal=taker.from_granted + taker.from_new,
        from_granted=taker.from_granted,
        receivable=taker.missing,
        claims=claims,
        fragments=_pieces(purse, gifts, claims),
        withdrawn=_withdrawn(gifts) if is_last else (),
        is_last=is_last,
    )


def _parts(paid: Paid, amount: int) -> Deduction:
    return Deduction(*share(_in_order(paid.parts), _in_order(paid.back), amount))


def _in_order(parts: Deduction) -> tuple[int, ...]:
    return parts.voucher, parts.bonus, parts.principal, parts.silver, parts.external


def _lot_shares(paid: Paid, bonus: int) -> tuple[LotUse, ...]:
    """By lot, in the order of their ids; nothing for a payment that has not kept its lots."""
    lots = sorted(paid.lots)
    if sum(paid.lots.values()) != paid.parts.bonus:
        return ()
    given = [paid.lots_back.get(lot, 0) for lot in lots]
    minors = share([paid.lots[lot] for lot in lots], given, bonus)
    return tuple(LotUse(lot, minor) for lot, minor in zip(lots, minors, strict=True) if minor)


def _claim(gift: Gift, reached: int, order: int) -> int:
    if gift.returnable:
        return 0
    return max(0, proportion(gift.worth, reached, order) - gift.claimed)


def _pieces(purse: Purse, gifts: Sequence[Gift], claims: Mapping[str, int]) -> dict[str, int]:
    """By kind, no more than the customer has."""
    wanted: dict[str, int] = {}
    for gift in gifts:
        if gift.fragment:
            wanted[gift.fragment] = wanted.get(gift.fragment, 0) + claims[gift.id]
    taken = {kind: min(count, purse.fragments.get(kind, 0)) for kind, count in wanted.items()}
    return {kind: count for kind, count in taken.items() if count > 0}


def _withdrawn(gifts: Sequence[Gift]) -> tuple[str, ...]:
    return tuple(g.voucher_id for g in gifts if g.returnable and g.voucher_id)


def _credited(purse: Purse, to_lots: Sequence[LotUse]) -> list[FreeLot]:
    more = {use.lot_id: use.minor for use in to_lots}
    return [replace(lot, free=lot.free + more.get(lot.id, 0)) for lot in purse.lots]


@dataclass(slots=True)
class _Taker:
    """Takes back, never more than is free: the gift itself, then bonus, then new principal."""

    lots: list[FreeLot]
    silver: int
    granted: int  # principal that was a gift
    principal: int  # only what this refund credits
    from_lots: dict[str, int] = field(default_factory=dict)
    from_silver: int = 0
    from_granted: int = 0
    from_new: int = 0  # principal
    itself: int = 0  # taken from the very thing that was given
    missing: int = 0

    def take_back_itself(self, gift: Gift, claim: int) -> None:
        if gift.kind is GiftKind.SILVER:
            taken = min(claim, self.silver - self.from_silver)
            self.from_silver += taken
            self.itself += taken
        elif gift.kind is GiftKind.PRINCIPAL:
            taken = min(claim, self.granted - self.from_granted)
            self.from_granted += taken
            self.itself += taken
        elif gift.kind is GiftKind.BONUS:
            own = [lot for lot in self.lots if lot.id == gift.lot_id]
            self.itself += self._from(own, claim)

    def take_anywhere(self, minor: int) -> None:
        minor -= self._from(self.lots, minor)
        taken = min(minor, self.principal - self.from_new)
        self.from_new += taken
        self.missing += minor - taken

    def _from(self, lots: Sequence[FreeLot], minor: int) -> int:
        """Take out of lots whose time is not over; returns how much."""
        wanted = minor
        for lot in lots:
            taken = min(wanted, self._free(lot))
            if taken:
                self.from_lots[lot.id] = self.from_lots.get(lot.id, 0) + taken
                wanted -= taken
        return minor - wanted

    def _free(self, lot: FreeLot) -> int:
        return 0 if lot.expired else lot.free - self.from_lots.get(lot.id, 0)
