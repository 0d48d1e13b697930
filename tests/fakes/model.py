"""An OpenAI-compatible model on a real port, with bad days; `asked` lists what it was sent."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.fakes.server import FakeServer, Handler


class Behaviour(StrEnum):
    ANSWERS = "answers"
    BUSY = "busy"  # 429
    BROKEN = "broken"  # 500, with a page for people
    AWAY = "away"  # 503
    REFUSES = "refuses"  # 401, with the key it was sent
    REDIRECTS = "redirects"  # 307 to itself, which is no answer
    RESETS = "resets"  # resets the connection without an answer
    HALF = "half"  # promises more than it sends, and closes
    NO_JSON = "no json"  # a completion whose words are no JSON
    GARBAGE = "garbage"  # 200, and no JSON at all
    OTHER_SHAPE = "other shape"  # 200, and JSON that is no completion
    FLOODS = "floods"  # 200, and no end of words
    HANGS = "hangs"  # answers nothing until the server is closed
    CUTS = "cuts"  # streams half of the words, and closes as if that were all
    CUT_JSON = "cut json"  # streams half of the words, and says that it is done
    TROUBLED = "troubled"  # streams half of the words, and then an error
    STREAMS_TRASH = "streams trash"  # events that are no completion
    WHOLE = "whole"  # answers whole whatever it was asked
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
class ModelServer(FakeServer):
    """`says` makes the assistant's words; `days` are gone through before `behaviour` holds.

    Where it is asked to stream it does, with `token_delay_s` between two pieces of the words.
    `delay_s` passes before each answer; `most_at_once` is how many requests were in it together.
    """

    behaviour: Behaviour = Behaviour.ANSWERS
    days: list[Behaviour] = field(default_factory=list)
    says: Callable[[dict[str, Any]], str] = lambda _sent: json.dumps(REPLY)
    delay_s: float = 0.0
    token_delay_s: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self.one = threading.Lock()
        self.at_once = 0
        self.serve(_handler_of(self))

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

    def proposes(self, **proposal: Any) -> None:
        self.answers({"mode": "PROPOSAL", "assistantMessage": "a draft", "proposal": proposal})

    def answers(self, decision: Any) -> None:
        self.says = lambda _sent: json.dumps(decision)


_BAD_DAYS = {
    Behaviour.BUSY: (429, b'{"error": {"message": "slow down"}}'),
    Behaviour.BROKEN: (500, b"<h1>Oops</h1>"),
    Behaviour.AWAY: (503, b""),
    Behaviour.REFUSES: (401, b'{"error": {"message": "bad key secret-key"}}'),
    Behaviour.REDIRECTS: (307, b""),
    Behaviour.GARBAGE: (200, b"\xff<html>"),
    Behaviour.OTHER_SHAPE: (200, b'{"choices": [{"text": "{}"}]}'),
    Behaviour.FLOODS: (200, b" " * 400_000 + b"{}"),
}


def completion(words: str) -> bytes:
    message = {"role": "assistant", "content": words}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 700, "completion_tokens": 30, "total_tokens": 730}
    whole = {"object": "chat.completion", "choices": [choice], "usage": usage}
    return json.dumps(whole).encode()


PIECE = 5
_STREAMED = {
    Behaviour.ANSWERS,
    Behaviour.CUTS,
    Behaviour.CUT_JSON,
    Behaviour.TROUBLED,
    Behaviour.STREAMS_TRASH,
}


def events(words: str, behaviour: Behaviour) -> Iterator[str]:
    """What a stream says, event by event."""
    if behaviour is not Behaviour.ANSWERS:
        words = words[: len(words) // 2]
    if behaviour is Behaviour.STREAMS_TRASH:
        yield "<p>no json</p>"
        return
    for begin in range(0, len(words), PIECE):
        yield _event([{"index": 0, "delta": {"content": words[begin : begin + PIECE]}}])
    if behaviour is Behaviour.TROUBLED:
        yield json.dumps({"error": {"message": "overloaded"}})
    if behaviour in (Behaviour.ANSWERS, Behaviour.CUT_JSON):
        yield _event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
        yield _event([], usage={"prompt_tokens": 700, "completion_tokens": 30, "total_tokens": 730})
        yield "[DONE]"


def _event(choices: list[Any], **more: Any) -> str:
    return json.dumps({"object": "chat.completion.chunk", "choices": choices} | more)


def _handler_of(server: ModelServer) -> type[Handler]:
    class Answering(Handler):
        def take(self, body: bytes) -> None:
            sent = json.loads(body)
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
            if sent.get("stream") and behaviour in _STREAMED:
                self._stream(events(server.says(sent), behaviour))
            elif behaviour in (Behaviour.ANSWERS, Behaviour.WHOLE):
                self._send(200, completion(server.says(sent)))
            elif behaviour is Behaviour.NO_JSON:
                self._send(200, completion("I would rather tell you in prose."))
            elif behaviour in _BAD_DAYS:
                self._send(*_BAD_DAYS[behaviour])
            else:
                self._break_off(behaviour)

        def _send(self, status: int, body: bytes, promised: int = 0) -> None:
            self.send_response(status)
            if status == 307:
                self.send_header("Location", f"{server.root}{self.path}")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(promised or len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:  # the other side has had enough
                self.close_connection = True

        def _stream(self, said: Iterator[str]) -> None:
            self.close_connection = True
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.end_headers()
            try:
                for event in said:
                    self.wfile.write(f"data: {event}\n\n".encode())
                    server.closing.wait(server.token_delay_s)
            except OSError:  # the other side has had enough
                return

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

    return Answering
