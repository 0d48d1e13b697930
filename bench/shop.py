"""A product of the benchmark's own, with one merchant and customers who have enough money."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import psutil
import psycopg
from flask import Flask
from psycopg import sql
from sqlalchemy import event

from mealquest.application import create_app
from mealquest.core.db import db, transaction
from mealquest.core.settings import Profile, Settings
from mealquest.engines.processes import choose_port
from mealquest.onboarding.domain import Guest
from mealquest.onboarding.service import add_guest
from mealquest.tenancy import service as tenancy

ROOT = Path(__file__).resolve().parent.parent
SECRET = "the secret of this benchmark only"
MERCHANT = "m_bistro"
CUSTOMERS = 256
PREFIX = "u_bench_"
AMOUNT = 1.5
START_S = 60


@dataclass
class Shop:
    home: Path
    pid: int
    endpoints: dict[str, Any]
    app: Flask
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def address(self) -> tuple[str, int]:
        url = urlsplit(self.endpoints["http"])
        return url.hostname or "", url.port or 0

    def requests(self) -> Iterator[bytes]:
        """Verifies of a small order, one customer after the other, each under a key of its own."""
        host, bearer = urlsplit(self.endpoints["http"]).netloc, token()
        for number in self._numbers:
            body = json.dumps(order(number % CUSTOMERS + 1))
            yield (
                f"POST /api/payment/verify HTTP/1.1\r\nHost: {host}\r\n"
                f"Authorization: Bearer {bearer}\r\nContent-Type: application/json\r\n"
                f"Idempotency-Key: bench-{number}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            ).encode()

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """As the platform's role, which sees all merchants; one transaction."""
        with psycopg.connect(self.endpoints["admin_db_url"]) as connection:
            connection.execute("SET ROLE mealquest_platform")
            yield connection

    @cached_property
    def one_verify(self) -> list[list[tuple[str, Any]]]:
        """The statements of one verify with their values, by transaction.

        Of the first one under its key: the second would be a replay, which is another road.
        """
        seen: list[list[tuple[str, Any]]] = []

        def begin(_: Any) -> None:
            seen.append([])

        def execute(_c: Any, _d: Any, statement: str, values: Any, _x: Any, _m: Any) -> None:
            seen[-1].append((statement, values))

        self._verify("warm")  # what is read once a process is read now
        with self.app.app_context():
            engine = db.engine
        event.listen(engine, "begin", begin)
        event.listen(engine, "before_cursor_execute", execute)
        try:
            self._verify("counted")
        finally:
            event.remove(engine, "begin", begin)
            event.remove(engine, "before_cursor_execute", execute)
        return seen

    def _verify(self, key: str) -> None:
        headers = {"Authorization": f"Bearer {token()}", "Idempotency-Key": key}
        answer = self.app.test_client().post(
            "/api/payment/verify", json=order(CUSTOMERS), headers=headers
        )
        if answer.status_code != 200:
            raise RuntimeError(answer.text)

    def stored(self) -> int:
        with self.database() as connection:
            return _count(connection)

    def store(self, total: int) -> None:
        """Bring the stored payments to `total` at least, by copies of those there are."""
        with self.database() as connection:
            there = _count(connection)
            if there < total:
                names = {"copies": -(-total // there) - 1, "batch": f"-{total}-"}
                for table, told_apart_by in COPIES.items():
                    connection.execute(_copy(connection, table, told_apart_by), names)
        with psycopg.connect(self.endpoints["admin_db_url"], autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")

    def settle(self) -> None:
        """Take the events that wait as delivered, so that no run pays for the one before it."""
        with self.database() as connection:
            connection.execute(
                "UPDATE outbox_events SET delivered_at = now() WHERE delivered_at IS NULL"
            )

    def cpu_seconds(self) -> dict[str, float]:
        """What the processes of the product have used so far, by what they are."""
        postmaster = int((self.home / "postgres" / "postmaster.pid").read_text().split()[0])
        valkey = int((self.home / "valkey" / "valkey.pid").read_text().split()[0])
        web, *jobs = psutil.Process(self.pid).children()
        return {
            "web": sum(map(_cpu, web.children())),
            "jobs": sum(map(_cpu, jobs)),
            "PostgreSQL": _cpu(psutil.Process(postmaster)),
            "Valkey": _cpu(psutil.Process(valkey)),
        }


# The columns that tell a copied row from its original, by table; all others are the same.
COPIES = {
    "payments": ("id",),
    "ledger_entries": ("id", "reference"),
    "ledger_postings": ("entry_id",),
    "audit_log": ("id",),
    "outbox_events": ("id",),
    "idempotency_keys": ("key",),
}


@contextmanager
def open_shop(**settings: str) -> Iterator[Shop]:
    """Start the product in a throw-away directory, open the merchant's wallets, stop it again."""
    home = Path(tempfile.mkdtemp(prefix="mealquest-bench-"))
    given = {
        "MQ_DATA_DIR": str(home),
        "MQ_JWT_SECRET": SECRET,
        "MQ_RATE_LIMITS": "off",
        "PORT": str(choose_port(None)),
    }
    product = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py")],
        env=os.environ | given | settings,
        stdout=subprocess.DEVNULL,
    )
    try:
        endpoints = _until_ready(product, home / "endpoints.json")
        shop = Shop(home, product.pid, endpoints, _application(endpoints))
        _fill(shop)
        yield shop
    finally:
        product.terminate()
        product.wait()
        shutil.rmtree(home, ignore_errors=True)


def _until_ready(product: subprocess.Popen[bytes], path: Path) -> dict[str, Any]:
    give_up = time.monotonic() + START_S
    while not path.exists():
        if product.poll() is not None or time.monotonic() > give_up:
            raise RuntimeError("the product did not start")
        time.sleep(0.05)
    endpoints: dict[str, Any] = json.loads(path.read_text())
    return endpoints


def _application(endpoints: dict[str, Any]) -> Flask:
    """In this process, to write customers and to count statements."""
    settings = Settings(
        _env_file=None,
        profile=Profile.DEV,
        jwt_secret=SECRET,
        rate_limits=False,
        log_level="WARNING",
    )
    return create_app(
        settings,
        db_url=endpoints["db_url"],
        admin_url=endpoints["admin_db_url"],
        redis_url=endpoints["redis_url"],
    )


def _fill(shop: Shop) -> None:
    """Customers who pay from one bonus lot, as most do; its id is made of the customer's."""
    rich = {"principal": 1_000_000, "bonus": 1_000_000, "silver": 0}
    with shop.app.app_context(), transaction(MERCHANT) as session:
        currency = tenancy.settings_of(session, MERCHANT).currency
        for number in range(1, CUSTOMERS + 1):
            name = f"{PREFIX}{number}"
            guest = Guest(name, name, **rich, tags=("REGULAR",), fragments={})
            add_guest(session, MERCHANT, guest, currency, "bench")
    with shop.database() as connection:
        connection.execute(
            "UPDATE bonus_lots SET id = 'lot_' || customer_id WHERE starts_with(customer_id, %s)",
            (PREFIX,),
        )
    shop.store(0)


def _copy(
    connection: psycopg.Connection[Any], table: str, told_apart_by: tuple[str, ...]
) -> sql.Composed:
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
        " AND table_schema = current_schema()",
        (table,),
    )
    values = {name: sql.Identifier("t", name) for (name,) in found}
    changed = {
        name: sql.SQL("{} || %(batch)s || copy").format(values[name]) for name in told_apart_by
    }
    return sql.SQL(
        "INSERT INTO {table} ({names})"
        " SELECT {values} FROM {table} t CROSS JOIN generate_series(1, %(copies)s) copy"
    ).format(
        table=sql.Identifier(table),
        names=sql.SQL(", ").join(map(sql.Identifier, values)),
        values=sql.SQL(", ").join((values | changed).values()),
    )


def _cpu(process: psutil.Process) -> float:
    """Of the process and its children, those that have ended too."""
    try:
        times = process.cpu_times()
        children = process.children()
    except psutil.NoSuchProcess:  # an autovacuum worker comes and goes
        return 0.0
    ended = times.children_user + times.children_system
    return sum(map(_cpu, children), times.user + times.system + ended)


def order(customer: int) -> dict[str, Any]:
    return {"userId": f"{PREFIX}{customer}", "orderAmount": AMOUNT}


def token() -> str:
    now = datetime.now(UTC)
    claims = {
        "role": "CLERK",
        "merchantId": MERCHANT,
        "operatorId": "staff_clerk",
        "iat": now,
        "exp": now + timedelta(hours=6),
    }
    return jwt.encode(claims, SECRET, algorithm="HS256")


def _count(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT count(*) FROM payments").fetchone()
    return int(row[0]) if row else 0
