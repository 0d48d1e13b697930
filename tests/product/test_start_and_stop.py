"""`python app.py` from nothing to a working product, and back to nothing."""

import json
import os
import shutil
import signal
import threading
from pathlib import Path

import httpx
import psycopg
import pytest

from mealquest.engines.processes import UNSHARE, Account
from tests.engines.conftest import lives
from tests.product.running import GUEST, MERCHANT, until

STOP_S = 10


def test_one_command_makes_a_working_product_of_nothing_and_leaves_nothing_running(start, tmp_path):
    product = start(tmp_path / "a new place" / "data").ready()

    assert httpx.get(f"{product.url}/health").json()["ok"] is True
    assert product.answers("/api/health")
    items = httpx.get(f"{product.url}/api/merchant/catalog").json()["items"]
    assert [item["merchantId"] for item in items] == ["m_bistro", "m_store_001"]
    assert set(product.children()) == {"gunicorn", "worker", "scheduler"}
    endpoints = product.endpoints()
    assert endpoints["http"] == product.url
    with psycopg.connect(endpoints["db_url"]) as connection:
        assert connection.info.user == "mealquest_app"
    with psycopg.connect(endpoints["admin_db_url"]) as connection:
        assert connection.info.user == "mealquest_owner"
    assert endpoints["redis_url"].startswith("redis://")
    assert (product.home / "endpoints.json").stat().st_mode & 0o777 == 0o600

    assert product.stop() < STOP_S


def test_a_terminal_shows_one_screen_and_its_ctrl_c_lets_requests_end(start, home):
    product = start(home, MQ_RUN_WORKER=0).ready()
    for _ in range(20):
        assert product.answers()

    screen = product.out.splitlines()
    assert len(screen) < 25
    assert any(product.url in line for line in screen)
    assert any("+8613900000003" in line and "CLERK" in line for line in screen)
    assert any("embedded" in line for line in screen)
    assert product.err == ""
    log = home / "logs" / "mealquest.log"
    assert any(str(log) in line for line in screen)
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum(entry.get("route") == "/api/health" for entry in entries) == 20

    check_that_ctrl_c_finishes_the_requests_in_hand(product)


def check_that_ctrl_c_finishes_the_requests_in_hand(product) -> None:
    """A terminal sends SIGINT to the whole process group."""
    answers = []
    with product.client() as client:
        taking = threading.Thread(target=lambda: answers.append(product.verify(client)))
        with product.database() as database, database.transaction():
            database.execute(
                "select from wallets where merchant_id = %s and customer_id = %s for update",
                (MERCHANT, GUEST),
            )
            taking.start()
            until(product.somebody_waits, "the payment waits for the wallet")
            os.killpg(product.process.pid, signal.SIGINT)
            until(lambda: not product.answers("/health"), "no new requests are taken")
        taking.join()

    assert answers[0].status_code == 200
    assert product.ended(STOP_S) == 0
    assert product.left_behind() == []


def test_a_stop_in_the_middle_of_the_start_is_a_stop(start, home):
    product = start(home)
    until(lambda: lives(home, "postgres"), "PostgreSQL is up")
    product.stop()
    assert product.out == ""


def test_two_installations_run_side_by_side_one_of_them_without_background_work(
    start, home, tmp_path
):
    shutil.copytree(home, tmp_path / "copy")
    here = start(home)
    there = start(tmp_path / "copy", MQ_RUN_WORKER=0)
    here.ready(), there.ready()

    assert set(there.children()) == {"gunicorn"}
    assert "MQ_RUN_WORKER" in there.out
    with here.client() as client:
        paid = here.verify(client).json()["paymentTxnId"]
    with there.client() as client:
        assert client.get(f"/api/payments/{paid}").status_code == 404
        assert there.verify(client).status_code == 200
    here.stop()
    assert there.answers()
    there.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
def test_an_ordinary_user_needs_nothing_from_root(start, home):
    """In a namespace of its own a process of root is nobody, and may still read our Python."""
    if Account(prefix=UNSHARE).run("true", cwd=Path("/")).returncode:
        pytest.skip("this system refuses user namespaces")
    product = start(home, prefix=UNSHARE).ready()
    with product.client() as client:
        assert product.verify(client).status_code == 200
    assert "CapEff:\t0000000000000000" in Path(f"/proc/{product.process.pid}/status").read_text()
    product.stop()
