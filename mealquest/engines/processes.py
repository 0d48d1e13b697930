"""Server processes: as whom they run, whether they live, how they end, on which port."""

import contextlib
import importlib.util
import os
import pwd
import random
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from mealquest.engines.errors import EngineFailed
from mealquest.engines.files import own_tree

PROC = Path("/proc")
DYING_SECONDS = 1.0
POLL_SECONDS = 0.01
UNSEEN_SECONDS = 1  # more than a server needs to write its pid file
UNSHARE = ("unshare", "--user", "--map-user=65534", "--map-group=65534")
# Below the range that Linux takes outgoing ports from, so a port stays free for the next start.
PORTS = range(20_000, 30_000)


@dataclass(frozen=True, slots=True)
class Account:
    """As whom a program runs. Without values: as ourselves."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int = -1  # with a uid; to chown it means: as it is
    remark: str = ""  # why it is not the usual account; goes with every failure

    def run(self, *argv: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run in a session of its own, so that Ctrl-C does not reach the servers it leaves.

        The environment is bare: ``PG*`` variables of an operator's shell are not meant for us.
        """
        try:
            return subprocess.run(
                [*self.prefix, *map(str, argv)],
                cwd=cwd,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                user=self.uid,
                group=None if self.uid is None else self.gid,
                extra_groups=None if self.uid is None else [],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
                check=False,
            )
        except OSError as error:
            raise EngineFailed(self.explain(f"cannot run {argv[0]}: {error}")) from error

    def explain(self, failure: str) -> str:
        return f"{failure}\n{self.remark}" if self.remark else failure


def own_account(directory: Path) -> Account:
    """Ourselves; for root in somebody else's directory, that person."""
    if os.geteuid() != 0 or directory.stat().st_uid == 0:
        return Account()
    owner = directory.stat()
    return Account(uid=owner.st_uid, gid=owner.st_gid)


def unprivileged_account(directory: Path) -> Account:
    """An account for a program that refuses to be root, and that may write in ``directory``.

    Root becomes "nobody" inside a user namespace, where files still belong to root outside.
    Where namespaces are refused, as in many containers, it is the real user nobody.
    """
    account = own_account(directory)
    if os.geteuid() != 0 or account.uid is not None:
        return account
    refusal = _namespace_refusal()
    if not refusal:
        return Account(prefix=UNSHARE)
    nobody = pwd.getpwnam("nobody")
    remark = (
        f"PostgreSQL does not run as root. A user namespace was refused ({refusal}), so it was "
        "run as user nobody, who must be able to pass every directory above the data directory "
        "and above the Python environment. Set MQ_DATA_DIR to such a place, or start MealQuest "
        "as an ordinary user."
    )
    return Account(uid=nobody.pw_uid, gid=nobody.pw_gid, remark=remark)


def hand_over(directory: Path, account: Account) -> None:
    """Make ``directory`` the account's own, and let the account reach it."""
    if account.uid is None or directory.stat().st_uid == account.uid:
        return
    own_tree(directory, account.uid, account.gid)
    home = directory.parent
    if home.stat().st_uid != account.uid:
        home.chmod(home.stat().st_mode | 0o011)


def _namespace_refusal() -> str:
    """What the system says against a user namespace; empty when it grants one."""
    try:
        trial = Account(prefix=UNSHARE).run("true", cwd=Path("/"))
    except EngineFailed as error:
        return str(error)
    return "" if trial.returncode == 0 else trial.stderr.strip() or "no reason given"


def package_directory(name: str) -> Path:
    """Where an installed package keeps its files, without importing it."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise EngineFailed(f"the Python package {name} is not installed; run: make setup")
    return Path(found.submodule_search_locations[0])


def works_in(pid: int, directory: Path, program: str, *, in_doubt: bool) -> bool:
    """Whether ``pid`` is a living ``program`` whose working directory is ``directory``.

    Tells a server of this very directory from a stranger with a recycled pid, and counts a
    zombie as dead. ``in_doubt`` is the answer where the system does not let us look.
    """
    try:
        name, place = _look_at(pid)
        return name == program and place.samefile(directory)
    except PermissionError:
        return in_doubt
    except OSError:
        return False


def _look_at(pid: int) -> tuple[str, Path]:
    """Program and working directory of a process. OSError: it is gone, or not ours."""
    if PROC.joinpath("self").exists():
        entry = PROC / str(pid)
        return entry.joinpath("comm").read_text().strip(), entry / "cwd"
    # macOS: one line each for the program (c) and the directory (n).
    listing = Account().run("lsof", "-a", "-p", str(pid), "-d", "cwd", "-F", "cn", cwd=Path("/"))
    fields = {line[0]: line[1:] for line in listing.stdout.splitlines() if line}
    return fields.get("c", ""), Path(fields.get("n", "") or "/nonexistent")


def end(pid: int, directory: Path, program: str, *signals: tuple[signal.Signals, float]) -> bool:
    """Send each signal and wait its seconds, until the server is gone. False: it never goes.

    What may be a stranger gets no signal.
    """

    def lives() -> bool:
        return works_in(pid, directory, program, in_doubt=False)

    for number, seconds in signals:
        deadline = time.monotonic() + seconds
        if lives():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        while lives() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    return not lives()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_port(remembered: int | None) -> int:
    """The remembered port when it is free, else another. It may be taken a moment later.

    A process that was killed a moment ago may still have it: that is waited for.
    """
    if remembered is not None:
        deadline = time.monotonic() + DYING_SECONDS
        while time.monotonic() < deadline:
            if is_free(remembered):
                return remembered
            time.sleep(POLL_SECONDS)
    for port in random.sample(PORTS, 100):
        if is_free(port):
            return port
    raise EngineFailed("no free TCP port was found on 127.0.0.1 in 100 tries")
