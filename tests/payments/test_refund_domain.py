"""What a refund moves, on the pure model: any payment, refunded in any slices and order.

`MQ_REFUND_CASES` says how many payments are made up; `make nightly` asks for 100,000.
"""

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mealquest.payments.domain import GiftKind
from mealquest.payments.refund_domain import FreeLot, Gift, Paid, Plan, Purse, plan, share
from mealquest.tenancy.domain import RefundPolicy
from mealquest.wallet.domain import Deduction

CASES = int(os.environ.get("MQ_REFUND_CASES", "2000"))
many = settings(
    max_examples=CASES,
    deadline=None,
    derandomize=CASES <= 2000,
    suppress_health_check=list(HealthCheck),
)
NOTHING = Deduction(0, 0, 0, 0, 0)
AMOUNT = st.one_of(st.just(0), st.integers(1, 30), st.integers(1, 100_000))


@dataclass
class World:
    """A customer's wallet, the shop's accounts, and one payment, as plain numbers."""

    paid: Paid
    principal: int
    silver: int
    lots: dict[str, int]
    gifts: list[Gift]
    granted: int = 0  # of the principal
    fragments: Counter[str] = field(default_factory=Counter)
    accounts: Counter[str] = field(default_factory=Counter)

    def purse(self) -> Purse:
        lots = tuple(FreeLot(name, free) for name, free in self.lots.items())
        return Purse(self.silver, lots, self.granted, self.fragments)

    def refund(self, policy: RefundPolicy, amount: int) -> Plan:
        done = plan(self.paid, self.purse(), self.gifts, policy, amount)
        self.principal += done.to_principal - done.from_principal
        self.granted -= done.from_granted
        self.fragments.subtract(done.fragments)
        self.silver += done.parts.silver - done.from_silver
        for use in done.to_lots:
            self.lots[use.lot_id] += use.minor
        for use in done.from_lots:
            self.lots[use.lot_id] -= use.minor
        self.accounts["sales"] -= done.amount
        self.accounts["vouchers"] += done.parts.voucher
        self.accounts["due_back"] += done.parts.external
        self.accounts["gifts"] += done.target
        self.accounts["owed"] -= done.receivable
        self.gifts = [replace(g, claimed=g.claimed + done.claims[g.id]) for g in self.gifts]
        back = [a + b for a, b in zip(flat(self.paid.back), flat(done.parts), strict=True)]
        lots_back = Counter(self.paid.lots_back)
        lots_back.update({use.lot_id: use.minor for use in done.lot_shares})
        self.paid = replace(self.paid, back=Deduction(*back), lots_back=lots_back)
        return done

    def everything(self) -> int:
        in_wallet = self.principal + self.silver + sum(self.lots.values())
        return in_wallet + self.accounts.total()

    def must_be_sound(self) -> None:
        pieces = self.fragments.values()
        assert min(self.principal, self.granted, self.silver, *self.lots.values(), *pieces, 0) == 0
        assert all(
            0 <= back <= part
            for back, part in zip(flat(self.paid.back), flat(self.paid.parts), strict=True)
        )


def flat(parts: Deduction) -> tuple[int, ...]:
    return parts.voucher, parts.bonus, parts.principal, parts.silver, parts.external


@st.composite
def worlds(draw, gifts: bool = False) -> World:
    """A wallet after a payment: two lots may have given the bonus, and all have something left."""
    from_lots = {"old": draw(AMOUNT), "new": draw(AMOUNT)}
    parts = [draw(AMOUNT), sum(from_lots.values()), *(draw(AMOUNT) for _ in range(3))]
    if not sum(parts):
        parts[2] = 1
    lots = {name: draw(AMOUNT) for name in from_lots}
    earned, paid_in, granted, pieces = [], draw(AMOUNT), 0, Counter()
    if gifts:
        lots["earned"] = draw(AMOUNT)
        granted = draw(AMOUNT)
        pieces.update({"spicy": draw(st.integers(0, 9))})
        worth = [draw(AMOUNT) for _ in range(5)]
        earned = [
            Gift("g1", GiftKind.BONUS, worth[0], lot_id="earned"),
            Gift("g2", GiftKind.SILVER, worth[1]),
            Gift("g3", GiftKind.VOUCHER, worth[2], voucher_id="v", returnable=draw(st.booleans())),
            Gift("g4", GiftKind.PRINCIPAL, worth[3]),
            Gift("g5", GiftKind.FRAGMENT, worth[4], fragment="spicy"),
            Gift("g6", GiftKind.FRAGMENT, 2, fragment="spicy"),
        ]
    paid = Paid(Deduction(*parts), NOTHING, from_lots)
    return World(paid, paid_in + granted, draw(AMOUNT), lots, earned, granted, pieces)


def slices(world: World, data: st.DataObject) -> list[int]:
    """How the whole payment goes back: one to six refunds, the sizes of which are anything."""
    left = world.paid.left
    cuts = data.draw(st.lists(st.integers(0, left), max_size=5))
    marks = sorted({0, left, *cuts})
    return [after - before for before, after in pairwise(marks)]


