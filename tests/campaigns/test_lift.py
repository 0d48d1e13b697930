"""What a campaign did, told from a lot: known values, and draws with and without an effect."""

import random
from statistics import fmean, variance

import pytest

from mealquest.campaigns.lift import (
    LEAST,
    LiftVerdict,
    Side,
    compare,
    of_means,
    of_shares,
    t_quantile,
    wilson,
)


@pytest.mark.parametrize(
    ("freedom", "known"), [(5, 2.57058), (10, 2.22814), (29, 2.04523), (60, 2.0003), (1e9, 1.95996)]
)
def test_students_t_is_as_in_the_tables(freedom, known) -> None:
    assert t_quantile(freedom) == pytest.approx(known, abs=0.0005)


def test_the_intervals_are_as_in_the_literature() -> None:
    low, high = wilson(81, 263)  # Newcombe 1998, table I
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    found = of_shares(Side(70, came_back=56), Side(80, came_back=48))
    assert (round(found.value, 4), round(found.low, 4), round(found.high, 4)) == (
        0.2,
        0.0524,
        0.3339,
    )


def test_welch_as_worked_out_by_hand() -> None:
    one, other = Side(30, 20.0, 16.0), Side(40, 18.0, 4.0)
    found = of_means(one, other)
    # standard error sqrt(16/30 + 4/40), 40.1 degrees of freedom
    assert found.value == 2.0
    assert found.high - found.value == pytest.approx(2.0211 * 0.79582, abs=0.002)


def test_too_few_on_either_side_say_how_many_more() -> None:
    found = compare(Side(100, 5.0, 1.0, 50), Side(LEAST - 7, 5.0, 1.0, 10))
    assert (found.verdict, found.spend, found.share) == (LiftVerdict.TOO_EARLY, None, None)
    assert (found.treated.lacks, found.held_out.lacks) == (0, 7)
    assert compare(Side(100), Side(100)).verdict is LiftVerdict.TOO_EARLY  # nobody bought anything


def drawn(lot: random.Random, count: int, share: float, mean: float) -> Side:
    """Most spend nothing, some a little, few a lot: as in a shop."""
    spent = [lot.expovariate(1 / mean) if lot.random() < share else 0.0 for _ in range(count)]
    return Side(count, fmean(spent), variance(spent), sum(amount > 0 for amount in spent))


def test_without_an_effect_zero_is_inside_about_nineteen_times_of_twenty() -> None:
    lot = random.Random(2026)
    seen = [compare(drawn(lot, 270, 0.4, 5_000), drawn(lot, 60, 0.4, 5_000)) for _ in range(400)]
    for part in ("spend", "share"):
        quiet = sum(getattr(one, part).verdict is LiftVerdict.NO_EFFECT_SEEN for one in seen)
        assert 0.92 <= quiet / len(seen) <= 0.98, part


@pytest.mark.parametrize(("share", "verdict"), [(0.65, LiftVerdict.MORE), (0.15, LiftVerdict.LESS)])
def test_a_true_effect_is_found_with_its_sign(share, verdict) -> None:
    lot = random.Random(7)
    seen = [compare(drawn(lot, 900, share, 5_000), drawn(lot, 250, 0.4, 5_000)) for _ in range(40)]
    assert sum(one.verdict is verdict for one in seen) >= 34
    # The true difference of the means lies in the interval about nineteen times of twenty
    true = (share - 0.4) * 5_000
    assert sum(one.spend.low <= true <= one.spend.high for one in seen) >= 34
