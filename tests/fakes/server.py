"""What every fake server has: a real port, a thread, and an end that lets nobody hang."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class FakeServer:
    """Serves from `with` to the end of the block; `closing` is set then, for who hangs till it."""

    closing: threading.Event

    def serve(self, handler: type[BaseHTTPRequestHandler]) -> None:
        """Take a port. Called once, when the server is made."""
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
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


class Handler(BaseHTTPRequestHandler):
    """Prints nothing: tests read what the server wrote down."""

    def do_GET(self) -> None:
        self.take(b"")

    def do_POST(self) -> None:
        self.take(self.rfile.read(int(self.headers["Content-Length"])))

    def take(self, body: bytes) -> None:
        """Answer a request, or do not."""
        raise NotImplementedError

    def log_message(self, *args: Any) -> None:
        pass

    def log_error(self, *args: Any) -> None:
        """A client that has had enough is what some behaviours are for."""
