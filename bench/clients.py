"""Many HTTP clients in one thread: each keeps its connection and sends when it has its answer."""

import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

HEADERS_END = b"\r\n\r\n"
LENGTH = b"\r\nContent-Length: "


@dataclass
class Result:
    """What some seconds of load came to. Times in seconds; CPU time by who used it."""

    clients: int
    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def errors(self) -> int:
        return self.statuses.total() - self.statuses["200"]

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Client:
    """One keep-alive connection with at most one request on its way."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self._received = b""

    def send(self, request: bytes) -> None:
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def status(self) -> str | None:
        """The status once the whole answer is here; `closed` when it will not come."""
        piece = self.socket.recv(65536)
        if not piece:
            return "closed"
        self._received += piece
        head, found, body = self._received.partition(HEADERS_END)
        if not found:
            return None
        length = int(head.partition(LENGTH)[2].partition(b"\r\n")[0])
        if len(body) < length:
            return None
        self._received = b""
        return head[9:12].decode()


def drive(
    address: tuple[str, int], requests: Iterator[bytes], clients: int, seconds: float
) -> Result:
    """Send for `seconds` from `clients` connections at once; then take the last answers."""
    result = Result(clients)
    with selectors.DefaultSelector() as selector:
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(clients):
            _open(selector, address, next(requests))
        while selector.get_map():
            for key, _ in selector.select(timeout=30) or _nobody_answers(selector):
                client: Client = key.data
                status = client.status()
                if status is None:
                    continue
                now = time.perf_counter()
                result.statuses[status] += 1
                result.latencies.append(now - client.sent_at)
                if now - began < seconds and status != "closed":
                    client.send(next(requests))
                    continue
                selector.unregister(client.socket)
                client.socket.close()
                if now - began < seconds:
                    _open(selector, address, next(requests))
        result.seconds = time.perf_counter() - began
        result.cpu["generator"] = time.process_time() - cpu
    return result


def _open(selector: selectors.BaseSelector, address: tuple[str, int], request: bytes) -> None:
    client = Client(address)
    selector.register(client.socket, selectors.EVENT_READ, client)
    client.send(request)


def _nobody_answers(selector: selectors.BaseSelector) -> list[tuple[selectors.SelectorKey, int]]:
    raise TimeoutError(f"{len(selector.get_map())} requests without an answer for 30 s")
