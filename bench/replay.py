"""Replaying a proposed campaign over 100,000 orders of 90 days.

`python -m bench.replay` takes a database of its own, writes the orders with COPY, and has one
proposal replayed by the job itself: claimed, read, decided, stored. Three shapes: a condition on
the order's amount, one on how many came before, and a discount card, whose use is reckoned on the
next orders. Exits with 1 when one of them takes more than 10 s.
"""

import resource
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg

from bench.lists import application
from mealquest.campaigns import service as campaigns
from mealquest.campaigns.service import Limits, NewCampaign
from mealquest.core.db import transaction
from mealquest.tenancy import service as tenancy

ORDERS, CUSTOMERS, DAYS = 100_000, 5_000, 89
MOST_S = 10.0
MERCHANT = "m_store_001"
BONUS: dict[str, Any] = {"type": "GRANT_BONUS", "amount": 5}
CARD: dict[str, Any] = {
    "type": "GRANT_VOUCHER",
    "voucher": {"type": "DISCOUNT_CARD", "discountRate": 0.8},
}
SHAPES: dict[str, tuple[dict[str, Any], tuple[dict[str, Any], ...]]] = {
    "the order's amount": (BONUS, ({"field": "orderAmount", "op": "gte", "value": 50},)),
    "how many came before": (BONUS, ({"field": "orderCount", "op": "lte", "value": 5},)),
    "a discount card": (CARD, ()),
}


COLUMNS = {
    "customers": "merchant_id, id, tags, fragments",
    "payments": (
        "merchant_id, id, customer_id, status, currency, order_minor, voucher_minor, bonus_minor,"
        " principal_minor, silver_minor, external_minor, quote, taken_by, created_at"
    ),
}


def fill(url: str, orders: int) -> None:
    """Customers, and paid orders spread over the days."""
    with psycopg.connect(url) as connection:
        write(connection, "customers", people())
        write(connection, "payments", bought(orders))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE payments")


def write(connection: psycopg.Connection, table: str, rows: Iterator[tuple[Any, ...]]) -> None:
    """COPY knows no row-level security: it fills a table aside, the platform's role moves on."""
    names = COLUMNS[table]
    connection.execute(
        f"CREATE TEMPORARY TABLE aside_{table} AS SELECT {names} FROM {table} WITH NO DATA"
    )
    with connection.cursor().copy(f"COPY aside_{table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    connection.execute(f"GRANT SELECT ON aside_{table} TO mealquest_platform")
    connection.execute("SET ROLE mealquest_platform")
    connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM aside_{table}")
    connection.execute("RESET ROLE")


def people() -> Iterator[tuple[Any, ...]]:
    for number in range(CUSTOMERS):
        yield MERCHANT, _who(number), ["REGULAR"], "{}"


def bought(orders: int) -> Iterator[tuple[Any, ...]]:
    draw, now = Random(1), datetime.now(UTC)
    for number in range(orders):
        minor = draw.randrange(500, 15_000)
        at = now - timedelta(days=DAYS) * (1 - number / orders)
        order = (MERCHANT, f"txn_bench_{number:07}", _who(draw.randrange(CUSTOMERS)))
        parts = (minor, 0, 0, minor, 0, 0)
        yield *order, "PAID", "CNY", *parts, "{}", "staff_bench", at


def _who(number: int) -> str:
    return f"u_bench_{number}"


def measure(name: str, orders: int) -> float:
    """Seconds from the job's claim until the result is stored."""
    action, conditions = SHAPES[name]
    new = NewCampaign(
        id="campaign_bench",
        name=name,
        event="PAYMENT_SUCCESS",
        priority=50,
        action=action,
        conditions=conditions,
        limits=Limits(cap_units=10 * orders, cost_units=1, customer_hits=3, customer_days=30),
    )
    with transaction(MERCHANT) as session:
        campaigns.ask_replay(session, MERCHANT, "proposal:bench", name, new, "bench")
    began = time.perf_counter()
    campaigns.work_due_replays()
    seconds = time.perf_counter() - began
    with transaction(MERCHANT) as session:
        found = campaigns.replay_of(session, MERCHANT, "proposal:bench").result
    if found is None or found.events != orders:
        raise RuntimeError(f"not all was replayed: {found}")
    print(
        f"{name:>22}  {seconds:5.2f} s  {orders / seconds:9,.0f} orders/s"
        f"  {found.hits:,} hits, cost {found.cost:,}, cards {found.cards:,}"
    )
    return seconds


def main(orders: int = ORDERS) -> int:
    with application() as (app, url), app.app_context():
        with transaction(MERCHANT) as session:
            tenancy.create_merchant(session, MERCHANT, name="Bench", budget_cap=10**9)
        fill(url, orders)
        before = _peak_mib()
        print(f"{orders:,} orders of {CUSTOMERS:,} customers in {DAYS} days")
        slowest = max(measure(name, orders) for name in SHAPES)
        print(f"memory: {before:.0f} MiB before, {_peak_mib():.0f} MiB at most")
    if slowest > MOST_S:
        print(f"PROBLEM: {slowest:.1f} s is over {MOST_S:.0f} s")
    return 1 if slowest > MOST_S else 0


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ORDERS))
