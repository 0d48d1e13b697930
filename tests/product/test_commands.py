"""Commands beside a running product attach to its engines and leave them running."""

import json

import httpx
import pytest

from tests.engines.conftest import pids
from tests.product.running import RELAYED, VERIFIED, Running, flask, until

pytestmark = pytest.mark.xdist_group("one_product")


def beside(product, *argv: str, **settings) -> Running:
    """Run a command to its end while the product runs, and check that nothing came of its end."""
    before = pids(product.home)
    run = flask(*argv, notes=product.home.parent, MQ_DATA_DIR=product.home, **settings)
    run.ended()
    assert pids(product.home) == before
    assert product.answers()
    return run


def test_commands_run_alone_started_and_stopped_the_engines_that_made_this_installation(
    installation,
):
    assert (installation / "postgres").is_dir()
    assert pids(installation) == {}


def test_migrations_and_demo_data_may_be_asked_for_again(product):
    assert beside(product, "db", "upgrade").process.returncode == 0
    again = beside(product, "demo", "load")
    assert again.process.returncode == 0
    assert "already" in again.out


def test_demo_data_are_refused_in_production(product):
    secrets = {
        "MQ_PAYMENT_CALLBACK_SECRET": "a secret of this test",
        "MQ_ENCRYPTION_KEYS": "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    }
    run = beside(product, "demo", "load", MQ_ENV="prod", **secrets)
    assert run.process.returncode == 1
    assert "refused in prod" in run.err


def test_a_merchant_is_onboarded_at_the_running_product(product):
    order = ("onboard-merchant", "--merchant-id", "m_new", "--name", "New Place")
    run = beside(product, *order, "--no-seed-demo-users", "--base-url", product.url)
    assert run.process.returncode == 0, run.err
    assert json.loads(run.out) == {
        "ok": True,
        "merchantId": "m_new",
        "merchantName": "New Place",
        "seededUsers": [],
    }
    there = httpx.get(f"{product.url}/api/merchant/exists", params={"merchantId": "m_new"})
    assert there.json()["exists"] is True

    again = beside(product, *order, "--base-url", product.url)
    assert again.process.returncode == 1
    assert "409" in again.err


def test_a_worker_in_burst_mode_ends_when_nothing_is_left(product):
    assert beside(product, "worker", "--burst").process.returncode == 0


def test_declared_routes_are_listed_with_who_may_call_them(product):
    lines = beside(product, "declared-routes").out.splitlines()
    verify = next(line for line in lines if "/api/payment/verify" in line)
    assert "CLERK" in verify
    assert "PAYMENT_VERIFY" in verify


def test_figures_of_web_server_and_worker_add_up(product):
    with product.client() as client:
        for _ in range(3):
            assert product.verify(client).status_code == 200
    assert product.figures()[VERIFIED] >= 3
    until(lambda: product.figures()[RELAYED] >= 1, "a worker counted a relay that it ran")
