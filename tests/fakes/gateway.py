"""A payment gateway on a real port: takes refunds, and says how it was asked."""

import threading
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


class Behaviour(StrEnum):
    TAKES = "takes"  # 200
    BROKEN = "broken"  # 503
    REFUSES = "refuses"  # 422
    REDIRECTS = "redirects"  # 302, which is no acceptance
    DROPS = "drops"  # takes the refund, and closes the connection without an answer
    HANGS = "hangs"  # takes the refund, and answers nothing until the server is closed


@dataclass(frozen=True)
class Asked:
    path: str
    headers: dict[str, str]
    body: bytes


class Gateway:
    """`asked` lists every request; `paid_back` the refunds it took, once an id."""

    def __init__(self) -> None:
        self.behaviour = Behaviour.TAKES
        self.asked: list[Asked] = []
        self.paid_back: dict[str, bytes] = {}
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/gateway"

    def __enter__(self) -> "Gateway":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


STATUS = {
    Behaviour.TAKES: 200,
    Behaviour.BROKEN: 503,
    Behaviour.REFUSES: 422,
    Behaviour.REDIRECTS: 302,
}


def _handler_of(gateway: Gateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            behaviour = gateway.behaviour
            gateway.asked.append(Asked(self.path, dict(self.headers.items()), body))
            if behaviour in {Behaviour.TAKES, Behaviour.DROPS, Behaviour.HANGS}:
                gateway.paid_back.setdefault(self.headers["Idempotency-Key"], body)
            if behaviour is Behaviour.HANGS:
                gateway.closing.wait(30)
            if behaviour not in STATUS:
                self.close_connection = True
                return
            self.send_response(STATUS[behaviour])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Tests read `asked`; nothing is printed."""

    return Handler
