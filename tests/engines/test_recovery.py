"""What a crash, a cleaner or a clumsy hand can leave behind, and the next start puts right."""

import os
import shutil
import signal
import threading

import pytest

from mealquest.engines import postgres
from mealquest.engines.files import read_from
from mealquest.engines.service import EngineFailed
from mealquest.engines.sockets import socket_directory
from tests.engines.conftest import kill, lives, owner, pids, save, saved, superuser_of, used


def test_a_killed_postmaster_comes_back_with_its_data_on_its_port(home):
    with used(home, fast=False) as endpoints:
        save(endpoints, "noodles")
        kill(home, "postgres")
        with used(home, fast=False) as again:  # what a long-running user does to heal
            assert again == endpoints
            assert saved(again) == (["noodles"], ["noodles"])
        assert lives(home, "postgres")


def test_a_killed_valkey_comes_back_with_its_data_on_its_port(home):
    with used(home, fast=False) as endpoints:
        save(endpoints, "noodles")
        kill(home, "valkey")
        with used(home, fast=False) as again:
            assert again == endpoints
            assert saved(again) == (["noodles"], ["noodles"])


def test_everything_killed_at_once_loses_nothing(home, new_user):
    user = new_user(home, fast=False)
    save(user.endpoints(), "noodles")
    user.signal_group(signal.SIGKILL)
    kill(home, "postgres")
    kill(home, "valkey")

    with used(home) as endpoints:
        assert saved(endpoints) == (["noodles"], ["noodles"])


@pytest.mark.parametrize("content", ["", "garbage\n", "{nobody}\n", "{stranger}\n{rest}"])
def test_a_stale_pid_file_does_not_stand_in_the_way(home, content):
    with used(home) as endpoints:
        save(endpoints, "noodles")
        rest = (home / "postgres/postmaster.pid").read_text().partition("\n")[2]
    for pid_file in (home / "postgres/postmaster.pid", home / "valkey/valkey.pid"):
        text = content.format(nobody=postgres.NO_PROCESS, stranger=os.getpid(), rest=rest)
        pid_file.write_text(text)

    with used(home) as again:
        assert saved(again) == (["noodles"], ["noodles"])
        assert os.getpid() not in pids(home).values()


def test_orphans_of_a_killed_postmaster_are_waited_for(home):
    """They still use the shared memory; a second server beside them would break the data."""
    with used(home) as endpoints:
        connection = owner(endpoints)
        connection.execute("create table busy (n bigint)")
        backend = connection.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        kill(home, "postgres")
        threading.Timer(0.7, os.kill, (backend, signal.SIGCONT)).start()
        with used(home) as again:
            save(again, "noodles")
        connection.close()
    assert "shared memory block" in read_from(home / "postgres.log", 0)


def test_sockets_that_a_cleaner_removed_come_back_with_the_next_start(home):
    with used(home) as endpoints:
        shutil.rmtree(socket_directory(home))
        with used(home) as beside:
            assert beside == endpoints
    with used(home), superuser_of(home) as superuser:
        superuser.execute("select 1")


def test_a_start_that_was_killed_during_initdb_is_begun_again(home):
    draft = home / "postgres.new"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")

    with used(home) as endpoints:
        save(endpoints, "noodles")
    assert not draft.exists()


def test_a_start_that_was_killed_before_the_database_was_made_is_completed(home):
    with used(home), superuser_of(home) as superuser:
        superuser.execute("drop database mealquest")
        superuser.execute("drop role mealquest_owner")
        with used(home) as endpoints, owner(endpoints) as connection:
            connection.execute("create table words (word text)")


def test_lost_passwords_are_replaced(home):
    with used(home) as endpoints:
        save(endpoints, "noodles")
    (home / "secrets.json").unlink()

    with used(home) as again:
        assert again != endpoints
        assert saved(again) == (["noodles"], ["noodles"])


@pytest.mark.parametrize(
    ("victim", "words"),
    [
        ("postgres/global/pg_control", "pg_control"),
        ("valkey/appendonlydir/appendonly.aof.manifest", "manifest"),
    ],
)
def test_what_cannot_be_repaired_is_reported_with_the_end_of_the_log(home, victim, words):
    with used(home):
        pass
    (home / victim).write_bytes(b"broken")

    with pytest.raises(EngineFailed, match=words) as failure, used(home):
        pass
    assert ".log:\n" in str(failure.value)
    assert not lives(home, "postgres")
    assert not lives(home, "valkey")


def test_a_log_does_not_grow_for_ever(home):
    home.mkdir()
    (home / "postgres.log").write_bytes(b"old\n" * 3_000_000)

    with used(home, valkey=False):
        assert (home / "postgres.log.1").stat().st_size == 12_000_000
        assert (home / "postgres.log").stat().st_size < 10_000
