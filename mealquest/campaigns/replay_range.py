"""From what would have happened to what may: ranges. Pure; amounts in minor units.

Whole weeks are drawn again, two in a row so that a week stays beside its neighbour, until there are
as many as there were; the middle nine tenths of a thousand such sums are the range. The draw is
seeded by what is replayed, so the same past gives the same range.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

DRAWS = 1000
BLOCK = 2  # weeks that stay together
FEWEST_WEEKS = 4  # of which nothing is drawn: a range from them would be made up
OUTSIDE = 0.05  # of the draws, on each side
CERTAINTY = 1.645  # standard errors, for nine times in ten


@dataclass(frozen=True, slots=True)
class Range:
    low: int
    likely: int
    high: int

    def at_most(self, most: int | None) -> "Range":
        if most is None:
            return self
        return Range(min(self.low, most), min(self.likely, most), min(self.high, most))


def range_of(weeks: Sequence[int], seed: str) -> Range | None:
    """What so many weeks may sum up to. None: there are too few of them."""
    count = len(weeks)
    if count < FEWEST_WEEKS:
        return None
    draw = Random(seed)  # noqa: S311 - a lot, not a secret
    sums = sorted(_drawn(weeks, draw) for _ in range(DRAWS))
    edge = int(DRAWS * OUTSIDE)
    likely = sum(weeks)
    return Range(min(sums[edge], likely), likely, max(sums[-1 - edge], likely))


def _drawn(weeks: Sequence[int], draw: Random) -> int:
    count, total, left = len(weeks), 0, len(weeks)
    while left > 0:
        first = draw.randrange(count)
        for step in range(min(BLOCK, left)):
            total += weeks[(first + step) % count]
        left -= BLOCK
    return total


def unused(face_minor: int, gifts: int, given_minor: int, used_minor: int) -> Range:
    """What of a face value is still open later, by what became of the shop's earlier gifts.

    Wilson's interval around the share that was used. Without earlier gifts nobody can tell: then
    it is between nothing and all of it, and all of it is what to reckon with.
    """
    if not gifts or not given_minor:
        return Range(0, face_minor, face_minor)
    share, z2 = used_minor / given_minor, CERTAINTY**2
    middle = (share + z2 / (2 * gifts)) / (1 + z2 / gifts)
    spread = math.sqrt(share * (1 - share) / gifts + z2 / (4 * gifts**2)) * CERTAINTY
    spread /= 1 + z2 / gifts
    low, high = max(0.0, middle - spread), min(1.0, middle + spread)
    return Range(
        round(face_minor * (1 - high)),
        round(face_minor * (1 - share)),
        round(face_minor * (1 - low)),
    )
