"""Callers who keep their connections, and count every request that was not answered as it should.

None of them asks again: a connection that is reset or closed under a request is a failure.
"""

import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Ask:
    method: str
    path: str
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Heard:
    """What the callers were told. Seconds of each answer; failures in words."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)  # by method and status
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    connections: int = 0

    @property
    def total(self) -> int:
        return self.answers.total()


@contextmanager
def calling(
    address: tuple[str, int], asks: Callable[[int], Ask], pauses: tuple[float, ...]
) -> Iterator[Heard]:
    """One caller for each of `pauses`, which is how long it waits between two requests.

    `asks` gets a number that no other request gets. All callers have ended after the block.
    """
    heard, stop, numbers = Heard(), threading.Event(), itertools.count()

    def call(pause: float) -> None:
        with _connection(address) as line:
            while not stop.is_set():
                _ask(line, asks(next(numbers)), heard)
                stop.wait(pause)

    with ThreadPoolExecutor(len(pauses)) as pool:
        callers: list[Future[None]] = [pool.submit(call, pause) for pause in pauses]
        try:
            yield heard
        finally:
            stop.set()
    for caller in callers:
        caller.result()


@contextmanager
def _connection(address: tuple[str, int]) -> Iterator[http.client.HTTPConnection]:
    line = http.client.HTTPConnection(*address, timeout=TIMEOUT_S)
    try:
        yield line
    finally:
        line.close()


def _ask(line: http.client.HTTPConnection, ask: Ask, heard: Heard) -> None:
    """One request on the connection there is; a new one only after `Connection: close`."""
    began = time.perf_counter()
    heard.connections += line.sock is None
    try:
        line.request(ask.method, ask.path, ask.body, ask.headers)
        answer = line.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as failure:
        heard.failures.append(f"{ask.method} {ask.path}: {failure!r}")
        line.close()
        return
    heard.seconds.append(time.perf_counter() - began)
    heard.answers[ask.method, answer.status] += 1
