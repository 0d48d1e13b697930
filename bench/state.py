"""GET /api/state of customers with few and with many payments: time, statements, bytes.

`python -m bench.state`. Uses MQ_TEST_DB_URL and MQ_TEST_REDIS_URL, else engines of its own. A
request goes through the whole application in this process, without a network. Exits with 1 when
the number of statements depends on the number of payments. On a machine that does other work
besides, the best time tells more than the median.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from flask import Flask
from sqlalchemy import event

from bench.lists import MERCHANT, application, open_shops
from mealquest.core.db import db, transaction
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.wallet import service as wallets

RUNS = 100
PAYMENTS = (10, 1_000, 10_000)

# Each payment as verify leaves it: its row, its ledger entry and postings, and in one of ten cases
# the voucher it used.
FILL = (
    """
    INSERT INTO payments (merchant_id, id, customer_id, status, currency, order_minor,
                          voucher_minor, bonus_minor, principal_minor, silver_minor,
                          external_minor, quote, taken_by, created_at)
    SELECT %(m)s, %(u)s || '_txn_' || lpad(n::text, 12, '0'), %(u)s, 'PAID', 'CNY', 5200,
           CASE WHEN n %% 10 = 0 THEN 1800 ELSE 0 END, 0,
           CASE WHEN n %% 10 = 0 THEN 3400 ELSE 5200 END, 0, 0,
           '{"selectedVoucher": {"name": "Soup"}}', 'staff_1',
           now() - n * interval '1 h'
      FROM generate_series(1, %(n)s) n
    """,
    """
    INSERT INTO vouchers (merchant_id, id, customer_id, type, name, value_minor, min_spend_minor,
                          status, expires_at, granted_by, used_by)
    SELECT %(m)s, %(u)s || '_v_' || lpad(n::text, 12, '0'), %(u)s, 'ITEM_WARRANT', 'Soup', 1800, 0,
           'USED', now() - n * interval '1 h', 'bench', %(u)s || '_txn_' || lpad(n::text, 12, '0')
      FROM generate_series(10, %(n)s, 10) n
    """,
    """
    INSERT INTO ledger_entries (merchant_id, id, kind, reference, customer_id, amount_minor,
                                currency, details, created_at)
    SELECT merchant_id, id, 'PAYMENT', id, customer_id, order_minor, currency, '{}', created_at
      FROM payments WHERE merchant_id = %(m)s AND customer_id = %(u)s
    """,
    """
    INSERT INTO ledger_postings (merchant_id, entry_id, line, source, destination, amount_minor)
    SELECT merchant_id, id, line, CASE line WHEN 1 THEN 'merchant:vouchers'
                                  ELSE 'wallet:' || customer_id || ':principal' END,
           'merchant:sales', CASE line WHEN 1 THEN voucher_minor ELSE principal_minor END
      FROM payments, generate_series(1, 2) line
     WHERE merchant_id = %(m)s AND customer_id = %(u)s AND (line = 2 OR voucher_minor > 0)
    """,
)


def main() -> int:
    counts = set()
    with application() as (app, admin), app.app_context():
        owner = open_shops()
        print(f"{RUNS} requests a case; ms")
        print(
            f"{'payments of the customer':>24} {'who':>9} {'best':>6} {'p50':>6}  statements  bytes"
        )
        for payments in PAYMENTS:
            customer = add_customer(admin, payments)
            own = bearer(Principal(Role.CUSTOMER, customer, MERCHANT))
            for who, headers in (("customer", own), ("owner", owner)):
                spent, statements, size = measure(app, customer, headers)
                counts.add((who, statements))
                best, middle = min(spent), statistics.median(spent)
                print(
                    f"{payments:24,} {who:>9} {best:6.1f} {middle:6.1f}  {statements:10}  {size:5}"
                )
    grows = len(counts) > len({who for who, _ in counts})
    if grows:
        print(f"PROBLEM: the number of statements differs: {sorted(counts)}")
    return 1 if grows else 0


def bearer(principal: Principal) -> dict[str, str]:
    return {"Authorization": f"Bearer {identity.mint(principal, 0)}"}


def add_customer(admin: str, payments: int) -> str:
    """A customer with a wallet and this many payments; returns the id."""
    customer = f"u_{payments}"
    with transaction(MERCHANT) as session:
        identity.create_customer(
            session,
            MERCHANT,
            customer_id=customer,
            display_name=f"Guest of {payments}",
            tags=["REGULAR"],
            fragments={"spicy": 2, "noodle": 3},
        )
        wallets.lock_wallet(session, MERCHANT, customer)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("SET ROLE mealquest_platform")
        for statement in FILL:
            connection.execute(statement, {"m": MERCHANT, "u": customer, "n": payments})
        connection.execute("RESET ROLE")
        connection.execute("VACUUM ANALYZE")
    return customer


def measure(app: Flask, customer: str, headers: dict[str, str]) -> tuple[list[float], int, int]:
    """Times of a request in ms, its statements beside BEGIN and COMMIT, and its bytes."""
    client, spent, size = app.test_client(), [], 0
    url = f"/api/state?merchantId={MERCHANT}&userId={customer}"
    with counting() as seen:
        for _ in range(RUNS + 5):
            began, before = time.perf_counter(), len(seen)
            answer = client.get(url, headers=headers)
            spent.append((time.perf_counter() - began) * 1000)
            if answer.status_code != 200:
                raise RuntimeError(f"{answer.status_code} {answer.text[:300]}")
            size, statements = len(answer.data), len(seen) - before
    return spent[5:], statements, size


@contextmanager
def counting() -> Iterator[list[str]]:
    seen: list[str] = []

    def before(_c: object, _cursor: object, text: str, *_: object) -> None:
        seen.append(text)

    event.listen(db.engine, "before_cursor_execute", before)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", before)


if __name__ == "__main__":
    sys.exit(main())
