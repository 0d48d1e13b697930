"""An OpenAI-compatible model on a real port, with bad days; `asked` lists what it was sent."""

import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class Behaviour(StrEnum):
    ANSWERS = "answers"
    BUSY = "busy"  # 429
    BROKEN = "broken"  # 500, with a page for people
    REFUSES = "refuses"  # 401, with the key it was sent
    REDIRECTS = "redirects"  # 302, which is no answer
    RESETS = "resets"  # resets the connection without an answer
    HALF = "half"  # promises more than it sends, and closes
    NO_JSON = "no json"  # a completion whose words are no JSON
    GARBAGE = "garbage"  # 200, and no JSON at all
    OTHER_SHAPE = "other shape"  # 200, and JSON that is no completion
    FLOODS = "floods"  # 200, and no end of words
    HANGS = "hangs"  # answers nothing until the server is closed
    TRICKLES = "trickles"  # a byte now and then, until the server is closed


@dataclass(frozen=True)
class Asked:
    """Names of headers in lower case."""

    path: str
    headers: dict[str, str]
    sent: dict[str, Any]

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.sent["messages"][-1]["content"])
        return found


REPLY = {"mode": "CHAT_REPLY", "assistantMessage": "hello"}


@dataclass
class ModelServer:
    """`says` makes the assistant's words; `days` are gone through before `behaviour` holds.

    `delay_s` passes before each answer; `most_at_once` is how many requests were in it together.
    """

    behaviour: Behaviour = Behaviour.ANSWERS
    days: list[Behaviour] = field(default_factory=list)
    says: Callable[[dict[str, Any]], str] = lambda _sent: json.dumps(REPLY)
    delay_s: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    most_at_once: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.one = threading.Lock()
        self.at_once = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def proposes(self, **proposal: Any) -> None:
        self.answers({"mode": "PROPOSAL", "assistantMessage": "a draft", "proposal": proposal})

    def answers(self, decision: Any) -> None:
        self.says = lambda _sent: json.dumps(decision)

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


_BAD_DAYS = {
    Behaviour.BUSY: (429, b'{"error": {"message": "slow down"}}'),
    Behaviour.BROKEN: (500, b"<h1>Oops</h1>"),
    Behaviour.REFUSES: (401, b'{"error": {"message": "bad key secret-key"}}'),
    Behaviour.REDIRECTS: (302, b""),
    Behaviour.GARBAGE: (200, b"\xff<html>"),
    Behaviour.OTHER_SHAPE: (200, b'{"choices": [{"text": "{}"}]}'),
    Behaviour.FLOODS: (200, b" " * 400_000 + b"{}"),
}


def completion(words: str) -> bytes:
    message = {"role": "assistant", "content": words}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({"object": "chat.completion", "choices": [choice]}).encode()


def _handler_of(server: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with server.one:
                server.asked.append(Asked(self.path, headers, sent))
                behaviour = server.days.pop(0) if server.days else server.behaviour
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            try:
                server.closing.wait(server.delay_s)
                self._behave(behaviour, sent)
            finally:
                with server.one:
                    server.at_once -= 1

        def _behave(self, behaviour: Behaviour, sent: dict[str, Any]) -> None:
            if behaviour is Behaviour.ANSWERS:
                self._send(200, completion(server.says(sent)))
            elif behaviour is Behaviour.NO_JSON:
                self._send(200, completion("I would rather tell you in prose."))
            elif behaviour in _BAD_DAYS:
                self._send(*_BAD_DAYS[behaviour])
            else:
                self._break_off(behaviour)

        def _send(self, status: int, body: bytes, promised: int = 0) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(promised or len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:  # the other side has had enough
                self.close_connection = True

        def _break_off(self, behaviour: Behaviour) -> None:
            self.close_connection = True
            if behaviour is Behaviour.HALF:
                whole = completion(server.says({}))
                self._send(200, whole[: len(whole) // 2], promised=len(whole))
            elif behaviour is Behaviour.RESETS:
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
            elif behaviour is Behaviour.HANGS:
                server.closing.wait(30)
            elif behaviour is Behaviour.TRICKLES:
                self._trickle()

        def _trickle(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                while not server.closing.wait(0.02):
                    self.wfile.write(b" ")
            except OSError:
                return

        def log_message(self, *args: Any) -> None:
            """Tests read `asked`; nothing is printed."""

    return Handler
