"""What WeChat's and Alipay's servers have in common: codes good for one exchange, and bad days."""

import json
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.server import FakeServer, Handler


class Behaviour(StrEnum):
    ANSWERS = "answers"
    BROKEN = "broken"  # 500, with a page for people
    REDIRECTS = "redirects"  # 302, which is no answer
    GARBAGE = "garbage"  # 200, and no JSON
    LIST = "list"  # 200, and JSON that is no object
    EMPTY = "empty"  # 200, and an object that says nothing
    FLOODS = "floods"  # 200, and more than anybody would say
    DROPS = "drops"  # closes the connection without an answer
    HANGS = "hangs"  # answers nothing until the server is closed
    TRICKLES = "trickles"  # a byte now and then, until the server is closed


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    sent: dict[str, Any]


@dataclass
class ProviderServer(FakeServer):
    """`issue` makes a code for what the provider shall say of a person; `asked` lists requests."""

    behaviour: Behaviour = Behaviour.ANSWERS
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._people: dict[str, dict[str, Any]] = {}
        self._used: set[str] = set()
        self._one = threading.Lock()
        self.serve(_handler_of(self))

    @property
    def url(self) -> str:
        return self.root

    def issue(self, **person: Any) -> str:
        code = f"code-{len(self._people)}"
        self._people[code] = person
        return code

    def redeem(self, code: Any) -> tuple[dict[str, Any] | None, bool]:
        """Whose code it is, None for nobody's; and whether it was used before."""
        with self._one:
            used = code in self._used
            self._used.add(code)
        return self._people.get(code), used

    def reply(self, asked: Asked) -> tuple[int, Any]:
        """Status and JSON of an answer on a good day."""
        raise NotImplementedError


_BAD_DAYS: dict[Behaviour, tuple[int, bytes]] = {
    Behaviour.BROKEN: (500, b"<h1>Oops</h1>"),
    Behaviour.REDIRECTS: (302, b""),
    Behaviour.GARBAGE: (200, b"\xff<html>"),
    Behaviour.LIST: (200, b"[1]"),
    Behaviour.EMPTY: (200, b"{}"),
    Behaviour.FLOODS: (200, b'{"openid":"x","a":"' + b"a" * 200_000 + b'"}'),
}


def _handler_of(server: ProviderServer) -> type[Handler]:
    class Answering(Handler):
        def take(self, body: bytes) -> None:
            in_query = dict(parse_qsl(urlsplit(self.path).query))
            sent = json.loads(body) if self.command == "POST" else in_query
            asked = Asked(self.command, urlsplit(self.path).path, sent)
            server.asked.append(asked)
            behaviour = server.behaviour
            if behaviour is Behaviour.ANSWERS:
                status, said = server.reply(asked)
                self._send(status, json.dumps(said).encode())
            elif behaviour in _BAD_DAYS:
                self._send(*_BAD_DAYS[behaviour])
            else:
                self._leave_waiting(behaviour)

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")  # as WeChat does
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _leave_waiting(self, behaviour: Behaviour) -> None:
            self.close_connection = True
            if behaviour is Behaviour.HANGS:
                server.closing.wait(30)
            if behaviour is Behaviour.TRICKLES:
                self.send_response(200)
                self.end_headers()
                try:
                    while not server.closing.wait(0.02):
                        self.wfile.write(b" ")
                except OSError:  # the other side has had enough
                    return

    return Answering
