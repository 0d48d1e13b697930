"""As whom the engines run: an ordinary user, root, root where namespaces are refused."""

import os
import pwd
from pathlib import Path

import pytest

from mealquest.engines.processes import Account
from mealquest.engines.service import EngineFailed
from mealquest.engines.sockets import socket_directory
from tests.engines.conftest import cleaned, kill, lives, pids, save, saved, used

NOBODY = pwd.getpwnam("nobody").pw_uid
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@as_root
def test_an_ordinary_user_needs_nothing_from_root(public_tmp, new_user):
    os.chown(public_tmp, NOBODY, NOBODY)
    with cleaned(public_tmp / "晚饭 data") as home:
        first = new_user(home, as_uid=NOBODY)
        save(first.endpoints(), "noodles")
        assert owner_of(f"/proc/{pids(home)['postgres']}") == NOBODY
        assert owner_of(f"/proc/{pids(home)['valkey']}") == NOBODY
        first.leave()
        second = new_user(home, as_uid=NOBODY)
        assert saved(second.endpoints()) == (["noodles"], ["noodles"])
        second.leave()
        assert not lives(home, "postgres")


@as_root
def test_root_in_a_users_directory_leaves_it_to_the_user(public_tmp, new_user):
    os.chown(public_tmp, NOBODY, NOBODY)
    with cleaned(public_tmp / "data") as home:
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
        with used(home) as endpoints:
            save(endpoints, "noodles")
        assert {owner_of(path) for path in home.rglob("*")} == {NOBODY}
        user = new_user(home, as_uid=NOBODY)
        assert saved(user.endpoints()) == (["noodles"], ["noodles"])
        user.leave()


@as_root
def test_root_keeps_its_files_by_means_of_a_user_namespace(home):
    if Account(prefix=("unshare", "--user")).run("true", cwd=Path("/")).returncode:
        pytest.skip("this system refuses user namespaces")
    home.parent.chmod(0o700)  # as /root is: no other user could pass
    with used(home):
        assert {owner_of(path) for path in home.rglob("*")} == {0}


@as_root
def test_without_namespaces_root_hands_the_cluster_to_nobody(public_tmp, refuse_namespaces):
    with cleaned(public_tmp / "data") as home:
        with used(home) as endpoints:
            save(endpoints, "noodles")
            assert owner_of(f"/proc/{pids(home)['postgres']}") == NOBODY
            assert owner_of(socket_directory(home)) == NOBODY
            assert (home / "secrets.json").stat().st_mode & 0o777 == 0o600
            kill(home, "postgres")
            with used(home) as again:
                save(again, "rice")
        with used(home) as again:
            assert "rice" in saved(again)[0]


@as_root
def test_a_cluster_of_root_goes_on_where_namespaces_are_refused(public_tmp, monkeypatch):
    with cleaned(public_tmp / "data") as home:
        with used(home) as endpoints:
            save(endpoints, "noodles")
        monkeypatch.setenv("PATH", f"{broken_unshare(public_tmp)}:{os.environ['PATH']}")
        with used(home) as again:
            assert saved(again) == (["noodles"], ["noodles"])
            assert owner_of(f"/proc/{pids(home)['postgres']}") == NOBODY


@as_root
def test_when_neither_way_works_the_error_names_both(public_tmp, refuse_namespaces):
    locked = public_tmp / "locked"
    locked.mkdir(mode=0o700)
    with cleaned(locked / "data") as home, pytest.raises(EngineFailed) as failure, used(home):
        pass
    message = str(failure.value)
    assert "unshare: Operation not permitted" in message
    assert "user nobody" in message
    assert "ermission denied" in message
    assert "MQ_DATA_DIR" in message


@pytest.fixture
def refuse_namespaces(public_tmp, monkeypatch):
    monkeypatch.setenv("PATH", f"{broken_unshare(public_tmp)}:{os.environ['PATH']}")


def broken_unshare(directory: Path) -> Path:
    """A directory with an unshare that says what the real one says in a strict container."""
    (directory / "bin").mkdir()
    program = directory / "bin" / "unshare"
    program.write_text("#!/bin/sh\necho 'unshare: Operation not permitted' >&2\nexit 1\n")
    program.chmod(0o755)
    return program.parent


def owner_of(path: str | Path) -> int:
    return Path(path).stat().st_uid
