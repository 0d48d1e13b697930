"""A merchant moves between two servers while it is written to without a pause.

`python -m bench.moves [rounds]`. Two embedded servers of its own, crash-safe; 20 merchants with
10,000 rows each at home. Prints how long the copy took, how long writers were held, and the longest
time that one of them waited for an answer, there and back.
"""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
from flask import Flask
from flask_migrate import upgrade
from psycopg.conninfo import conninfo_to_dict

from bench.verify import _machine as machine
from mealquest.application import create_app
from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.core.principal import SYSTEM
from mealquest.core.settings import Profile, Settings
from mealquest.engines.service import Endpoints, running, superuser_login
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.moves import acts
from mealquest.tenancy.moves.drive import Steps

MERCHANTS, ROWS, WRITERS = 20, 10_000, 3
HOT = "m_move_1"
FILL = """
INSERT INTO ledger_entries (merchant_id, id, kind, reference, customer_id, amount_minor, currency,
                            details)
SELECT m.id, 'txn_' || n, 'TOP_UP', 'ref_' || n, 'u_1', n, 'CNY', jsonb_build_object('n', n)
  FROM merchants m, generate_series(1, %s) n
"""
GUESTS = """
INSERT INTO customers (merchant_id, id, display_name, tags, fragments)
SELECT id, 'u_1', 'Guest', '{}', '{}' FROM merchants
"""
WRITE = (
    "INSERT INTO outbox_events (merchant_id, id, type, payload, delivered_at)"
    " VALUES (%(m)s, %(id)s, 'BENCH', '{}', now())"
)


class Clock(Steps):
    """How long each step took, in milliseconds."""

    def __init__(self) -> None:
        self.took: dict[str, float] = {}
        self._last, self._since = "before", time.monotonic()

    def reached(self, name: str) -> None:
        now = time.monotonic()
        self.took[self._last] = (now - self._since) * 1000
        self._last, self._since = name, now


class Writers:
    """Threads that write one row after the other; `gap_ms` is the longest wait of any."""

    def __init__(self, app: Flask) -> None:
        self.written, self.gap_ms, self.failed = 0, 0.0, 0
        self._stop, self._app = threading.Event(), app
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(WRITERS)]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _write(self, name: int) -> None:
        number = 0
        with self._app.app_context():
            while not self._stop.is_set():
                number, began = number + 1, time.monotonic()
                values = {"m": HOT, "id": f"bench_{id(self)}_{name}_{number}"}
                with transaction(HOT) as session:
                    session.connection().exec_driver_sql(WRITE, values)
                self.gap_ms = max(self.gap_ms, (time.monotonic() - began) * 1000)
                self.written += 1


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print(machine(), flush=True)
    with two_servers() as app, app.app_context():
        for number in range(rounds):
            with Writers(app) as writers:
                time.sleep(1)
                line(f"round {number + 1}", writers)


def line(name: str, writers: Writers) -> None:
    began, before = time.monotonic(), writers.written
    clock = Clock()
    acts.switch_over(HOT, SYSTEM, steps=clock)
    seconds, written = time.monotonic() - began, writers.written - before
    figures = move_of().figures
    gap, writers.gap_ms = writers.gap_ms, 0.0
    copied = sum(figures["whole"].values())
    print(
        f"{name}: {copied:,} rows copied in {clock.took['copy']:,.0f} ms, in step after"
        f" {clock.took['subscription']:,.0f} ms more; {written / seconds:,.0f} writes/s meanwhile",
        f"  there: writers held {figures['pauseMs']} ms, longest wait {gap:.0f} ms,"
        f" all in {seconds:.1f} s",
        sep="\n",
    )
    time.sleep(1)
    acts.switch_back(HOT)
    print(
        f"  back:  writers held {move_of().figures['backPauseMs']} ms, longest wait"
        f" {writers.gap_ms:.0f} ms",
        flush=True,
    )


def move_of() -> tenancy.Move:
    return tenancy.past_moves(HOT, 1)[0]


@contextmanager
def two_servers() -> Iterator[Flask]:
    with tempfile.TemporaryDirectory(prefix="mealquest-bench-") as directory:
        home_data, own_data = Path(directory) / "home", Path(directory) / "own"
        with running(home_data) as home, running(own_data, valkey=False) as own:
            admin = superuser_login(own_data, own.admin_db_url or "") or ""
            app = application(home_data, home, own, admin)
            with app.app_context():
                app.config["MIGRATION_URLS"][HOT] = (own.admin_db_url, own.db_url)
                upgrade()
                fill(superuser_login(home_data, home.admin_db_url or "") or "")
            yield app
            app.extensions["places"].end()


def application(data: Path, home: Endpoints, own: Endpoints, admin: str) -> Flask:
    found = conninfo_to_dict(admin)
    where = f"host={quote(str(found['host']), safe='')}&port={found['port']}"
    url = f"postgresql://{found['user']}@/{found['dbname']}?{where}"
    return create_app(
        Settings(
            _env_file=None,
            profile=Profile.TEST,
            jwt_secret="of this benchmark only, 32 bytes",
            data_dir=data,
            tenant_db_map=json.dumps({HOT: {"url": own.db_url, "adminUrl": url}}),
            tenant_db_pool_max=WRITERS + 2,
            db_pool_max=WRITERS + 5,
            log_level="ERROR",
        ),
        db_url=home.db_url or "",
        admin_url=home.admin_db_url or "",
        redis_url=home.redis_url or "",
    )


def fill(login: str) -> None:
    names = [f"m_move_{n}" for n in range(1, MERCHANTS)] + ["m_move_0"]
    with psycopg.connect(login) as connection:
        for name in names:
            connection.execute("INSERT INTO merchants (id, name) VALUES (%s, %s)", [name, name])
            connection.execute(
                "INSERT INTO merchant_settings (merchant_id, name, currency, time_zone, locale,"
                " refund_policy, budget_cap_minor, cluster_id)"
                " VALUES (%s, %s, %s, 'UTC', 'en', 'CLAWBACK', 1, %s)",
                [name, name, Currency.CNY.value, name],
            )
        connection.execute(GUESTS)
        connection.execute(FILL, [ROWS])


if __name__ == "__main__":
    main()
