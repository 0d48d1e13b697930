"""What a campaign did, told from a lot: customers who got it against those who were held out.

Pure, no database. Both sides are compared as they were drawn, whatever became of them later.
Intervals are of 95 %: Welch's for the difference of two means, Newcombe's for that of two shares.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from math import inf, sqrt
from statistics import NormalDist
from typing import Final

WINDOW: Final = timedelta(days=14)  # after the first event at which a customer would have got it
LEAST: Final = 30  # customers on each side, before anything is said
_TAIL: Final = 0.975
Z: Final = NormalDist().inv_cdf(_TAIL)


class LiftVerdict(StrEnum):
    NO_HOLDOUT = "NO_HOLDOUT"  # everybody got it: nobody can tell what would have been without
    TOO_EARLY = "TOO_EARLY"
    NO_EFFECT_SEEN = "NO_EFFECT_SEEN"  # the interval has zero in it
    MORE = "MORE"
    LESS = "LESS"


@dataclass(frozen=True, slots=True)
class Side:
    """Customers of one side. `mean` and `variance` (of the sample): what each spent, minor units;
    `came_back`: how many bought anything."""

    customers: int = 0
    mean: float = 0.0
    variance: float = 0.0
    came_back: int = 0

    @property
    def share(self) -> float:
        return self.came_back / self.customers if self.customers else 0.0

    @property
    def lacks(self) -> int:
        """How many more customers it takes before anything is said."""
        return max(0, LEAST - self.customers)


@dataclass(frozen=True, slots=True)
class Difference:
    """What those who got it have more than the others, and where it lies at 95 %."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> LiftVerdict:
        if self.low > 0:
            return LiftVerdict.MORE
        return LiftVerdict.LESS if self.high < 0 else LiftVerdict.NO_EFFECT_SEEN

    def times(self, count: int) -> "Difference":
        return Difference(self.value * count, self.low * count, self.high * count)


@dataclass(frozen=True, slots=True)
class Lift:
    """Differences are None while it is too early to tell."""

    treated: Side
    held_out: Side
    spend: Difference | None = None
    share: Difference | None = None

    @property
    def verdict(self) -> LiftVerdict:
        """What is said of the whole: what customers spent decides."""
        return self.spend.verdict if self.spend else LiftVerdict.TOO_EARLY


def compare(treated: Side, held_out: Side) -> Lift:
    """Too early: too few customers on a side, or nobody has bought anything yet."""
    nobody = treated.came_back + held_out.came_back == 0
    if treated.lacks or held_out.lacks or nobody:
        return Lift(treated, held_out)
    return Lift(treated, held_out, of_means(treated, held_out), of_shares(treated, held_out))


def of_means(one: Side, other: Side) -> Difference:
    """Welch: the sides may vary differently and be of different size, two customers at least."""
    value = one.mean - other.mean
    mine, theirs = one.variance / one.customers, other.variance / other.customers
    if not mine + theirs:
        return Difference(value, value, value)
    freedom = (mine + theirs) ** 2 / (
        mine**2 / (one.customers - 1) + theirs**2 / (other.customers - 1)
    )
    margin = t_quantile(freedom) * sqrt(mine + theirs)
    return Difference(value, value - margin, value + margin)


def of_shares(one: Side, other: Side) -> Difference:
    """Newcombe's method 10: the Wilson intervals of both shares, put together."""
    value = one.share - other.share
    low, high = wilson(one.came_back, one.customers)
    other_low, other_high = wilson(other.came_back, other.customers)
    down = sqrt((one.share - low) ** 2 + (other_high - other.share) ** 2)
    up = sqrt((high - one.share) ** 2 + (other.share - other_low) ** 2)
    return Difference(value, value - down, value + up)


def wilson(count: int, of: int) -> tuple[float, float]:
    """The interval of a share, which never leaves 0 to 1."""
    share, square = count / of, Z * Z
    middle = share + square / (2 * of)
    margin = Z * sqrt(share * (1 - share) / of + square / (4 * of * of))
    whole = 1 + square / of
    return max(0.0, (middle - margin) / whole), min(1.0, (middle + margin) / whole)


def t_quantile(freedom: float) -> float:
    """Student's t at 97.5 %, by the series of Cornish and Fisher; to 0.001 from 5 degrees on."""
    if freedom == inf:
        return Z
    z = Z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))
