"""From the newest PostgreSQL to the oldest that is supported, and back."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask_migrate import upgrade

from mealquest.core.db import db
from mealquest.engines.processes import choose_port, hand_over, unprivileged_account
from mealquest.tenancy import service as tenancy
from tests.factories.requests import OWNER
from tests.tenancy.moves.conftest import make_app
from tests.tenancy.moves.shop import Shop

pytestmark = pytest.mark.xdist_group("moves")

DEBIAN = Path("/usr/lib/postgresql/15/bin")
MERCHANT = "m_older"


@pytest.fixture
def older() -> Iterator[str]:
    """The superuser's URL of a PostgreSQL 15."""
    if not DEBIAN.is_dir():
        reason = f"no {DEBIAN}: apt-get install postgresql-15"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    directory, port = Path(tempfile.mkdtemp(prefix="mealquest-older-")), choose_port(None)
    data = directory / "data"
    data.mkdir(mode=0o700)
    account = unprivileged_account(directory)
    hand_over(data, account)

    def run(program: str, *options: str) -> None:
        outcome = account.run(DEBIAN / program, "-D", ".", *options, cwd=data)
        assert outcome.returncode == 0, outcome.stderr

    asks = f"-h 127.0.0.1 -p {port} -k {data} -F -c wal_level=logical -c max_slot_wal_keep_size=1GB"
    try:
        run("initdb", "-U", "postgres", "-E", "UTF8", "--locale=C", "-A", "trust", "--no-sync")
        run("pg_ctl", "-w", "-l", "log", "-o", asks, "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory)


def test_there_and_back_between_versions_while_it_works(pair, older) -> None:
    app = make_app(pair.home_data, pair.endpoints, older, older, pair.redis, only=MERCHANT)
    with app.app_context():
        upgrade(x_arg=f"database={MERCHANT}")
        shop = Shop.opened(MERCHANT)
        with shop.busy(app):
            assert [one for one in tenancy.preflight(MERCHANT) if not one.ok] == []
            assert tenancy.cutover(MERCHANT, "", OWNER).report.holds
            assert tenancy.rollback(MERCHANT, OWNER).report.holds
        shop.require_complete()
        app.extensions["places"].end()
        db.engine.dispose()
