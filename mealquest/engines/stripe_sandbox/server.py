"""The sandbox on a port of this machine."""

import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from mealquest.engines.stripe_sandbox import billing
from mealquest.engines.stripe_sandbox.front import Front, Request
from mealquest.engines.stripe_sandbox.webhooks import Postman
from mealquest.engines.stripe_sandbox.world import World

LARGEST_BODY = 1024 * 1024
IDLE_S = 60
POLL_S = 0.02


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), BaseHTTPRequestHandler, bind_and_activate=True)
        self.links: set[socket.socket] = set()

    def server_bind(self) -> None:
        """Without the look-up of our own name that the standard library does here."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        self.links.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.links.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours; others are told with their trace."""
        import sys

        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Server:
    """`port` 0 takes any. The port is bound at once; `start` begins to answer."""

    def __init__(self, world: World, port: int = 0, *, keeps_time: bool = False) -> None:
        self.world, self.postman = world, Postman(world)
        self._keeps_time = keeps_time
        self.hurry = threading.Event()  # ends all delays
        self._listener = _Listener(port)
        self._thread: threading.Thread | None = None
        world.base_url = self.url
        front = Front(world, self.postman, self.hurry)
        self._listener.RequestHandlerClass = _handler_of(front)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.server_port}"

    def start(self) -> None:
        """Answer; with `keeps_time` retries and renewals happen when their time comes."""
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(POLL_S,), daemon=True
        )
        self._thread.start()
        self.postman.start((lambda: billing.tick(self.world)) if self._keeps_time else None)

    def close(self) -> None:
        self.hurry.set()
        self.postman.close()
        if self._thread:
            self._listener.shutdown()
            self._thread.join()
        for link in list(self._listener.links):
            _hang_up(link)
        self._listener.server_close()
        self.world.store.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _hang_up(link: socket.socket) -> None:
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # its other side was faster


def _handler_of(front: Front) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "MealQuestSandbox", ""
        disable_nagle_algorithm = True
        wbufsize = -1  # headers and body leave together
        timeout = IDLE_S

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if length > LARGEST_BODY:
                self.send_error(413)
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(length)
            made = front.answer(Request(self.command, self.path, headers, body))
            if made.is_silent:
                self.close_connection = True
                return
            self.send_response(made.status)
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(made.body)))
            self.end_headers()
            self.wfile.write(made.body)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - names of the standard library

        def log_message(self, *args: Any) -> None:
            """Requests are kept in the world's log."""

    return Handler


def write_pid(path: str, pid: int) -> None:
    with open(path, "w", encoding="ascii") as stream:  # noqa: PTH123 - runs before anything else
        stream.write(str(pid))
        stream.flush()
        os.fsync(stream.fileno())
