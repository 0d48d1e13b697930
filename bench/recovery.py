"""The dashboard of recovery with no logs, with 100,000 and with 5 million; and how fresh it is.

`python -m bench.recovery [logs ...]`. Uses MQ_TEST_DB_URL and MQ_TEST_REDIS_URL, else engines of
its own. All logs are one merchant's and of the last hours, which is the worst there can be; a
request goes through the whole application in this process, without a network. Of each size
an undisturbed request counts, the tenth fastest of the calmest round, so that other work on the
machine does not. Then an event of Stripe is taken in, again and again, and the dashboard is asked
until it shows it. Exits with 1 when any size takes more than 1.5 times as long as the smallest.
"""

import argparse
import json
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta

import psycopg
from flask import Flask

from bench.lists import MERCHANT, application, open_shops
from mealquest.core.db import transaction
from mealquest.recovery import webhooks
from mealquest.recovery.events import Event
from mealquest.tenancy import service as tenancy

SIZES = (0, 100_000, 5_000_000)
RUNS, ROUNDS, EVENTS = 150, 6, 50
BUDGET = 1.5
ACCOUNT = "acct_bench"
PATHS = {"JSON": "/api/dashboard", "activity": "/api/activity?limit=20"}
METRICS = ("dunning_email_sent", "task_scheduled", "recovery_success", "task_retry")


def main(sizes: list[int]) -> int:
    with application() as (app, admin), app.app_context():
        headers = open_shops()
        with transaction(MERCHANT) as session:
            tenancy.set_account(session, MERCHANT, stripe_connect_id=ACCOUNT)
        print(f"{'logs':>10} " + " ".join(f"{name + ' best':>13} {'p95':>6}" for name in PATHS))
        of: dict[str, list[float]] = {name: [] for name in PATHS}
        have = 0
        for size in sorted(sizes):
            fill(admin, have, size)
            have = size
            line = []
            for name, path in PATHS.items():
                best, late = min(measure(app, path, headers) for _ in range(ROUNDS))
                of[name].append(best)
                line.append(f"{best:13.2f} {late:6.2f}")
            print(f"{size:10,} " + " ".join(line), flush=True)
        ratio = max(max(times) / times[0] for times in of.values())
        print(f"ratio {ratio:.2f}, at most {BUDGET}")
        waits = freshness(app, headers)
        print(
            f"an event shows after {statistics.median(waits):.1f} ms, at most {max(waits):.1f} ms"
        )
        return 1 if ratio > BUDGET else 0


def fill(admin: str, have: int, size: int) -> None:
    """Logs up to that number by COPY, spread over the last two hours, and statistics on them."""
    start = datetime.now(UTC) - timedelta(hours=2)
    step = timedelta(hours=2) / max(size, 1)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("ALTER TABLE usage_logs NO FORCE ROW LEVEL SECURITY")  # refuses a COPY
        copy = "COPY usage_logs (merchant_id, id, metric_type, created_at) FROM STDIN"
        with connection.cursor() as cursor, cursor.copy(copy) as rows:
            for n in range(have, size):
                rows.write_row((MERCHANT, n + 1, METRICS[n % 4], start + step * (n - have)))
        connection.execute("ALTER TABLE usage_logs FORCE ROW LEVEL SECURITY")
        connection.execute("VACUUM ANALYZE usage_logs")


def measure(app: Flask, path: str, headers: dict[str, str]) -> tuple[float, float]:
    """Milliseconds of an undisturbed request (the tenth fastest), and the 95th percentile."""
    client, times = app.test_client(), []
    for _ in range(RUNS):
        begin = time.perf_counter()
        answer = client.get(path, headers=headers)
        times.append((time.perf_counter() - begin) * 1000)
        assert answer.status_code == 200, answer.text
    times.sort()
    return times[9], times[int(RUNS * 0.95)]


def freshness(app: Flask, headers: dict[str, str]) -> list[float]:
    """Milliseconds from an event's arrival until the dashboard counts its money."""
    client, waits = app.test_client(), []
    for number in range(EVENTS):
        webhooks.take_in(event(number, "invoice.payment_failed"))
        before = recovered(client.get("/api/dashboard", headers=headers).text)
        begin = time.perf_counter()
        webhooks.take_in(event(number, "invoice.paid"))
        while recovered(client.get("/api/dashboard", headers=headers).text) == before:
            if time.perf_counter() - begin > 10:
                raise TimeoutError("the dashboard does not show what was paid")
        waits.append((time.perf_counter() - begin) * 1000)
    return waits


def recovered(body: str) -> int:
    return int(json.loads(body)["stats"]["totalRecovered"])


def event(number: int, kind: str) -> Event:
    is_paid = kind == "invoice.paid"
    return Event.of(
        {
            "id": f"evt_{number}_{kind}",
            "type": kind,
            "account": ACCOUNT,
            "livemode": False,
            "created": int(time.time()) - (0 if is_paid else 60),
            "data": {
                "object": {
                    "id": f"in_{number}",
                    "customer": f"cus_{number}",
                    "billing_reason": "subscription_cycle",
                    "currency": "usd",
                    "amount_due": 1_000,
                    "amount_paid": 1_000 if is_paid else 0,
                    "attempt_count": 1,
                    "status": "paid" if is_paid else "open",
                }
            },
        }
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", nargs="*", type=int, default=list(SIZES))
    sys.exit(main(parser.parse_args().logs))
