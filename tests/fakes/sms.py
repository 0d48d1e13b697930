"""An SMS edge: a real HTTP server that writes down what it is sent and can misbehave.

with SmsEdge() as edge:
    edge.behaviour = Behaviour.BROKEN
    ...
    assert edge.posts[0].body["code"] == "123456"
"""

import json
import threading
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


class Behaviour(Enum):
    TAKES = "takes"  # 202
    BROKEN = "broken"  # 500
    REDIRECTS = "redirects"  # 302, which is no acceptance either
    DROPS = "drops"  # closes the connection without an answer
    HANGS = "hangs"  # answers nothing until the server is closed


@dataclass(frozen=True)
class Post:
    path: str
    headers: dict[str, str]
    body: Any


class SmsEdge:
    def __init__(self) -> None:
        self.behaviour = Behaviour.TAKES
        self.posts: list[Post] = []
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/sms"

    @property
    def accepted(self) -> list[str]:
        return [post.headers["Idempotency-Key"] for post in self.posts]

    def __enter__(self) -> "SmsEdge":
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


def _handler_of(edge: SmsEdge) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            edge.posts.append(Post(self.path, dict(self.headers.items()), json.loads(body)))
            if edge.behaviour is Behaviour.HANGS:
                edge.closing.wait(30)
            if edge.behaviour in {Behaviour.HANGS, Behaviour.DROPS}:
                self.close_connection = True
                return
            status = {Behaviour.TAKES: 202, Behaviour.BROKEN: 500, Behaviour.REDIRECTS: 302}
            self.send_response(status[edge.behaviour])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Tests read `posts`; nothing is printed."""

    return Handler
