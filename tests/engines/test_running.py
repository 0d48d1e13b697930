"""Who comes, who stays and who stops the engines."""

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import redis

from mealquest.engines import service
from mealquest.engines.files import FileLock, read_from
from mealquest.engines.service import EngineFailed, EnginesNotRunning, running
from mealquest.engines.sockets import socket_directory
from tests.engines.conftest import (
    ONCE,
    client,
    lives,
    owner,
    pids,
    port_of,
    save,
    saved,
    superuser_of,
    used,
)


def test_a_fresh_directory_becomes_two_working_engines(home):
    with used(home) as endpoints:
        with psycopg.connect(endpoints.db_url) as connection:
            assert connection.info.user == "mealquest_app"
            assert connection.info.dbname == "mealquest"
            assert connection.info.host == "127.0.0.1"
        with client(endpoints) as queue:
            assert queue.ping()


def test_the_last_one_out_stops_both_and_leaves_nothing_behind(home):
    with used(home) as endpoints:
        assert socket_directory(home).is_dir()

    assert not lives(home, "postgres")
    assert not lives(home, "valkey")
    assert not socket_directory(home).exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(endpoints.db_url)
    with pytest.raises(redis.ConnectionError), client(endpoints) as queue:
        queue.ping()


def test_stopping_takes_less_than_five_seconds_with_clients_connected(home):
    with used(home) as endpoints:
        connection = owner(endpoints)
        connection.execute("create table busy as select generate_series(1, 100000) as n")
        began = time.monotonic()
    assert time.monotonic() - began < 5
    connection.close()


def test_data_is_there_at_the_next_start_under_the_same_addresses(home):
    with running(home) as first:  # with fsync, as an operator runs it
        save(first, "noodles")
        with owner(first) as connection:
            assert connection.execute("show fsync").fetchone() == ("on",)

    with running(home) as second:
        assert second == first
        assert saved(second) == (["noodles"], ["noodles"])


def test_the_settings_are_those_the_product_needs(home):
    wanted = {
        "fsync": "off",  # fast
        "listen_addresses": "127.0.0.1",
        "max_connections": "200",
        "password_encryption": "scram-sha-256",
        "server_encoding": "UTF8",
        "shared_preload_libraries": "pg_stat_statements",
        "TimeZone": "UTC",
        "wal_level": "logical",
    }
    with used(home) as endpoints:
        with superuser_of(home) as superuser:
            found = {name: superuser.execute(f"show {name}").fetchone()[0] for name in wanted}
        with client(endpoints) as queue:
            assert queue.config_get("appendonly", "maxmemory-policy") == {
                "appendonly": "yes",
                "maxmemory-policy": "noeviction",
            }
    assert found == wanted


def test_letters_of_all_languages_are_letters_to_trigram_search(home):
    with used(home, valkey=False) as endpoints, owner(endpoints) as connection:
        connection.execute("create extension pg_trgm")
        row = connection.execute("select similarity('红烧肉', '红烧肉'), lower('ÉÄ')").fetchone()
    assert row == (1.0, "éä")


def test_passwords_and_the_superuser_are_out_of_reach(home):
    with used(home) as endpoints:
        port = port_of(endpoints.db_url)
        with superuser_of(home) as superuser:
            superuser.execute("alter role postgres password 'guess'")
        for stranger in ("postgres", "mealquest_owner", "mealquest_app"):
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(f"postgresql://{stranger}:guess@127.0.0.1:{port}/mealquest")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=port_of(endpoints.redis_url), retry=ONCE).ping()
        assert socket_directory(home).stat().st_mode & 0o777 == 0o700
        assert (home / "secrets.json").stat().st_mode & 0o777 == 0o600
        assert (home / "valkey/valkey.conf").stat().st_mode & 0o777 == 0o600
        assert "@" not in repr(endpoints)


def test_blocks_inside_blocks_and_threads_share_the_engines(home):
    def visit(_: int) -> int:
        with used(home) as endpoints:
            return port_of(endpoints.db_url)

    with used(home) as outer:
        with used(home) as inner:
            assert inner == outer
        assert lives(home, "postgres")
        with ThreadPoolExecutor(4) as threads:
            assert set(threads.map(visit, range(8))) == {port_of(outer.db_url)}
        save(outer, "rice")
    assert not lives(home, "postgres")


def test_six_processes_on_a_fresh_directory_start_one_postmaster(home, new_user):
    users = [new_user(home) for _ in range(6)]
    assert len({user.endpoints() for user in users}) == 1
    for user in users[1:]:
        user.leave()
    assert lives(home, "postgres")
    users[0].leave()

    assert not lives(home, "postgres")
    assert not lives(home, "valkey")
    assert read_from(home / "postgres.log", 0).count("starting PostgreSQL") == 1
    assert read_from(home / "valkey.log", 0).count("Server initialized") == 1


