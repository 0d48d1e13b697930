"""The command as an operator runs it, and what a product does by itself when it starts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mealquest import launch
from mealquest.identity import service as identity
from mealquest.legacy.service import LegacyRefused
from mealquest.tenancy import service as tenancy
from tests.legacy import books
from tests.legacy.old_server import BISTRO, STORE
from tests.legacy.shops import busy_day
from tests.product.running import environment

FLASK = [sys.executable, "-m", "flask", "--app", str(Path(__file__).parents[2] / "app.py")]


@pytest.fixture
def old(keep):
    made = busy_day()
    keep(made.document())
    return made


def test_the_command_brings_a_snapshot_in(app, old, tmp_path):
    """A process of its own, on the servers of this test."""
    ran = subprocess.run(
        [*FLASK, "legacy", "import", "--json"],
        env=environment(
            MQ_DB_URL=app.config["MIGRATION_URL"],
            MQ_REDIS_URL="redis://127.0.0.1:1/0",
            STRIPE_API_BASE="http://127.0.0.1:1",
            MQ_ENV="test",
            MQ_DATA_DIR=tmp_path,
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert (report["done"], report["source"]["key"]) == (True, "main")
    assert books.sums(STORE) == books.held_by(old.state, STORE)


def test_the_command_tells_for_people(app, old):
    run = app.test_cli_runner().invoke
    dry = run(args=["legacy", "import", "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert dry.output.startswith("2 merchants, ")
    for line in ("m_bistro (Bistro Harbor)", "wallet.principal", "left out:", "to look at:"):
        assert line in dry.output
    assert tenancy.catalog().total == 0
    wrong = run(args=["legacy", "import", "--table", "nowhere"])
    assert wrong.exit_code == 1
    assert "there is no such table" in wrong.output


def test_an_owner_who_came_without_a_phone_gets_one(app, old):
    run = app.test_cli_runner().invoke
    run(args=["legacy", "import"])
    done = run(args=["legacy", "owner-phone", BISTRO, "+8613900000010"])
    assert done.output == f"staff_owner of {BISTRO} signs in with +8613900000010\n"
    assert identity.works_at(BISTRO, "+8613900000010")
    assert run(args=["legacy", "owner-phone", BISTRO, "+8613900000011"]).exit_code == 1
    assert run(args=["legacy", "owner-phone", BISTRO, "12"]).exit_code == 1


def test_a_product_that_starts_brings_it_in_once(app, old, monkeypatch, tmp_path, capsys):
    settings = app.config["SETTINGS"].model_copy(update={"data_dir": tmp_path})
    monkeypatch.setitem(app.config, "SETTINGS", settings)
    launch.prepare(app)
    assert "2 merchants" in capsys.readouterr().out
    told = json.loads((tmp_path / launch.LEGACY_REPORT).read_text())
    assert told["done"]
    assert books.sums(STORE) == books.held_by(old.state, STORE)
    launch.prepare(app)
    assert capsys.readouterr().out == ""


def test_a_product_does_not_start_on_a_snapshot_it_cannot_understand(app, old, keep):
    old.state["giftCards"] = {"g_1": {"value": 5}}
    keep(old.document())
    with pytest.raises(LegacyRefused) as refused:
        launch.prepare(app)
    assert isinstance(refused.value, launch.CANNOT_START)
    assert "giftCards" in launch.explain(refused.value)
    assert tenancy.catalog().total == 0
