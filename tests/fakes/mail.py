"""Resend's mail API on a real port: takes mails once an idempotency key, and can misbehave.

with MailEdge() as edge:
    edge.will(Behaviour.HANGS, Behaviour.BUSY)  # the next two; then it behaves again
    ...
    assert edge.sent[0].body["to"] == ["a@example.org"]
"""

import base64
import json
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.fakes.server import FakeServer, Handler

KEY = "re_test_key"
RETRY_AFTER_S = 30


class Behaviour(StrEnum):
    TAKES = "takes"  # 200 with the mail's id
    BROKEN = "broken"  # 500
    BUSY_KEY = "busy_key"  # 409: a request with this key is still running
    NO_KEY = "no_key"  # 403: the API key is not known
    BUSY = "busy"  # 429 with Retry-After
    BUSY_UNTIL = "busy_until"  # 429 with a Retry-After that is a date
    REFUSES = "refuses"  # 422: it will never take this mail
    GARBAGE = "garbage"  # takes the mail, and answers 200 with a page instead of JSON
    SHAPELESS = "shapeless"  # takes the mail, and answers 200 with JSON without an id
    ENDLESS = "endless"  # takes the mail, and answers 200 with a megabyte of nothing
    DROPS = "drops"  # takes the mail, and closes the connection without an answer
    HANGS = "hangs"  # takes the mail, and answers nothing until the server is closed


SILENT = {Behaviour.DROPS, Behaviour.HANGS}
NOT_TAKEN = {
    Behaviour.BROKEN: (500, {}),
    Behaviour.BUSY_KEY: (409, {}),
    Behaviour.NO_KEY: (403, {}),
    Behaviour.BUSY: (429, {"Retry-After": str(RETRY_AFTER_S)}),
    Behaviour.BUSY_UNTIL: (429, {"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}),
    Behaviour.REFUSES: (422, {}),
}
ANSWERS = {
    Behaviour.GARBAGE: b"<html>captive portal</html>",
    Behaviour.SHAPELESS: b'["ok"]',
    Behaviour.ENDLESS: b" " * 1_000_000,
}


@dataclass(frozen=True)
class Asked:
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def key(self) -> str:
        return self.headers["Idempotency-Key"]

    @property
    def files(self) -> dict[str, bytes]:
        sent = self.body.get("attachments", [])
        return {file["filename"]: base64.b64decode(file["content"]) for file in sent}


class MailEdge(FakeServer):
    """`asked` lists every request; `sent` the mails that went out, one an idempotency key.

    `hanging` are the keys of those that get no answer.
    """

    def __init__(self) -> None:
        self.coming: deque[Behaviour] = deque()
        self.asked: list[Asked] = []
        self.hanging: list[str] = []
        self._taken: dict[str, Asked] = {}
        self.serve(_handler_of(self))

    @property
    def url(self) -> str:
        return self.root

    @property
    def sent(self) -> list[Asked]:
        return list(self._taken.values())

    def will(self, *behaviours: Behaviour) -> None:
        self.coming.extend(behaviours)

    def take(self, asked: Asked) -> bool:
        """False: the key stands for another mail."""
        return self._taken.setdefault(asked.key, asked).body == asked.body


def _handler_of(edge: MailEdge) -> type[Handler]:
    class Answering(Handler):
        def take(self, body: bytes) -> None:
            asked = Asked(self.path, dict(self.headers.items()), json.loads(body))
            edge.asked.append(asked)
            if self.headers["Authorization"] != f"Bearer {KEY}":
                self.answer(401, {}, b"{}")
                return
            behaviour = edge.coming.popleft() if edge.coming else Behaviour.TAKES
            if behaviour in NOT_TAKEN:
                self.answer(*NOT_TAKEN[behaviour], b'{"name":"error","message":"no"}')
                return
            if not edge.take(asked):
                self.answer(409, {}, b'{"name":"invalid_idempotent_request","message":"no"}')
                return
            if behaviour is Behaviour.HANGS:
                edge.hanging.append(asked.key)
                edge.closing.wait(30)
            if behaviour in SILENT:
                self.close_connection = True
                return
            self.answer(200, {}, ANSWERS.get(behaviour, b'{"id":"4ef9a417"}'))

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            kind = "text/html" if body.startswith(b"<") else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Answering
