"""Child processes: started, started again when they die, asked to stop together."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LONGEST_PAUSE_S = 5.0
HEALTHY_S = 30.0  # who lived that long is started again without a pause

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(slots=True)
class Child:
    name: str
    command: Sequence[str]
    inherits: tuple[int, ...] = ()  # file descriptors it gets from us
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    start_at: float = 0.0  # these two by the monotonic clock
    born_at: float = 0.0
    replacing: bool = False

    def buried(self) -> int | None:
        """The exit code of one that has ended, once; its next start is planned, ever later."""
        code = None if self.process is None else self.process.poll()
        if code is not None:
            now = time.monotonic()
            short_lived = not self.replacing and now - self.born_at < HEALTHY_S
            self.deaths = self.deaths + 1 if short_lived else 0
            pause = min(LONGEST_PAUSE_S, 2.0 ** (self.deaths - 2)) if self.deaths else 0.0
            self.process, self.start_at = None, now + pause
        return code

    def signal_group(self, number: signal.Signals) -> None:
        """To the child and all it started; it leads a session of its own."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


@dataclass(slots=True)
class Supervisor:
    """Keeps children alive. A terminal's Ctrl-C reaches their parent only, who asks them once.

    Args:
        log: where they write to; None for our own standard error.
        tell: gets one line for each child that ended unasked.
    """

    children: list[Child]
    environment: Mapping[str, str]
    log: Path | None
    tell: Callable[[str], None]
    most_deaths: int = field(default=0, init=False)  # in a row, of any one child

    def tend(self) -> None:
        """Start whom nobody started, and those who ended, when it is their time."""
        for child in self.children:
            code = child.buried()
            if code is not None and not child.replacing:
                self.tell(f"the {child.name} {_end_of(code)} and is started again")
            if child.process is None and time.monotonic() >= child.start_at:
                self._start(child)
        self.most_deaths = max((child.deaths for child in self.children), default=0)

    def replace(self) -> None:
        """Ask all to end; `tend` starts them anew."""
        for child in self.children:
            child.replacing = child.process is not None
            self._ask_to_stop(child)

    def stop(self, seconds: float) -> None:
        """First all are asked, then all are waited for; who does not end in time is killed."""
        deadline = time.monotonic() + seconds
        for child in self.children:
            self._ask_to_stop(child)
        for child in self.children:
            if child.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.process.wait(max(0.0, deadline - time.monotonic()))
                child.signal_group(signal.SIGKILL)
                child.process.wait()

    def _start(self, child: Child) -> None:
        child.born_at, child.replacing = time.monotonic(), False
        with contextlib.ExitStack() as stack:
            sink = stack.enter_context(self.log.open("ab")) if self.log else None
            child.process = subprocess.Popen(
                child.command,
                env=self.environment,
                pass_fds=child.inherits,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT if sink else None,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has no threads
            )

    def _ask_to_stop(self, child: Child) -> None:
        if child.process is not None and child.process.poll() is None:
            child.process.terminate()


def _die_with_parent() -> None:
    """On Linux a child gets SIGTERM when its parent is killed, so nothing holds its port."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end_of(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
