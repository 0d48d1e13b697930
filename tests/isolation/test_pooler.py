"""Two shops at once through a PgBouncer whose few connections they share."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal

import psycopg
import pytest
from flask import Flask
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text

from jobs import housekeeping, outbox, wallet
from jobs import payments as settling
from mealquest.application import create_app
from mealquest.core.db import connect_directly, db, platform_transaction, transaction
from mealquest.core.ids import new_id
from mealquest.core.principal import Role
from mealquest.core.settings import Profile, Settings
from mealquest.engines.service import Endpoints
from mealquest.launch import servers
from mealquest.ops import doctor
from mealquest.strategy.agent import run as agent
from tests.conftest import JWT_SECRET
from tests.factories.http import bearer, client_of
from tests.isolation.pooler import figures, pooling
from tests.web.shops import Shop, open_shop

CONNECTIONS, ROUNDS = 2, 8
NOTHING = Endpoints(None, None, None)  # no embedded server runs
WHERE = text(
    "SELECT pg_backend_pid() AS pid, current_user AS role,"
    " current_setting('app.merchant_ids') AS merchants,"
    " (SELECT count(DISTINCT merchant_id) FROM customers) AS shops,"
    " (SELECT min(merchant_id) FROM customers) AS shop"
)
# Of a connection nobody has opened a transaction on: its login, and nothing in scope.
BARE = (
    "SELECT current_user = session_user, current_setting('role'),"
    " coalesce(current_setting('app.merchant_ids', true), ''), count(*)"
    " FROM pg_prepared_statements"
)


@dataclass(frozen=True)
class Pooled:
    app: Flask
    url: str
    database: str


@pytest.fixture
def pooled(app: Flask) -> Iterator[Pooled]:
    """Another application over the same database, through the pooler."""
    direct, bells = app.config["MIGRATION_URL"], app.extensions["bells"]
    with pooling(direct, connections=CONNECTIONS) as url:
        settings = Settings(
            _env_file=None,
            profile=Profile.TEST,
            jwt_secret=JWT_SECRET,
            db_pool_max=20,
            db_url=url,
            db_direct_url=direct,
            log_level="WARNING",
        )
        other = create_app(settings, db_url=url, admin_url=direct, redis_url=bells._url)
        other.config["TESTING"] = True
        yield Pooled(other, url, str(conninfo_to_dict(url)["dbname"]))
        with other.app_context():
            db.engine.dispose()
            agent.store().close()


def test_two_shops_share_connections_and_nothing_else(pooled: Pooled) -> None:
    alpha, beta = open_shop("Alpha", 6), open_shop("Beta", 8)
    seen: dict[int, set[str]] = {}
    work: list[Callable[[], None]] = [run_jobs, lambda: stay_bare(pooled.url)]
    for own, other in ((alpha, beta), (beta, alpha)):
        work.append(lambda own=own, other=other: sell(pooled.app, own, other))
        work.append(lambda own=own, other=other: read(pooled.app, own, other))
        work.append(lambda own=own: look_around(own, seen))

    def begin(part: Callable[[], None]) -> None:
        with pooled.app.app_context():
            part()

    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(begin, part) for part in work]:
            done.result()

    pool_now = figures(pooled.url, pooled.database)
    assert pool_now["servers"] <= CONNECTIONS < pool_now["clients"]
    assert len(seen) <= CONNECTIONS
    shared = {alpha.merchant_id, beta.merchant_id}
    assert shared in seen.values(), "no connection served both"
    found = [one for shop in shared for each in doctor.examine(only=shop) for one in each.findings]
    assert [one for one in found if one.merchant_id in shared] == []


def sell(app: Flask, own: Shop, other: Shop) -> None:
    """Orders of one customer, each of them taken."""
    client, owner = client_of(app), bearer(own.tokens[Role.OWNER])
    for _ in range(ROUNDS):
        order = {"userId": own.customer, "orderAmount": 3, "voucherId": "NONE"}
        key = {"Idempotency-Key": new_id("k")}
        taken = client.post("/api/payment/verify", json=order, headers=owner | key)
        assert taken.status_code == 200, taken.text
        theirs = order | {"userId": other.customer}
        key = {"Idempotency-Key": new_id("k")}
        refused = client.post("/api/payment/verify", json=theirs, headers=owner | key)
        assert refused.status_code == 404, refused.text


def read(app: Flask, own: Shop, other: Shop) -> None:
    """Lists, a page, an export that is read by a cursor, the ledger of another's customer."""
    client, owner = client_of(app), bearer(own.tokens[Role.OWNER])
    mine, theirs = own.secrets[0], [*other.secrets, other.customer]
    for _ in range(ROUNDS):
        for url in ("/api/customers", "/console/customers", "/api/customers.csv"):
            shown = client.get(url, headers=owner)
            assert shown.status_code == 200, shown.text
            assert mine in shown.text
            assert not [text for text in theirs if text in shown.text]
        query = {"userId": other.customer}
        nothing = client.get("/api/payment/ledger", query_string=query, headers=owner)
        assert nothing.get_json()["items"] == []


