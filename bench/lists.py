"""Server time of the lists at a million rows each.

`python -m bench.lists [rows] [--customers N]`. Uses MQ_TEST_DB_URL and MQ_TEST_REDIS_URL, else
engines of its own. A request goes through the whole application in this process, without a
network: credential, policy, statements under row-level security, JSON or the rendered page. Exits
with 1 when a case takes more than the budget or a plan does not run along an index. On a machine
that does other work besides, `cpu` (this process) and `sql` tell more than the times by the clock.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import event

from bench import wallet_rows
from mealquest.application import create_app
from mealquest.core.db import db, transaction
from mealquest.core.principal import Principal, Role
from mealquest.core.settings import Profile, Settings
from mealquest.identity import service as identity
from mealquest.tenancy import service as tenancy

BUDGET_MS = 10.0
RUNS = 60
MERCHANT, NEIGHBOUR = "m_bench", "m_bench_noise"
CUSTOMERS = 10_000
FEW = 1_000  # rows that may be sorted, such as those of one customer
BIG = ("audit_log", "payments", *wallet_rows.TABLES)

FILL_CUSTOMERS = """
INSERT INTO customers (merchant_id, id, display_name, tags, fragments, created_at)
SELECT %(m)s, 'u_' || lpad(n::text, 9, '0'), 'Guest ' || n, '{}', '{}', now() - n * interval '1 h'
  FROM generate_series(1, %(customers)s) n
"""
FILL_AUDIT = """
INSERT INTO audit_log (merchant_id, id, occurred_at, action, status, role, operator_id, details,
                       request_id)
SELECT %(m)s, 'audit_' || lpad(n::text, 26, '0'), now() - (%(rows)s - n) * interval '30 s',
       CASE WHEN n %% 20000 = 0 THEN 'MERCHANT_SETTINGS_SET'
            ELSE (ARRAY['PAYMENT_VERIFY', 'PAYMENT_VERIFY', 'PAYMENT_VERIFY', 'WALLET_TOP_UP',
                        'STAFF_SIGN_IN', 'CUSTOMER_CREATE'])[1 + n %% 6] END,
       CASE WHEN n %% 1000 = 0 THEN 'BLOCKED' WHEN n %% 100 = 1 THEN 'DENIED'
            WHEN n %% 50 = 2 THEN 'FAILED' ELSE 'SUCCESS' END,
       'CLERK', 'staff_' || (n %% 12),
       jsonb_build_object('userId', 'u_' || lpad((1 + n %% %(customers)s)::text, 9, '0'),
                          'orderAmount', 1 + n %% 90),
       'req_' || n
  FROM generate_series(1, %(rows)s) n
"""
FILL_PAYMENTS = """
INSERT INTO payments (merchant_id, id, customer_id, status, currency, order_minor, voucher_minor,
                      bonus_minor, principal_minor, silver_minor, external_minor, quote, taken_by,
                      created_at)
SELECT %(m)s, 'txn_' || lpad(n::text, 26, '0'),
       'u_' || lpad((1 + n %% %(customers)s)::text, 9, '0'),
       CASE WHEN n %% 20000 = 0 THEN 'EXTERNAL_REFUND_DUE' WHEN n %% 200 = 0 THEN 'CANCELLED'
            ELSE 'PAID' END,
       'CNY', 5200, 1800, 0, 3400, 0, 0, '{"selectedVoucher": {"name": "Soup"}}', 'staff_1',
       now() - (%(rows)s - n) * interval '30 s'
  FROM generate_series(1, %(rows)s) n
