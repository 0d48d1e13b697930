"""The small tools that starting and stopping rest on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mealquest.engines import processes
from mealquest.engines.errors import EngineFailed
from mealquest.engines.files import FileLock, last_lines, write_private
from mealquest.engines.postgres import NO_PROCESS
from mealquest.engines.processes import choose_port, package_directory, works_in
from tests.engines.conftest import REPOSITORY, hidden_processes, occupied


@pytest.fixture(params=["proc", "lsof"])
def view(request, monkeypatch):
    """Both ways to look at a process: of Linux and, where lsof is installed, of macOS."""
    if request.param == "lsof":
        if not shutil.which("lsof"):
            pytest.skip("lsof is not installed: apt-get install lsof")
        monkeypatch.setattr(processes, "PROC", Path("/nonexistent"))


@pytest.fixture
def cat(tmp_path):
    """A process that surely runs: it has answered."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    with subprocess.Popen(["cat"], cwd=tmp_path, **pipes) as process:
        process.stdin.write(b"?")
        assert process.stdout.read(1) == b"?"
        yield process
        process.kill()


def test_a_process_is_known_by_its_program_and_its_directory(view, cat, tmp_path):
    assert works_in(cat.pid, tmp_path, "cat", in_doubt=True)
    assert not works_in(cat.pid, tmp_path, "postgres", in_doubt=True)
    assert not works_in(cat.pid, tmp_path.parent, "cat", in_doubt=True)
    assert not works_in(NO_PROCESS, tmp_path, "cat", in_doubt=True)


def test_a_zombie_is_dead(view, cat, tmp_path):
    cat.kill()
    os.waitid(os.P_PID, cat.pid, os.WEXITED | os.WNOWAIT)
    assert not works_in(cat.pid, tmp_path, "cat", in_doubt=True)


def test_where_nobody_may_look_the_caller_says_what_to_believe(cat, tmp_path):
    with hidden_processes():
        assert works_in(cat.pid, tmp_path, "cat", in_doubt=True)
        assert not works_in(cat.pid, tmp_path, "cat", in_doubt=False)


def test_the_remembered_port_is_preferred_while_it_is_free():
    port = choose_port(None)
    assert choose_port(port) == port
    with occupied(port):
        assert choose_port(port) != port


def test_a_missing_package_is_named():
    with pytest.raises(EngineFailed, match="no_such_package is not installed"):
        package_directory("no_such_package")


def test_waiting_for_a_lock_ends(tmp_path):
    with FileLock(tmp_path / "lock") as mine, FileLock(tmp_path / "lock") as other:
        mine.share()
        assert not other.exclusive(seconds=0.05)
        mine.release()
        assert other.exclusive(seconds=0.05)


def test_a_lock_is_not_passed_on_to_programs(tmp_path):
    with FileLock(tmp_path / "lock") as mine, FileLock(tmp_path / "lock") as other:
        mine.share()
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False
        )
        mine.release()
        assert other.try_exclusive()
        child.communicate(b"\n")


def test_a_private_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "secrets.json"
    write_private(path, "first")
    with pytest.raises(TypeError):
        write_private(path, None)
    assert path.read_text() == "first"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_end_of_a_log_is_quoted(tmp_path):
    log = tmp_path / "log"
    assert "does not exist" in last_lines(log)
    log.write_bytes(b"\n".join(b"line %d \xff" % number for number in range(100)))
    assert last_lines(log, 2) == "line 98 �\nline 99 �"


def test_the_package_stands_alone():
    code = "import sys, mealquest.engines.service; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], cwd=REPOSITORY, text=True)
    ours = {name for name in loaded.split() if name.startswith("mealquest.")}
    assert "flask" not in loaded.split()
    assert all(name.startswith("mealquest.engines") for name in ours)
