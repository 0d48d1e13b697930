"""The smart deduction against every way an order could be split, and the contract's examples."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product
from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mealquest.wallet.domain import (
    NO_VOUCHER,
    Deduction,
    Lot,
    LotUse,
    VoucherFacts,
    VoucherStatus,
    VoucherType,
    VoucherVerdict,
    checkout,
    use_lots,
)
from mealquest.wallet.errors import VoucherNotFound, VoucherNotUsable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
FIXED = settings(deadline=None, derandomize=True, max_examples=1_500)


def voucher(
    id_: str = "v",
    *,
    kind: VoucherType = VoucherType.ITEM_WARRANT,
    value: int = 0,
    min_spend: int = 0,
    rate: str | None = None,
    status: VoucherStatus = VoucherStatus.ACTIVE,
    expires_at: datetime = NOW + timedelta(hours=1),
) -> VoucherFacts:
    discount = Decimal(rate) if rate else None
    return VoucherFacts(id_, kind, id_, value, min_spend, discount, status, expires_at)


def card(rate: str, id_: str = "card", **options) -> VoucherFacts:
    return voucher(id_, kind=VoucherType.DISCOUNT_CARD, rate=rate, **options)


# --- an independent reading of the rules: try everything, keep the best ---------------------


@dataclass(frozen=True)
class Split:
    voucher: VoucherFacts | None
    off: int
    from_lots: tuple[int, ...]  # beside the lots given
    principal: int
    silver: int
    external: int


def takes_off(order: int, facts: VoucherFacts) -> int:
    if facts.type is VoucherType.DISCOUNT_CARD:
        return floor(order * (1 - Fraction(facts.discount_rate)) + Fraction(1, 2))
    return min(order, facts.value_minor)


def usable(order: int, facts: VoucherFacts) -> bool:
    return (
        facts.status is VoucherStatus.ACTIVE
        and facts.expires_at > NOW
        and order >= facts.min_spend_minor
        and takes_off(order, facts) > 0
    )


def every_split(order: int, principal: int, silver: int, lots: list[Lot], vouchers) -> list[Split]:
    rooms = [
        lot.left_minor if lot.expires_at is None or lot.expires_at > NOW else 0 for lot in lots
    ]
    found = []
    for chosen in [None, *(v for v in vouchers if usable(order, v))]:
        off = takes_off(order, chosen) if chosen else 0
        for taken in product(*(range(room + 1) for room in rooms)):
            for paid, change in product(range(principal + 1), range(silver + 1)):
                external = order - off - sum(taken) - paid - change
                if external >= 0:
                    found.append(Split(chosen, off, taken, paid, change, external))
    return found


def preference(split: Split, lots: list[Lot]) -> tuple:
    """Larger is better: the voucher soonest to expire, then bonus, principal, silver; old lots."""
    chosen = split.voucher
    by_voucher = (
        (True, NOW - chosen.expires_at, chosen.value_minor, [-ord(c) for c in chosen.id])
        if chosen
        else (False,)
    )
    never = NOW + timedelta(days=9999)
    soonest = sorted(range(len(lots)), key=lambda i: (lots[i].expires_at or never, lots[i].id))
    drained = tuple(split.from_lots[i] for i in soonest)
    return by_voucher, sum(split.from_lots), split.principal, split.silver, drained


MOMENTS = st.sampled_from([NOW - timedelta(days=1), NOW, NOW + TICK, NOW + timedelta(days=2)])
LOTS = st.lists(st.tuples(st.integers(1, 3), MOMENTS | st.none()), max_size=2).map(
    lambda rows: [Lot(f"lot{i}", left, at) for i, (left, at) in enumerate(rows)]
)
VOUCHERS = st.lists(
    st.one_of(
        st.builds(
            voucher,
            value=st.integers(0, 5),
            min_spend=st.integers(0, 6),
            status=st.sampled_from(VoucherStatus),
            expires_at=MOMENTS,
        ),
        st.builds(
            card,
            st.sampled_from(["0.5", "0.75", "0.9", "0.9999"]),
            min_spend=st.integers(0, 6),
            expires_at=MOMENTS,
        ),
    ),
    max_size=3,
).map(lambda rows: [_renamed(row, f"v{i}") for i, row in enumerate(rows)])


def _renamed(facts: VoucherFacts, id_: str) -> VoucherFacts:
    return voucher(
        id_,
        kind=facts.type,
        value=facts.value_minor,
        min_spend=facts.min_spend_minor,
        rate=str(facts.discount_rate) if facts.discount_rate else None,
        status=facts.status,
        expires_at=facts.expires_at,
    )


@FIXED
@given(st.integers(1, 9), st.integers(0, 3), st.integers(0, 3), LOTS, VOUCHERS)
def test_the_checkout_is_the_best_of_all_possible_splits(order, principal, silver, lots, vouchers):
    best = max(
        every_split(order, principal, silver, lots, vouchers), key=lambda s: preference(s, lots)
    )

    found = checkout(
        order, principal=principal, silver=silver, lots=lots, vouchers=vouchers, now=NOW
    )

    bonus = sum(best.from_lots)
    assert found.voucher == best.voucher
    assert found.deduction == Deduction(best.off, bonus, best.principal, best.silver, best.external)
    taken = dict(zip((lot.id for lot in lots), best.from_lots, strict=True))
    assert {use.lot_id: use.minor for use in found.lots} == {k: v for k, v in taken.items() if v}


@FIXED
@given(
    st.integers(1, 10**10),
    st.integers(0, 10**10),
    st.integers(0, 10**10),
    st.lists(st.integers(0, 10**9), max_size=5),
    st.lists(st.integers(0, 10**9), max_size=4),
    st.sampled_from([None, NO_VOUCHER]),
)
def test_parts_sum_to_the_order_and_nothing_goes_below_zero(
    order, principal, silver, left, values, wanted
):
    lots = [Lot(f"l{i}", minor, NOW + i * TICK) for i, minor in enumerate(left)]
    vouchers = [voucher(f"v{i}", value=value) for i, value in enumerate(values)]

    found = checkout(
        order,
        principal=principal,
        silver=silver,
        lots=lots,
        vouchers=vouchers,
        now=NOW,
        wanted=wanted,
    )

    parts, rest = found.deduction, found.remaining
    assert parts.order == order
    assert min(parts.voucher, parts.bonus, parts.principal, parts.silver, parts.external) >= 0
    assert min(rest.principal, rest.bonus, rest.silver) >= 0
    assert rest.principal + parts.principal == principal
    assert rest.silver + parts.silver == silver
    assert rest.bonus + parts.bonus == sum(lot.left_minor for lot in lots if lot.expires_at > NOW)
    assert sum(use.minor for use in found.lots) == parts.bonus
    assert sum(o.verdict is VoucherVerdict.CHOSEN for o in found.options) == bool(found.voucher)
    if wanted == NO_VOUCHER:
        assert found.voucher is None


@FIXED
@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(-3, 5) | st.none()), max_size=6),
    st.integers(1, 200),
)
def test_a_lot_is_touched_only_when_all_that_expire_sooner_are_empty(rows, order):
    lots = [
        Lot(f"l{i}", left, None if day is None else NOW + timedelta(days=day))
        for i, (left, day) in enumerate(rows)
    ]
    found = checkout(order, principal=0, silver=0, lots=lots, vouchers=[], now=NOW)
    used = {use.lot_id: use.minor for use in found.lots}
    never = NOW + timedelta(days=9999)
    for lot in lots:
        if lot.expires_at is not None and lot.expires_at <= NOW:
            assert lot.id not in used
        elif lot.id in used:
            sooner = [
                other
                for other in lots
                if NOW < (other.expires_at or never) < (lot.expires_at or never)
            ]
            assert all(used.get(other.id) == other.left_minor for other in sooner)


@FIXED
@given(st.integers(1, 10**10), st.decimals("0.0001", "0.9999", places=4))
def test_a_discount_card_rounds_half_up(order, rate):
    facts = card(str(rate))
    assert facts.worth(order) == floor(order * (1 - Fraction(rate)) + Fraction(1, 2))
    assert 0 <= facts.worth(order) <= order


@pytest.mark.parametrize(
    ("order", "rate", "off"), [(5, "0.9", 1), (4, "0.9", 0), (15, "0.9", 2), (5200, "0.88", 624)]
)
def test_discount_examples(order, rate, off):
    assert card(rate).worth(order) == off


# --- the contract's customer: 120/36/88, 18 that expires soon and 30 from 20 on --------------

SOON = voucher("voucher_soon", value=1800)
BIG = voucher("voucher_big", value=3000, min_spend=2000, expires_at=NOW + timedelta(days=3))


def pay(order: int, wanted: str | None = None, vouchers=(SOON, BIG)):
    return checkout(
        order,
        principal=12_000,
        silver=8_800,
        lots=[Lot("lot", 3_600, None)],
        vouchers=vouchers,
        now=NOW,
        wanted=wanted,
    )


@pytest.mark.parametrize(
    ("order", "parts", "left"),
    [
        (5_200, Deduction(1_800, 3_400, 0, 0, 0), (12_000, 200, 8_800)),
        (4_100, Deduction(1_800, 2_300, 0, 0, 0), (12_000, 1_300, 8_800)),
        (50_000, Deduction(1_800, 3_600, 12_000, 8_800, 23_800), (0, 0, 0)),
    ],
)
def test_contract_examples(order, parts, left):
    found = pay(order)
    assert found.voucher == SOON
    assert found.deduction == parts
    assert (found.remaining.principal, found.remaining.bonus, found.remaining.silver) == left


def test_the_voucher_asked_for_is_taken_instead():
    assert pay(5_200, "voucher_big").deduction == Deduction(3_000, 2_200, 0, 0, 0)


def test_no_voucher_is_taken_when_none_is_wanted():
    found = pay(5_200, NO_VOUCHER)
    assert found.deduction == Deduction(0, 3_600, 1_600, 0, 0)
    assert [o.verdict for o in found.options] == [VoucherVerdict.ELIGIBLE] * 2


def test_the_options_say_why_a_voucher_is_not_used():
    found = pay(1_000)
    assert [(o.voucher.id, o.verdict, o.worth_minor) for o in found.options] == [
        ("voucher_soon", VoucherVerdict.CHOSEN, 1_000),
        ("voucher_big", VoucherVerdict.BELOW_MIN_SPEND, 1_000),
    ]
    assert SOON.forfeits(1_000) == 800
    assert SOON.forfeits(5_200) == card("0.5").forfeits(1) == 0


def test_of_two_that_expire_together_the_larger_value_goes_first():
    small, large = voucher("a", value=5), voucher("b", value=9)
    assert pay(100, vouchers=(small, large)).voucher == large


def test_a_voucher_that_takes_nothing_off_is_not_burnt():
    worthless = voucher("zero", value=0)
    assert pay(100, vouchers=(worthless,)).voucher is None


@pytest.mark.parametrize(("left", "alive"), [(timedelta(0), False), (TICK, True), (-TICK, False)])
def test_what_expires_now_is_expired(left, alive):
    found = checkout(
        100,
        principal=0,
        silver=0,
        lots=[Lot("l", 30, NOW + left)],
        vouchers=[voucher(value=50, expires_at=NOW + left)],
        now=NOW,
    )
    assert found.deduction == (Deduction(50, 30, 0, 0, 20) if alive else Deduction(0, 0, 0, 0, 100))
    expected = VoucherVerdict.CHOSEN if alive else VoucherVerdict.EXPIRED
    assert found.options[0].verdict is expected
    shown = found.options[0].voucher.status_at(NOW)
    assert shown is (VoucherStatus.ACTIVE if alive else VoucherStatus.EXPIRED)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (voucher(value=5, expires_at=NOW), "it has expired"),
        (voucher(value=5, status=VoucherStatus.EXPIRED), "it has expired"),
        (voucher(value=5, status=VoucherStatus.USED), "it was used before"),
        (voucher(value=5, min_spend=101), "the order is below its minimum spend"),
        (voucher(value=0), "it takes nothing off this order"),
    ],
)
def test_a_voucher_that_cannot_be_used_says_why(facts, words):
    with pytest.raises(VoucherNotUsable, match=f"^voucher cannot be used: {words}$"):
        pay(100, "v", vouchers=(facts,))


def test_a_voucher_the_customer_does_not_have_is_not_found():
    with pytest.raises(VoucherNotFound, match=r"^voucher not found$"):
        pay(100, "somebody_elses")


@pytest.mark.parametrize("order", [0, -1])
def test_an_order_of_nothing_is_refused(order):
    with pytest.raises(ValueError, match="more than zero"):
        pay(order)


def test_lots_are_used_in_the_order_given_and_never_beyond():
    lots = [Lot("a", 2, None), Lot("empty", 0, None), Lot("b", 5, None)]
    assert use_lots(lots, 4) == (LotUse("a", 2), LotUse("b", 2))
    assert use_lots(lots, 0) == ()
    with pytest.raises(ValueError, match="less than asked"):
        use_lots(lots, 8)