def test_those_who_leave_never_stop_the_engines_of_those_who_come(home):
    def come_and_go(seed: int) -> None:
        pause = random.Random(seed)
        for _ in range(8):
            with used(home, valkey=False) as endpoints, owner(endpoints) as connection:
                connection.execute("select 1")
            time.sleep(pause.choice([0, 0.02, 0.1, 0.2]))

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(come_and_go, range(3)))
    assert not lives(home, "postgres")
    assert read_from(home / "postgres.log", 0).count("starting PostgreSQL") > 1


def test_engines_outlive_a_killed_starter_and_the_next_user_answers_for_them(home, new_user):
    starter = new_user(home)
    found = starter.endpoints()
    save(found, "soup")
    starter.signal_group(signal.SIGKILL)
    before = pids(home)

    with used(home, start=False) as endpoints:
        assert endpoints == found
        assert pids(home) == before
        assert saved(endpoints) == (["soup"], ["soup"])
    assert not lives(home, "postgres")
    assert not lives(home, "valkey")


def test_ctrl_c_reaches_the_starter_but_not_the_engines(home, new_user):
    starter, neighbour = new_user(home), new_user(home)
    starter.endpoints()
    before = pids(home)
    endpoints = neighbour.endpoints()
    starter.signal_group(signal.SIGINT)

    assert pids(home) == before
    save(endpoints, "tea")
    neighbour.leave()
    assert not lives(home, "postgres")


@pytest.mark.parametrize("moment", [0.3, 0.5])
def test_ctrl_c_in_the_middle_of_a_start_leaves_nothing_running(home, new_user, moment):
    starter = new_user(home)
    time.sleep(moment)
    starter.signal_group(signal.SIGINT)

    assert not lives(home, "postgres")
    assert not lives(home, "valkey")
    with used(home) as endpoints:
        save(endpoints, "tea")


def test_a_fork_shares_its_parents_use_and_stops_nothing(home):
    use = running(home, fast=True)
    endpoints = use.__enter__()
    child = forked(lambda: use.__exit__(None, None, None))  # as an exception does that ends it
    os.waitpid(child, 0)
    save(endpoints, "bread")
    use.__exit__(None, None, None)
    assert not lives(home, "postgres")


def test_a_fork_that_outlives_its_parents_use_stands_in_nobodys_way(home):
    with used(home):
        child = forked(lambda: time.sleep(60))
    try:
        assert not lives(home, "postgres")
        with used(home) as endpoints:
            save(endpoints, "bread")
        assert not lives(home, "postgres")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_who_leaves_does_not_wait_for_somebody_who_is_starting(home):
    with FileLock(make(home) / "start.lock") as turn, FileLock(home / "users.lock") as use:
        with used(home) as endpoints:
            assert turn.exclusive(seconds=1)
            use.share()
            began = time.monotonic()
        assert time.monotonic() - began < 2
        save(endpoints, "bread")
        turn.release()
    with used(home, start=False):
        pass
    assert not lives(home, "postgres")


def test_who_cannot_get_in_is_told_who_stands_in_the_door(home, monkeypatch):
    monkeypatch.setattr(service, "TURN_SECONDS", 0.1)
    with FileLock(make(home) / "start.lock") as turn:
        turn.share()
        with pytest.raises(EngineFailed, match="fuser"), used(home):
            pass


def test_attaching_only_to_nothing_says_what_to_do_and_creates_nothing(home):
    for exists in (False, True):
        if exists:
            home.mkdir()
        with (
            pytest.raises(EnginesNotRunning, match=r"python app\.py"),
            used(home, start=False),
        ):
            pass
    assert list(home.iterdir()) == []


def test_attaching_only_to_stopped_engines_does_not_start_them(home):
    with used(home):
        pass
    with pytest.raises(EnginesNotRunning), used(home, start=False):
        pass
    assert not lives(home, "postgres")


def test_either_engine_runs_alone_and_the_other_can_join_it(home):
    with used(home, postgres=False) as queue_only:
        assert (queue_only.db_url, queue_only.admin_db_url) == (None, None)
        assert not lives(home, "postgres")
        with used(home, valkey=False) as database_only:
            assert database_only.redis_url is None
            with owner(database_only) as connection:
                connection.execute("select 1")
        with client(queue_only) as queue:
            assert queue.ping()
    assert not lives(home, "postgres")
    assert not lives(home, "valkey")


def test_wanting_neither_engine_touches_nothing(home):
    with used(home, postgres=False, valkey=False) as endpoints:
        assert endpoints.redis_url is None
    assert not home.exists()


def make(home):
    home.mkdir()
    return home


def forked(work):
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return child
