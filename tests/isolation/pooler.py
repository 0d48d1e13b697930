"""A real PgBouncer that lends a connection for one transaction, in front of the tests' server."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from mealquest.engines.processes import choose_port, hand_over, unprivileged_account

PGBOUNCER = Path("/usr/sbin/pgbouncer")
READY_S = 10.0
CONFIGURATION = """
[databases]
{database} = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = trust
auth_file = users
admin_users = {user}
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 200
query_wait_timeout = 20
"""


@contextmanager
def pooling(direct_url: str, *, connections: int) -> Iterator[str]:
    """The same database through a pool of so few connections to it."""
    if not PGBOUNCER.exists():
        pytest.fail(f"no {PGBOUNCER}: apt-get install pgbouncer")
    server = conninfo_to_dict(direct_url)
    user, database, listen = server["user"], server["dbname"], choose_port(None)
    directory = Path(tempfile.mkdtemp(prefix="mealquest-pooler-"))
    home = directory / "home"
    home.mkdir(mode=0o700)
    (home / "users").write_text(f'"{user}" "{server.get("password") or ""}"\n')
    (home / "pgbouncer.ini").write_text(
        CONFIGURATION.format(
            database=database,
            host=server["host"],
            port=server.get("port") or 5432,
            listen=listen,
            user=user,
            connections=connections,
        )
    )
    account = unprivileged_account(directory)
    hand_over(home, account)
    with (directory / "log").open("wb") as log:
        running = subprocess.Popen(
            [*account.prefix, PGBOUNCER, "pgbouncer.ini"],
            cwd=home,
            user=account.uid,
            group=None if account.uid is None else account.gid,
            extra_groups=None if account.uid is None else [],
            stdout=log,
            stderr=log,
        )
        try:
            url = f"postgresql://{user}@127.0.0.1:{listen}/{database}"
            _wait_for(url, running, directory / "log")
            yield url
        finally:
            running.kill()
            running.wait()
            shutil.rmtree(directory)


def figures(url: str, database: str) -> dict[str, int]:
    """What PgBouncer says of the pool: how many clients and server connections it has."""
    console = url.rpartition("/")[0] + "/pgbouncer"
    with psycopg.connect(console, autocommit=True, prepare_threshold=None) as connection:
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        pools = [row for row in cursor.execute("SHOW POOLS") if row["database"] == database]
    clients = sum(row["cl_active"] + row["cl_waiting"] for row in pools)
    held = ("sv_active", "sv_idle", "sv_used", "sv_tested", "sv_login")
    return {"clients": clients, "servers": sum(row[name] for row in pools for name in held)}


def _wait_for(url: str, running: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        assert running.poll() is None, log.read_text()
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"PgBouncer does not answer: {log.read_text()}")
