"""Products to test, and the installation that most of them are copies of."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from mealquest.engines.files import FileLock
from tests.fakes.sms import SmsEdge
from tests.product.running import Product, flask


@pytest.fixture(scope="session")
def installation(tmp_path_factory, worker_id) -> Path:
    """A stopped directory with the demo data, made once by the commands an operator would use."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    home = shared / "installation"
    with FileLock(shared / "installation.lock") as turn:
        assert turn.exclusive(seconds=60)
        if not home.exists():
            for command in (("db", "upgrade"), ("demo", "load")):
                run = flask(*command, notes=shared, MQ_DATA_DIR=home)
                assert run.ended() == 0, run.err
    return home


@pytest.fixture
def home(installation, tmp_path) -> Path:
    """A copy of a stopped directory, in a place whose name is hard to quote."""
    copy = tmp_path / "Dinner $HOME 'día' 晚饭"
    shutil.copytree(installation, copy)
    return copy


@pytest.fixture
def start() -> Iterator[Callable[..., Product]]:
    """Start products; what is left of them at the end is killed."""
    with ExitStack() as stack:

        def begin(home: Path, **settings: Any) -> Product:
            product = Product(home, **settings)
            stack.callback(product.end)
            return product

        yield begin


@pytest.fixture(scope="package")
def edge() -> Iterator[SmsEdge]:
    with SmsEdge() as edge:
        yield edge


@pytest.fixture(scope="package")
def product(installation, tmp_path_factory, edge) -> Iterator[Product]:
    """One product for the tests of the group `one_product`; each leaves it working."""
    with copied(installation, tmp_path_factory.mktemp("shared"), edge) as product:
        yield product


@contextmanager
def copied(installation: Path, place: Path, edge: SmsEdge) -> Iterator[Product]:
    """A product that runs on a copy of the installation, and stops as it should."""
    shutil.copytree(installation, place / "data")
    product = Product(place / "data", MQ_SMS_WEBHOOK_URL=edge.url)
    try:
        yield product.ready()
        product.stop()
    finally:
        product.end()
