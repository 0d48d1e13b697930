"""A database that goes away fails its own merchants, at once and clearly, and nobody else."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import psycopg
import pytest

from jobs import waiting
from jobs.outbox import relay
from jobs.schedule import duties, tick
from mealquest.core import outbox, watch
from mealquest.core.db import databases, transaction
from mealquest.core.principal import Principal, Role
from mealquest.ops import doctor
from mealquest.payments import service as payments
from mealquest.payments.forms import VerifyForm
from tests.factories.http import bearer, client_of
from tests.factories.outside import post_callback
from tests.factories.requests import keyed
from tests.places.conftest import HOT

AT_ONCE_S = 0.5  # on a machine that others use as well


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(watch, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(watch, "HANGS_S", 0.2)


def ask(app, shop) -> tuple[int, float]:
    """Status and seconds of a quote."""
    body = {"merchantId": shop.merchant_id, "userId": shop.customer, "orderAmount": 5}
    began = time.monotonic()
    answer = client_of(app).post(
        "/api/payment/quote", json=body, headers=bearer(shop.tokens[Role.OWNER])
    )
    return answer.status_code, time.monotonic() - began


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_the_merchant_hears_503_at_once_and_others_work_on(
    hot, calm, places, line, impatient
) -> None:
    line.refuse()
    ask(places, hot)
    client = client_of(places)
    answer = client.get(f"/api/audit/logs?merchantId={HOT}", headers=bearer(hot.tokens[Role.OWNER]))
    assert (answer.status_code, answer.get_json()["code"]) == (503, "MERCHANT_UNAVAILABLE")
    page = client.get("/console/payments", headers=bearer(hot.tokens[Role.OWNER]))
    assert page.status_code == 503
    assert all(ask(places, hot)[0] == 503 for _ in range(3))
    assert max(ask(places, hot)[1] for _ in range(3)) < AT_ONCE_S
    assert ask(places, calm)[0] == 200
    assert [i["merchantId"] for i in client.get("/api/merchant/catalog").get_json()["items"]] == [
        "m_calm",
        HOT,
    ]
    for public in ("/console/sign-in", "/api/merchant/catalog"):
        assert client.get(public, headers=bearer(hot.tokens[Role.OWNER])).status_code == 200
    health = client.get("/api/health")
    assert health.status_code == 200
    assert health.get_json()["databases"] == [{"name": HOT, "status": "degraded"}]

    line.restore()
    until(lambda: ask(places, hot)[0] == 200)
    assert client.get("/api/health").get_json()["databases"][0]["status"] == "connected"


def test_background_work_goes_on_for_the_others(hot, calm, places, line, impatient) -> None:
    relay()
    with transaction(HOT) as session:
        outbox.publish(session, HOT, "MADE_UP", {})
    line.refuse()
    with transaction(calm.merchant_id) as session:
        outbox.publish(session, calm.merchant_id, "MADE_UP", {})
    assert relay() == "handled 1"
    tick(duties(), places.extensions["bells"])
    found = {report.check.name: report for report in doctor.examine()}
    assert [f.about.partition(" ")[0] for f in found["databases"].findings] == [HOT]
    assert found["wallet_balances" if "wallet_balances" in found else "work"].is_sound

    line.restore()
    until(lambda: databases().named(HOT).watch.look() is None)
    assert relay() == "handled 1"


def test_the_gateways_word_is_kept_at_home_until_the_shop_is_back(hot, places, line, impatient):
    owner = Principal(Role.OWNER, "staff_owner", HOT)
    form = VerifyForm(user_id=hot.customer, order_amount=Decimal(5_000), voucher_id="NONE")
    asked = payments.verify(HOT, form, owner, keyed(form, "large", owner))
    assert asked.external_payment
    said = {
        "merchantId": HOT,
        "paymentTxnId": asked.payment_txn_id,
        "status": "SUCCESS",
        "callbackId": "cb_1",
        "externalTxnId": "ext_1",
        "paidAmount": float(asked.external_payment.payable_amount),
    }
    line.refuse()
    assert post_callback(client_of(places), said).status_code < 300
    line.restore()
    until(lambda: databases().named(HOT).watch.look() is None)
    until(lambda: waiting.do() == "done 1")
    assert payments.payment(HOT, asked.payment_txn_id, owner).status == "PAID"


def test_one_that_falls_silent_keeps_nobody_for_long(hot, calm, places, line, impatient) -> None:
    assert ask(places, hot)[0] == 200
    line.silence()
    with ThreadPoolExecutor(6) as pool:
        caught = [pool.submit(ask, places, hot) for _ in range(5)]
        assert ask(places, calm)[0] == 200
        assert {status for status, _ in (one.result() for one in caught)} == {503}
        assert max(seconds for _, seconds in (one.result() for one in caught)) < 8
    assert max(ask(places, hot)[1] for _ in range(3)) < AT_ONCE_S
    line.restore()
    until(lambda: ask(places, hot)[0] == 200)


def test_an_old_schema_is_not_worked_with(hot, places, hot_tables, impatient) -> None:
    seen = databases().named(HOT).watch
    with psycopg.connect(hot_tables.config["MIGRATION_URL"], autocommit=True) as owner:
        now = owner.execute("SELECT version_num FROM alembic_version").fetchone()
        owner.execute("UPDATE alembic_version SET version_num = '0027_recovery'")
        try:
            assert "0027_recovery" in (seen.look() or "")
            assert ask(places, hot)[0] == 503
        finally:
            owner.execute("UPDATE alembic_version SET version_num = %s", now)
    until(lambda: ask(places, hot)[0] == 200)


def test_threads_at_both_never_pass_the_bounds_of_a_pool(hot, calm, places, hot_tables) -> None:
    most, over = [0], threading.Event()

    def count() -> None:
        name = hot_tables.config["MIGRATION_URL"].rpartition("/")[2]
        with psycopg.connect(hot_tables.config["MIGRATION_URL"], autocommit=True) as owner:
            while not over.is_set():
                row = owner.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
                    " AND application_name = 'mealquest'",
                    [name],
                ).fetchone()
                most[0] = max(most[0], row[0] if row else 0)
                over.wait(0.01)

    counter = threading.Thread(target=count)
    counter.start()
    with ThreadPoolExecutor(12) as pool:
        both = [hot, calm] * 60
        statuses = {status for status, _ in pool.map(lambda shop: ask(places, shop), both)}
    over.set()
    counter.join()
    assert statuses == {200}
    assert 1 < most[0] <= 3 + 1  # the pool's, and one that looks
