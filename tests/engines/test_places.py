"""Installations beside each other, moved, copied, and with their ports taken."""

import shutil
import socket
import tempfile

import pytest

from mealquest.engines import postgres, processes, valkey
from mealquest.engines.service import EnginesNotRunning
from mealquest.engines.sockets import socket_directory
from tests.engines.conftest import (
    cleaned,
    hidden_processes,
    lives,
    occupied,
    port_of,
    save,
    saved,
    superuser_of,
    used,
)


def test_two_installations_run_side_by_side(home, tmp_path):
    with cleaned(tmp_path / "second") as second, used(home) as here, used(second) as there:
        save(here, "noodles")
        save(there, "rice")
        assert saved(here) == (["noodles"], ["noodles"])
        assert saved(there) == (["rice"], ["rice"])


def test_a_copy_of_a_stopped_directory_is_an_installation_of_its_own(home, tmp_path):
    with used(home) as endpoints:
        save(endpoints, "noodles")
    with cleaned(tmp_path / "copy") as copy:
        shutil.copytree(home, copy)
        with used(home) as original, used(copy) as copied:
            save(original, "rice")
            save(copied, "soup")
            assert saved(original) == (["noodles", "rice"], ["noodles", "rice"])
            assert saved(copied) == (["noodles", "soup"], ["noodles", "soup"])
            assert socket_directory(copy) != socket_directory(home)


def test_a_copy_never_attaches_to_its_original_nor_stops_it(home, tmp_path):
    with cleaned(tmp_path / "copy") as copy, used(home) as original:
        save(original, "noodles")
        shutil.copytree(home, copy)  # with the pid files, as a backup may have them
        with pytest.raises(EnginesNotRunning), used(copy, start=False):
            pass
        assert lives(home, "postgres")
        assert lives(home, "valkey")
        with superuser_of(home) as superuser:
            superuser.execute("select 1")
        assert saved(original) == (["noodles"], ["noodles"])


@pytest.mark.parametrize("engine", [{"valkey": False}, {"postgres": False}])
def test_nor_where_the_system_hides_which_process_is_whose(home, tmp_path, engine):
    with cleaned(tmp_path / "copy") as copy, used(home):
        shutil.copytree(home, copy)
        with hidden_processes():
            with used(home, start=False, **engine):
                pass
            with pytest.raises(EnginesNotRunning), used(copy, start=False, **engine):
                pass
        assert lives(home, "postgres")
        assert lives(home, "valkey")


def test_a_moved_directory_is_the_same_installation(home, tmp_path):
    with used(home) as endpoints:
        save(endpoints, "noodles")
    with cleaned(tmp_path / "moved") as moved:
        home.rename(moved)
        with used(moved) as again:
            assert again == endpoints
            assert saved(again) == (["noodles"], ["noodles"])


def test_a_link_to_the_directory_is_the_directory(home, tmp_path):
    with used(home) as endpoints:
        (tmp_path / "link").symlink_to(home)
        with used(tmp_path / "link", start=False) as linked:
            assert linked == endpoints


def test_a_path_too_long_for_a_socket_is_fine(tmp_path):
    with cleaned(tmp_path.joinpath(*["a rather long name " * 5] * 4)) as home:
        assert len(str(home)) > 350
        with used(home) as endpoints:
            save(endpoints, "noodles")


def test_users_with_different_temporary_directories_find_each_other(
    home, new_user, public_tmp, monkeypatch
):
    starter = new_user(home)
    endpoints = starter.endpoints()
    place = socket_directory(home)
    monkeypatch.setattr(tempfile, "tempdir", str(public_tmp))
    with used(home) as found:
        assert found == endpoints
        starter.leave()
    assert not lives(home, "postgres")
    assert not place.exists()


def test_a_temporary_directory_with_a_long_path_is_not_used_for_sockets(
    home, tmp_path, monkeypatch
):
    deep = tmp_path / ("t" * 90)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with used(home, valkey=False):
        assert socket_directory(home).is_dir()
        assert deep not in socket_directory(home).parents


def test_another_port_is_taken_when_the_remembered_one_is_gone(home):
    with used(home) as before:
        save(before, "noodles")
    ports = port_of(before.db_url), port_of(before.redis_url)
    with occupied(ports[0]), occupied(ports[1]), used(home) as now:
        assert port_of(now.db_url) != ports[0]
        assert port_of(now.redis_url) != ports[1]
        assert saved(now) == (["noodles"], ["noodles"])


@pytest.mark.parametrize("engine", [postgres, valkey])
def test_a_port_that_is_taken_between_choosing_and_starting_is_given_up(home, engine, monkeypatch):
    taken = []

    def choose_and_lose(remembered: int | None) -> int:
        port = processes.choose_port(remembered)
        if not taken:
            taken.append(socket.create_server(("127.0.0.1", port)))
        return port

    monkeypatch.setattr(engine, "choose_port", choose_and_lose)
    with used(home) as endpoints:
        save(endpoints, "noodles")
        ports = {port_of(endpoints.db_url), port_of(endpoints.redis_url)}
    with taken[0] as listener:
        assert listener.getsockname()[1] not in ports


def test_a_stranger_on_the_remembered_port_never_sees_a_password(home):
    with used(home) as before:
        pass
    ports = port_of(before.db_url), port_of(before.redis_url)
    with occupied(ports[0]) as one, occupied(ports[1]) as other:
        with used(home):
            pass
        for listener in (one, other):
            listener.settimeout(0.05)
            with pytest.raises(TimeoutError):
                listener.accept()