def look_around(own: Shop, seen: dict[int, set[str]]) -> None:
    """Where each transaction lands, as whom, and what it sees without any filter."""
    for _ in range(ROUNDS * 6):
        with transaction(own.merchant_id) as session:
            row = session.execute(WHERE).one()
        assert row[1:] == ("mealquest_app", own.merchant_id, 1, own.merchant_id)
        seen.setdefault(row.pid, set()).add(own.merchant_id)


def run_jobs() -> None:
    for _ in range(ROUNDS // 3):
        for job in (outbox.relay, settling.settle, wallet.expire, housekeeping.purge):
            job()
        with platform_transaction("a test counts all shops") as session:
            assert session.execute(WHERE).one().shops == 2


def stay_bare(url: str) -> None:
    """Another program on the same connections: what our transactions set went with them."""
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        for _ in range(ROUNDS * 6):
            assert connection.execute(BARE).fetchone() == (True, "none", "", 0)


def test_what_is_set_for_a_session_would_have_been_seen_by_the_next(pooled: Pooled) -> None:
    """Or the test above proves nothing."""
    with (
        psycopg.connect(pooled.url, autocommit=True, prepare_threshold=None) as careless,
        psycopg.connect(pooled.url, autocommit=True, prepare_threshold=None) as next_one,
    ):
        careless.execute("SELECT set_config('app.merchant_ids', 'm_alpha', false)")
        row = next_one.execute("SELECT current_setting('app.merchant_ids', true)").fetchone()
        careless.execute("SELECT set_config('app.merchant_ids', '', false)")
    assert row == ("m_alpha",)


def test_what_needs_a_connection_of_its_own_goes_past_the_pooler(pooled: Pooled) -> None:
    port = int(conninfo_to_dict(pooled.url)["port"])
    with pooled.app.app_context():
        with connect_directly() as leads, connect_directly() as stands_by:
            assert leads.connection.dbapi_connection.info.port != port
            lock = text("SELECT pg_try_advisory_lock(7230999)")
            assert leads.scalar(lock)
            assert not stands_by.scalar(lock)
        with connect_directly() as leads:
            assert leads.scalar(lock), "the lock ends with its connection"
        with agent.store().saver().conn.connection() as kept:
            assert kept.info.port != port
        with transaction() as session:
            assert session.connection().connection.dbapi_connection.info.port == port


def test_who_migrates_goes_past_the_pooler_without_being_told() -> None:
    pooler, direct = "postgresql://app@pooler:6432/shop", "postgresql://app@server:5432/shop"
    found = servers(Settings(_env_file=None, db_url=pooler, db_direct_url=direct), NOTHING)
    assert (found.db_url, found.admin_url) == (pooler, direct)


def test_money_through_the_pooler_is_right(pooled: Pooled) -> None:
    """Each statement more often than the driver waits before it prepares one."""
    shop = open_shop("Alpha", 6)
    client, owner = client_of(pooled.app), bearer(shop.tokens[Role.OWNER])
    paid = Decimal(0)
    for number in range(8):
        order = {"userId": shop.customer, "orderAmount": number + 1, "voucherId": "NONE"}
        key = {"Idempotency-Key": f"k-{number}"}
        for _ in range(2):  # the second is a replay
            taken = client.post("/api/payment/verify", json=order, headers=owner | key)
            assert taken.status_code == 200, taken.text
        paid += number + 1
    with transaction(shop.merchant_id) as session:
        sum_of_payments = text("SELECT sum(order_minor) FROM payments WHERE id <> :first")
        assert session.scalar(sum_of_payments, {"first": shop.payment}) == paid * 100
