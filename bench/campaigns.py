"""Deciding about one event: 500 active campaigns of 20 conditions each, without a database.

`python -m bench.campaigns`. Three shapes: every condition is true, which is the worst, half of the
campaigns fail at their tenth condition, and all fail at the first. Exits with 1 when the p99 of one
of them is over 10 ms.
"""

import statistics
import sys
import time
from datetime import UTC, datetime

from mealquest.campaigns.domain import (
    Campaign,
    CampaignStatus,
    Condition,
    Limits,
    Purse,
    Used,
    decide,
    in_order,
)

CAMPAIGNS, CONDITIONS, RUNS = 500, 20, 1_000
MOST_MS = 10.0
NOW = datetime(2026, 3, 1, tzinfo=UTC)
CONTEXT = {
    "orderAmount": 52,
    "orderCount": 3,
    "isNewUser": False,
    "tags": ["REGULAR", "SPICY_LOVER"],
    "weather": "RAIN",
}
TRUE = (
    Condition("orderAmount", "gte", 20),
    Condition("weather", "eq", "RAIN"),
    Condition("tags", "includes", "SPICY_LOVER"),
    Condition("orderCount", "lte", 9),
    Condition("isNewUser", "neq", True),
)
FALSE = Condition("weather", "eq", "SUN")


def campaigns(fails_at: int | None, every: int = 1) -> list[Campaign]:
    """Campaigns of which each `every`-th has a condition at that place that is not true."""
    made = []
    for number in range(CAMPAIGNS):
        asked = [TRUE[place % len(TRUE)] for place in range(CONDITIONS)]
        if fails_at is not None and number % every == 0:
            asked[fails_at] = FALSE
        limits = Limits(cap_units=1_000, cost_units=1, cap_minor=100_000, customer_hits=5)
        made.append(
            Campaign(
                f"campaign_{number}",
                f"Campaign {number}",
                CampaignStatus.ACTIVE,
                number % 90,
                "PAYMENT_SUCCESS",
                tuple(asked),
                {},
                limits,
                None,
                number,
            )
        )
    return made


def measure(made: list[Campaign]) -> list[float]:
    """Milliseconds of each run, in order of size."""
    spent, used = [], Used()
    for _ in range(RUNS + 20):
        began = time.perf_counter()
        purse = Purse(left_minor=10_000_000)
        for campaign in in_order(made):
            decide(campaign, CONTEXT, NOW, used, purse, cost_minor=1_200)
        spent.append((time.perf_counter() - began) * 1000)
    return sorted(spent[20:])


def main() -> int:
    shapes = {
        "every condition is true": campaigns(None),
        "half fail at the tenth": campaigns(9, 2),
        "all fail at the first": campaigns(0),
    }
    print(f"{CAMPAIGNS} campaigns of {CONDITIONS} conditions, {RUNS} events; ms")
    worst = 0.0
    for name, made in shapes.items():
        spent = measure(made)
        p99 = spent[int(len(spent) * 0.99)]
        worst = max(worst, p99)
        print(f"{name:>24}  p50 {statistics.median(spent):5.2f}  p99 {p99:5.2f}")
    if worst > MOST_MS:
        print(f"PROBLEM: p99 of {worst:.2f} ms is over {MOST_MS:.0f} ms")
    return 1 if worst > MOST_MS else 0


if __name__ == "__main__":
    sys.exit(main())
