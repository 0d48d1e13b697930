"""A thousand live sockets: from the commit of an event to its frames, and what a socket costs.

Starts a product of its own; clients, product and database share the machine. The times hold the
whole way: commit, ring, relay, number, ring, read, frame, and the reading of all frames here.
"""

import argparse
import base64
import os
import random
import selectors
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
from flask import Flask

from bench.shop import MERCHANT, Shop, open_shop
from bench.verify import _machine as machine
from mealquest.core import outbox
from mealquest.core.db import transaction
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.tenancy import service as tenancy

KIND = "PAYMENT_VERIFIED"
WAIT_S = 30
PONG = b"\x8a\x80\0\0\0\0"  # to a ping, which the server sends without a word in it


@dataclass
class Heard:
    """When the frames of each event came, by merchant and the event's mark."""

    arrivals: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    frames: int = 0


class Listeners:
    """All clients, read by one thread."""

    def __init__(self) -> None:
        self.heard = Heard()
        self._selector = selectors.DefaultSelector()
        self._sockets: list[socket.socket] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def open(self, address: tuple[str, int], merchant_id: str, token: str) -> None:
        opened = socket.create_connection(address)
        key = base64.b64encode(os.urandom(16)).decode()
        opened.sendall(
            f"GET /ws?token={token} HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\n"
            f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += opened.recv(4096)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(head.decode())
        self._sockets.append(opened)
        self._selector.register(opened, selectors.EVENT_READ, [merchant_id, b""])

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        for opened in self._sockets:
            opened.close()

    def _read(self) -> None:
        while not self._stopping.is_set():
            for key, _ in self._selector.select(0.1):
                came = key.fileobj.recv(65536)  # type: ignore[union-attr]
                if not came:
                    raise RuntimeError("the server closed a socket")
                key.data[1] = self._take(key.fileobj, key.data[0], key.data[1] + came)

    def _take(self, opened: Any, merchant_id: str, received: bytes) -> bytes:
        now = time.perf_counter()
        while frame := _frame(received):
            payload, received = frame
            if not payload:
                opened.sendall(PONG)
            elif mark := _mark(payload):
                self.heard.arrivals.setdefault((merchant_id, mark), []).append(now)
                self.heard.frames += 1
        return received


def _frame(received: bytes) -> tuple[bytes, bytes] | None:
    """The first frame of a server, which is not masked, and what follows it."""
    if len(received) < 2:
        return None
    length, start = received[1] & 127, 2
    if length == 126:
        if len(received) < 4:
            return None
        length, start = struct.unpack(">H", received[2:4])[0], 4
    end = start + length
    return (received[start:end], received[end:]) if len(received) >= end else None


def _mark(payload: bytes) -> int | None:
    """The number that the event was published with."""
    _, found, rest = payload.partition(b'"mark":')
    return int(rest.split(b",")[0].split(b"}")[0]) if found else None


def main() -> None:
    arguments = _arguments()
    print(machine(), flush=True)
    with open_shop(MQ_WEB_WORKERS="2", MQ_WEB_THREADS="1000") as shop, shop.app.app_context():
        merchants = [MERCHANT, *_merchants(arguments.merchants)]
        tokens = {merchant_id: _token(merchant_id) for merchant_id in merchants}
        alone = _web_memory(shop)
        with _listening(shop, dict.fromkeys([MERCHANT], arguments.sockets), tokens) as listeners:
            grown = _web_memory(shop) - alone
            print(f"{arguments.sockets} sockets: {grown / arguments.sockets / 1024:.0f} KiB each")
            print("one merchant has them all, one event every 0.5 s")
            _run(shop.app, listeners, [MERCHANT], arguments.events, 0.5, arguments.sockets)
        each = arguments.sockets // arguments.merchants
        spread = dict.fromkeys(merchants[1:], each)
        with _listening(shop, spread, tokens) as listeners:
            for pause in (0.1, 0.02):
                print(f"{len(spread)} merchants have {each} each, one event every {pause} s")
                _run(shop.app, listeners, merchants[1:], arguments.events * 5, pause, each)
            print(f"{len(spread)} merchants have {each} each, a burst of 500 events")
            _run(shop.app, listeners, merchants[1:], 500, 0, each)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--merchants", type=int, default=100)
    parser.add_argument("--events", type=int, default=40, help="of the first run")
    return parser.parse_args()


def _merchants(count: int) -> Iterator[str]:
    for number in range(count):
        merchant_id = f"m_bench_{number}"
        with transaction(merchant_id) as session:
            tenancy.create_merchant(session, merchant_id, name=merchant_id, budget_cap=300)
        yield merchant_id


def _token(merchant_id: str) -> str:
    with transaction(merchant_id) as session:
        staff_id = identity.add_staff(session, merchant_id, role=Role.OWNER, name="Bench")
    return identity.mint(Principal(Role.OWNER, staff_id, merchant_id), 0)


def _web_memory(shop: Shop) -> int:
    """Bytes that the web processes have to themselves."""
    web = psutil.Process(shop.pid).children()[0]
    return sum(worker.memory_full_info().uss for worker in web.children())


@contextmanager
def _listening(shop: Shop, wanted: dict[str, int], tokens: dict[str, str]) -> Iterator[Listeners]:
    listeners, began = Listeners(), time.perf_counter()
    for merchant_id, count in wanted.items():
        for _ in range(count):
            listeners.open(shop.address, merchant_id, tokens[merchant_id])
    print(f"\n{sum(wanted.values())} opened in {time.perf_counter() - began:.1f} s", flush=True)
    listeners.start()
    try:
        yield listeners
    finally:
        listeners.close()


def _run(
    app: Flask, listeners: Listeners, merchants: list[str], events: int, pause: float, each: int
) -> None:
    """Commit events at a steady pace, wait until every socket has its frames, print the times."""
    listeners.heard = heard = Heard()
    committed: dict[tuple[str, int], float] = {}
    began = time.perf_counter()
    for mark in range(1, events + 1):
        merchant_id = random.choice(merchants)
        with transaction(merchant_id) as session:
            outbox.publish(session, merchant_id, KIND, {"mark": mark, "status": "PAID"})
        committed[merchant_id, mark] = time.perf_counter()
        time.sleep(max(0.0, began + mark * pause - time.perf_counter()))
    give_up = time.perf_counter() + WAIT_S
    while heard.frames < events * each and time.perf_counter() < give_up:
        time.sleep(0.05)
    took = time.perf_counter() - began
    _print(heard, committed, each, took)


def _print(heard: Heard, committed: dict[tuple[str, int], float], each: int, took: float) -> None:
    times = sorted(
        came - at for event, at in committed.items() for came in heard.arrivals.get(event, [])
    )
    lasts = sorted(
        max(heard.arrivals[event]) - at
        for event, at in committed.items()
        if event in heard.arrivals
    )
    missing = len(committed) * each - len(times)
    print(
        f"  commit to frame: p50 {_at(times, 0.5)} p99 {_at(times, 0.99)} ms;"
        f" to an event's last frame: p50 {_at(lasts, 0.5)} p99 {_at(lasts, 0.99)} ms;"
        f" {len(times)} frames, {missing} missing, {len(committed) / took:.0f} events/s",
        flush=True,
    )


def _at(times: list[float], share: float) -> str:
    return f"{times[min(len(times) - 1, int(share * len(times)))] * 1000:.0f}" if times else "-"


if __name__ == "__main__":
    main()
