"""The sandbox as a process: `HOME PORT`. Its state is in HOME/stripe, its keys in HOME's secrets.

It goes to the background and returns when it listens, so who started it may ask at once.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from mealquest.engines.secrets_file import Secrets
from mealquest.engines.stripe_sandbox.server import Server
from mealquest.engines.stripe_sandbox.store import Store
from mealquest.engines.stripe_sandbox.world import World

PROGRAM = "mq-stripe"  # what the system calls the process; 15 characters at most
FILE, PID_FILE = "stripe.db", "stripe.pid"
WORKS, FAILED, PORT_TAKEN = 0, 1, 3
LOOK_S = 1.0


def main(home: Path, port: int) -> int:
    """The exit code: WORKS, PORT_TAKEN, or FAILED with the reason on standard error."""
    read_end, write_end = os.pipe()
    if os.fork():
        os.close(write_end)
        said = os.read(read_end, 1)
        return said[0] if said else FAILED
    os.close(read_end)
    return _serve(home, port, write_end)


def _serve(home: Path, port: int, parent: int) -> int:
    _take_name()
    os.umask(0o077)
    secrets, data = Secrets.of(home), home / "stripe"
    world = World(Store(str(data / FILE)), secrets.stripe_key, secrets.stripe_webhook_secret)
    try:
        server = Server(world, port, keeps_time=True)
    except OSError:
        os.write(parent, bytes([PORT_TAKEN]))
        return PORT_TAKEN
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: stopping.set())
    (data / PID_FILE).write_text(str(os.getpid()))
    with server:
        os.write(parent, bytes([WORKS]))
        os.close(parent)
        _leave_terminal(home / "stripe.log")
        while _is_ours(data / PID_FILE) and not stopping.wait(LOOK_S):
            pass
    if _is_ours(data / PID_FILE):
        (data / PID_FILE).unlink()
    return WORKS


def _is_ours(pid_file: Path) -> bool:
    """Not when the directory was removed under us, or another process took our place."""
    try:
        return pid_file.read_text() == str(os.getpid())
    except FileNotFoundError:
        return False


def _take_name() -> None:
    """So that the process can be told from others that run Python."""
    name = Path("/proc/self/comm")
    if name.exists():
        name.write_text(PROGRAM)


def _leave_terminal(log: Path) -> None:
    with log.open("ab") as sink:
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
