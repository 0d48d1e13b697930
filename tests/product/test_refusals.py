"""What cannot start says why in a sentence, and leaves nothing behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mealquest.engines.processes import choose_port
from tests.engines.conftest import occupied
from tests.product.running import Product, Running, flask

pytestmark = pytest.mark.xdist_group("one_product")

NOWHERE = "postgresql://somebody:hunter2@127.0.0.1:1/nowhere"


@pytest.fixture(scope="module", autouse=True)
def taken(tmp_path_factory) -> Iterator[Product]:
    """A product that waits for its port, while the other tests run, until it has had enough."""
    port = choose_port(None)
    with occupied(port):
        product = Product(tmp_path_factory.mktemp("taken") / "data", port=port)
        yield product
        product.end()


def test_a_wrong_configuration_is_refused_with_every_problem_in_one_message(start, tmp_path):
    product = start(tmp_path / "data", MQ_ENV="prod", MQ_DB_URL="mysql://x", MQ_WEB_THREADS="many")
    assert product.ended() == 2
    for name in ("MQ_DB_URL", "MQ_WEB_THREADS"):
        assert name in product.err
    assert "Traceback" not in product.err
    assert not product.home.exists()


def test_secrets_are_mandatory_outside_development(start, tmp_path):
    product = start(tmp_path / "data", MQ_ENV="prod", MQ_JWT_SECRET="")
    assert product.ended() == 2
    for name in ("MQ_JWT_SECRET", "MQ_PAYMENT_CALLBACK_SECRET", "MQ_ENCRYPTION_KEYS"):
        assert name in product.err


def test_a_second_product_in_one_directory_is_sent_to_the_first(product, tmp_path):
    port = choose_port(None)
    second = Running("app.py", notes=tmp_path, MQ_DATA_DIR=product.home, PORT=port)
    assert second.ended() == 2
    assert product.url in second.err
    assert product.answers()
    assert product.endpoints()["http"] == product.url


@pytest.mark.parametrize("command", ["db", "worker", "scheduler"])
def test_a_database_that_is_away_is_named_without_its_password(tmp_path, command):
    argv = {"db": ("db", "upgrade")}.get(command, (command,))
    run = flask(*argv, notes=tmp_path, MQ_DB_URL=NOWHERE, MQ_REDIS_URL="redis://127.0.0.1:1/0")
    assert run.ended() == 1
    assert run.err.startswith("MealQuest cannot use the database: ")
    assert "127.0.0.1" in run.err
    assert "hunter2" not in run.err
    assert "Traceback" not in run.err


def gunicorn(home: Path, port: int, notes: Path) -> Running:
    argv = ("-m", "gunicorn", "-c", "gunicorn.conf.py", "app:app")
    return Running(*argv, notes=notes, MQ_DATA_DIR=home, PORT=port)


def test_gunicorn_alone_without_engines_says_what_to_do(tmp_path):
    web = gunicorn(tmp_path / "data", choose_port(None), notes=tmp_path)
    assert web.ended() == 1
    assert "are not running. Start MealQuest there first" in web.err
    assert "Traceback" not in web.err


def test_gunicorn_alone_uses_the_engines_that_run_and_leaves_them_running(product, tmp_path):
    port = choose_port(None)
    web = gunicorn(product.home, port, notes=tmp_path)
    try:
        web.until_it_answers(f"http://127.0.0.1:{port}/api/health")
        web.process.terminate()
        assert web.ended() == 0
    finally:
        web.end()
    assert product.answers()


def test_a_taken_port_is_named_and_another_one_suggested(taken):
    assert taken.ended() == 2
    assert f":{taken.port}" in taken.err
    assert "PORT=" in taken.err
    assert taken.left_behind() == []
