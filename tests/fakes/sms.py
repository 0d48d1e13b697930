"""An SMS edge: a real HTTP server that writes down what it is sent and can misbehave.

with SmsEdge() as edge:
    edge.behaviour = Behaviour.BROKEN
    ...
    assert edge.posts[0].body["code"] == "123456"
"""

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tests.fakes.server import FakeServer, Handler


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


class SmsEdge(FakeServer):
    def __init__(self) -> None:
        self.behaviour = Behaviour.TAKES
        self.posts: list[Post] = []
        self.serve(_handler_of(self))

    @property
    def url(self) -> str:
        return f"{self.root}/sms"

    @property
    def accepted(self) -> list[str]:
        return [post.headers["Idempotency-Key"] for post in self.posts]


def _handler_of(edge: SmsEdge) -> type[Handler]:
    class Answering(Handler):
        def take(self, body: bytes) -> None:
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

    return Answering