@many
@given(st.data())
def test_restore_in_any_slices_is_as_if_nothing_had_been_paid(data):
    world = data.draw(worlds())
    parts, before = world.paid.parts, world.everything()
    principal, silver, lots = world.principal, world.silver, dict(world.lots)
    for amount in slices(world, data):
        done = world.refund(RefundPolicy.RESTORE, amount)
        assert done.amount == amount
        assert (done.target, done.receivable, done.from_lots) == (0, 0, ())
        world.must_be_sound()
        assert world.everything() == before
    assert done.is_last
    assert world.paid.back == parts
    assert world.principal == principal + parts.principal
    assert world.silver == silver + parts.silver
    assert world.lots == {name: lots[name] + world.paid.lots[name] for name in lots}


@many
@given(st.data())
def test_clawback_in_any_slices_takes_back_the_bonus_part_and_no_more(data):
    world = data.draw(worlds())
    at_once = replace(world, lots=dict(world.lots), accounts=Counter())
    parts, before, bonus_left = world.paid.parts, world.everything(), sum(world.lots.values())
    for amount in slices(world, data):
        principal = world.principal
        done = world.refund(RefundPolicy.CLAWBACK, amount)
        assert done.amount == amount
        assert done.target == done.parts.bonus == done.from_bonus + done.from_principal
        assert (done.receivable, done.to_lots) == (0, ())
        assert world.principal >= principal
        world.must_be_sound()
        assert world.everything() == before
    assert world.paid.back == parts
    assert sum(world.lots.values()) == max(0, bonus_left - parts.bonus)
    at_once.refund(RefundPolicy.CLAWBACK, parts.order)
    assert (at_once.principal, at_once.silver) == (world.principal, world.silver)
    assert at_once.accounts == world.accounts


@many
@given(st.data())
def test_what_the_payment_earned_goes_back_in_proportion_or_is_owed(data):
    world = data.draw(worlds(gifts=True))
    before, pieces = world.everything(), world.fragments["spicy"]
    worth = {gift.id: 0 if gift.returnable else gift.worth for gift in world.gifts}
    for amount in slices(world, data):
        policy = data.draw(st.sampled_from(RefundPolicy))
        paid_in = world.principal - world.granted
        done = world.refund(policy, amount)
        clawed = done.parts.bonus if policy is RefundPolicy.CLAWBACK else 0
        money = [done.claims[gift.id] for gift in world.gifts if gift.fragment is None]
        assert done.target == clawed + sum(money)
        assert done.target == (
            done.from_bonus + done.from_silver + done.from_principal + done.receivable
        )
        assert 0 <= done.from_principal - done.from_granted <= done.to_principal
        assert 0 <= done.from_granted <= done.claims["g4"]
        assert world.principal - world.granted >= paid_in  # money of the customer's own
        assert bool(done.withdrawn) == (done.is_last and world.gifts[2].returnable)
        if done.receivable:  # nothing that could have been taken was left
            assert sum(world.lots.values()) == 0
            assert done.from_principal - done.from_granted == done.to_principal
            assert world.granted == 0 or done.from_granted == done.claims["g4"]
        world.must_be_sound()
        assert world.everything() == before
    assert {gift.id: gift.claimed for gift in world.gifts} == worth
    assert world.fragments["spicy"] == max(0, pieces - worth["g5"] - worth["g6"])


@many
@given(st.lists(st.integers(0, 60), min_size=2, max_size=6).filter(sum), st.data())
def test_a_share_is_never_negative_and_never_far_from_the_proportion(whole, data):
    given_, total = [0] * len(whole), sum(whole)
    cuts = data.draw(st.lists(st.integers(0, total), max_size=8))
    for before, after in pairwise(sorted({0, total, *cuts})):
        more = after - before
        shares = share(whole, given_, more)
        assert sum(shares) == more
        assert min(shares) >= 0
        given_ = [had + got for had, got in zip(given_, shares, strict=True)]
        reached = sum(given_)
        for part, had in zip(whole, given_, strict=True):
            assert abs(had * total - part * reached) < 2 * total
    assert given_ == whole


def test_where_the_largest_remainder_would_take_a_unit_back_nobody_loses_it():
    assert share((6, 6, 2), (0, 0, 0), 10) == [4, 4, 2]
    assert share((6, 6, 2), (4, 4, 2), 1) == [1, 0, 0]  # the remainders alone: 5, 5, 1
    assert share((6, 6, 2), (5, 4, 2), 3) == [1, 2, 0]


def test_ties_go_to_the_earlier_part():
    assert share((1, 1, 1, 1, 1), (0, 0, 0, 0, 0), 2) == [1, 1, 0, 0, 0]


@pytest.mark.parametrize("more", [-1, 11])
def test_more_than_is_left_is_refused(more):
    with pytest.raises(ValueError, match="more than is left"):
        share((4, 6), (0, 0), more)
