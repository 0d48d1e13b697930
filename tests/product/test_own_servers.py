"""On an operator's own PostgreSQL 15 and Redis: nothing embedded is started."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from mealquest.engines.processes import choose_port, hand_over, unprivileged_account
from tests.engines.conftest import cleaned, used
from tests.product.running import Running, flask

DEBIAN = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "Dinner for 15"
# What row-level security shows of all customers to a transaction of one merchant.
LOOK = """
from sqlalchemy import text
from app import app
from mealquest.core.db import transaction

with app.app_context(), transaction("m_bistro") as session:
    print(session.scalar(text("select session_user")), session.scalar(text("select current_user")))
    print(session.scalars(text("select distinct merchant_id from customers")).all())
"""


class Servers:
    """A PostgreSQL 15 with one superuser, `postgres`, and a Redis."""

    def __init__(self, port: int, redis_url: str) -> None:
        self._at, self.redis_url = f"127.0.0.1:{port}", redis_url

    def url(self, database: str, user: str = "postgres", password: str = PASSWORD) -> str:
        return f"postgresql://{user}:{password.replace(' ', '%20')}@{self._at}/{database}"

    def settings(self, database: str, **other: str) -> dict[str, str]:
        return {"MQ_DB_URL": self.url(database), "MQ_REDIS_URL": self.redis_url} | other


@pytest.fixture(scope="module")
def theirs() -> Iterator[Servers]:
    if not DEBIAN.is_dir():
        reason = f"no {DEBIAN}: apt-get install postgresql-15"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    directory = Path(tempfile.mkdtemp(prefix="mealquest-own-"))
    data, port = directory / "data", choose_port(None)
    data.mkdir(mode=0o700)
    (directory / "password").write_text(PASSWORD)
    account = unprivileged_account(directory)
    hand_over(data, account)

    def run(program: str, *options: str) -> None:
        outcome = account.run(DEBIAN / program, "-D", ".", *options, cwd=data)
        assert outcome.returncode == 0, outcome.stderr

    try:
        secret = ("-A", "scram-sha-256", "--pwfile=../password")
        run("initdb", "-U", "postgres", "-E", "UTF8", "--locale=C", *secret, "--no-sync")
        run("pg_ctl", "-w", "-l", "log", "-o", f"-h 127.0.0.1 -p {port} -k {data} -F", "start")
        with cleaned(directory / "queue") as queue, used(queue, postgres=False) as found:
            yield Servers(port, found.redis_url)
        run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory)


def test_the_whole_product_runs_on_them_even_for_a_superuser_under_row_level_security(
    start, theirs, tmp_path
):
    home = tmp_path / "data"
    product = start(home, MQ_RUN_WORKER=0, **theirs.settings("shop")).ready()

    assert product.out.count("yours") == 2
    assert not (home / "postgres").exists()
    assert not (home / "valkey").exists()
    assert product.endpoints()["db_url"] == theirs.url("shop")
    phone = "+8613900000003"
    with httpx.Client(base_url=product.url) as client:
        client.post("/api/auth/merchant/request-code", json={"phone": phone})
        sent = client.get("/dev/outbox", headers={"Accept": "application/json"}).json()["items"][0]
        code = sent["text"].split()[0]
        proof = {"phone": phone, "code": code}
        token = client.post("/api/auth/merchant/phone-login", json=proof).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        assert product.verify(client, 20).status_code == 200

    look = Running("-c", LOOK, notes=tmp_path, **theirs.settings("shop"))
    assert look.ended() == 0, look.err
    assert look.out.splitlines() == ["postgres mealquest_app", "['m_bistro']"]
    product.stop()


def test_a_login_without_rights_works_once_an_administrator_has_prepared_all(theirs, tmp_path):
    with psycopg.connect(theirs.url("postgres"), autocommit=True) as superuser:
        superuser.execute("create role waiter login password 'tips'")
    settings = theirs.settings("bistro", MQ_DB_ADMIN_URL=theirs.url("postgres"))
    settings["MQ_DB_URL"] = theirs.url("bistro", "waiter", "tips")
    for command in (("db", "upgrade"), ("demo", "load")):
        run = flask(*command, notes=tmp_path, **settings)
        assert run.ended() == 0, run.err

    look = Running("-c", LOOK, notes=tmp_path, **settings)
    assert look.ended() == 0, look.err
    assert look.out.splitlines() == ["waiter mealquest_app", "['m_bistro']"]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"MQ_DB_AUTO_CREATE": "false"}, 'database "nothing_here" does not exist'),
        ({"MQ_DB_URL": "wrong password"}, "password authentication failed"),
    ],
)
def test_what_stands_in_the_way_is_said_in_a_sentence(start, theirs, tmp_path, other, said):
    if "MQ_DB_URL" in other:
        other = {"MQ_DB_URL": theirs.url("nothing_here", password="hunter2")}
    product = start(tmp_path / "data", **theirs.settings("nothing_here", **other))
    assert product.ended() == 2
    assert said in product.err
    assert "hunter2" not in product.err
    assert "Traceback" not in product.err