"""

AUDIT_CASES = {
    "audit JSON, newest": "/api/audit/logs",
    "audit JSON, 100 rows": "/api/audit/logs?limit=100",
    "audit JSON, in the middle": "/api/audit/logs?cursor={middle}|audit_x",
    "audit JSON, common action": "/api/audit/logs?action=payment_verify",
    "audit JSON, rare action": "/api/audit/logs?action=merchant_settings_set&limit=100",
    "audit JSON, action that never was": "/api/audit/logs?action=kill_switch_set",
    "audit JSON, status SUCCESS": "/api/audit/logs?status=success",
    "audit JSON, status DENIED": "/api/audit/logs?status=denied",
    "audit JSON, status BLOCKED": "/api/audit/logs?status=blocked&limit=100",
    "audit JSON, action and status": "/api/audit/logs?action=wallet_top_up&status=failed",
    "audit JSON, one person": "/api/audit/logs?operatorId=staff_7",
    "audit JSON, one day": "/api/audit/logs?fromDay={day}&toDay={day}",
    "audit page, newest": "/console/audit",
    "audit page, status DENIED": "/console/audit?status=DENIED",
}
PAYMENT_CASES = {
    "payments JSON, newest": "/api/payments",
    "payments JSON, 100 rows": "/api/payments?limit=100",
    "payments JSON, oldest": "/api/payments?order=oldest",
    "payments JSON, state PAID": "/api/payments?status=PAID",
    "payments JSON, state CANCELLED": "/api/payments?status=CANCELLED",
    "payments JSON, rare state": "/api/payments?status=EXTERNAL_REFUND_DUE",
    "payments JSON, state that never was": "/api/payments?status=EXTERNAL_FAILED",
    "payments JSON, one customer": "/api/payments?userId=u_000000007",
    "payments JSON, one day": "/api/payments?fromDay={day}&toDay={day}",
    "payments page, newest": "/console/payments",
    "payments page, state CANCELLED": "/console/payments?status=CANCELLED",
}


def main(rows: int, customers: int) -> int:
    with application() as (app, admin), app.app_context():
        headers = open_shops()
        fill(admin, rows, customers)
        while identity.seal_customers():
            pass
        moment = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() - rows * 15))
        slow = []
        print(f"{rows:,} rows each, {customers:,} customers; {RUNS} requests a case; ms")
        print(f"{'case':38} {'p50':>6} {'p95':>6} {'cpu':>6} {'sql':>6}  indexes")
        for name, url in (AUDIT_CASES | PAYMENT_CASES | wallet_rows.CASES).items():
            address = url.format(middle=moment, day=moment[:10])
            slow += measure(app, admin, name, address, headers)
        export(app, "audit", "/console/audit.csv", headers)
        export(app, "payments", "/console/payments.csv", headers)
        for problem in slow:
            print("PROBLEM:", problem)
        return 1 if slow else 0


@contextmanager
def application() -> Iterator[tuple[Flask, str]]:
    """The application over a database of its own, dropped at the end, and that database's URL."""
    server, redis = os.environ.get("MQ_TEST_DB_URL", ""), os.environ.get("MQ_TEST_REDIS_URL", "")
    with ExitStack() as stack:
        if not (server and redis):
            from mealquest.engines.service import running

            place = stack.enter_context(tempfile.TemporaryDirectory())
            found = stack.enter_context(running(Path(place) / "engines", fast=True))
            server, redis = found.admin_db_url, found.redis_url
        name = f"mq_bench_{os.getpid()}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING UTF8')
        url = f"{server.rsplit('/', 1)[0]}/{name}"
        settings = Settings(
            _env_file=None, profile=Profile.TEST, jwt_secret="bench" * 8, log_level="WARNING"
        )
        app = create_app(settings, db_url=url, admin_url=url, redis_url=redis)
        try:
            with app.app_context():
                upgrade()
            yield app, url
        finally:
            with app.app_context():
                db.engine.dispose()
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def open_shops() -> dict[str, str]:
    """Two shops; returns the credential of the first one's owner."""
    for merchant_id in (MERCHANT, NEIGHBOUR):
        with transaction(merchant_id) as session:
            tenancy.create_merchant(session, merchant_id, name="Bench", budget_cap=300)
            for n in range(12):
                role = Role.OWNER if n == 0 else Role.CLERK
                name = f"Person {n}"
                identity.add_staff(
                    session, merchant_id, staff_id=f"staff_{n}", role=role, name=name
                )
    token = identity.mint(Principal(Role.OWNER, "staff_0", MERCHANT), 0)
    return {"Authorization": f"Bearer {token}"}


def fill(admin: str, rows: int, customers: int) -> None:
    began = time.perf_counter()
    with psycopg.connect(admin) as connection:
        connection.execute("SET ROLE mealquest_platform")
        for merchant_id, count in ((MERCHANT, rows), (NEIGHBOUR, rows // 5)):
            values = {"m": merchant_id, "rows": count, "customers": customers}
            for statement in (
                FILL_CUSTOMERS,
                FILL_AUDIT,
                FILL_PAYMENTS,
                *wallet_rows.FILLS,
            ):
                connection.execute(statement, values)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    print(f"filled in {time.perf_counter() - began:.0f} s")


def measure(app: Flask, admin: str, name: str, url: str, headers: dict[str, str]) -> list[str]:
    client = app.test_client()
    spent: list[float] = []
    worked: list[float] = []
    statements: dict[str, object] = {}

    def ask() -> None:
        answer = client.get(url, headers=headers)
        if answer.status_code != 200:
            raise RuntimeError(f"{url}: {answer.status_code} {answer.text[:300]}")

    for _ in range(5):
        ask()
    with watching(statements) as sql:
        for _ in range(RUNS):
            sql.append(0.0)
            began, busy = time.perf_counter(), time.process_time()
            ask()
            spent.append((time.perf_counter() - began) * 1000)
            worked.append((time.process_time() - busy) * 1000)
    used, problems = plans(admin, statements)
    middle, high = statistics.median(spent), statistics.quantiles(spent, n=20)[-1]
    cpu, in_sql = statistics.median(worked), statistics.median(sql)
    print(f"{name:38} {middle:6.1f} {high:6.1f} {cpu:6.1f} {in_sql:6.1f}  {', '.join(used)}")
    late = [f"{name}: {middle:.1f} ms"] if middle > BUDGET_MS else []
    return late + [f"{name}: {problem}" for problem in problems]


def export(app: Flask, name: str, url: str, headers: dict[str, str]) -> None:
    """How fast a whole list comes as CSV, and by how much the process grows meanwhile."""
    before, began = _most_memory(), time.perf_counter()
    with app.test_client().get(url, headers=headers) as answer:
        lines = sum(piece.count(b"\n") for piece in answer.response)
    seconds = time.perf_counter() - began
    grown = _most_memory() - before
    print(f"{name}.csv: {lines:,} lines in {seconds:.0f} s, {lines / seconds:,.0f} a second,")
    print(f"    the process grew by {grown:.1f} MiB")


def _most_memory() -> float:
    """The largest resident size so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def watching(statements: dict[str, object]) -> Iterator[list[float]]:
    """Collect the list's own statements with their values, and the time in all of a request's."""
    spent: list[float] = []

    def before(
        _c: object, _cursor: object, text: str, values: object, _x: object, _m: bool
    ) -> None:
        spent[-1] -= time.perf_counter() * 1000
        if any(f"FROM {table}" in " ".join(text.split()) for table in BIG):
            statements[text] = values

    def after(*_: object) -> None:
        spent[-1] += time.perf_counter() * 1000

    listeners: list[tuple[str, Callable[..., None]]] = [
        ("before_cursor_execute", before),
        ("after_cursor_execute", after),
    ]
    for kind, listener in listeners:
        event.listen(db.engine, kind, listener)
    try:
        yield spent
    finally:
        for kind, listener in listeners:
            event.remove(db.engine, kind, listener)


def plans(admin: str, statements: dict[str, object]) -> tuple[list[str], list[str]]:
    """Indexes the statements run along under row-level security, and what is wrong with them."""
    used: list[str] = []
    problems: list[str] = []
    with psycopg.connect(admin) as connection:
        connection.execute("SET ROLE mealquest_app")
        connection.execute("SELECT set_config('app.merchant_ids', %s, false)", [MERCHANT])
        for text, values in statements.items():
            row = connection.execute(f"EXPLAIN (FORMAT JSON) {text}", values).fetchone()
            plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
            for node in nodes(plan[0]["Plan"]):
                if node.get("Relation Name") in BIG:
                    used.append(node.get("Index Name", node["Node Type"]))
                sorts = node["Node Type"] in {"Sort", "Incremental Sort"}
                summed = node.get("Relation Name") == "wallets"  # all of them, into what is owed
                if (node["Node Type"] == "Seq Scan" and not summed) or (
                    sorts and node["Plan Rows"] > FEW
                ):
                    problems.append(f"{node['Node Type']} {node.get('Relation Name', '')}")
    return used, problems


def nodes(plan: dict) -> Iterator[dict]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=CUSTOMERS, help="fewer have more each")
    asked = parser.parse_args()
    sys.exit(main(asked.rows, asked.customers))
