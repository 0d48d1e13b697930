"""A payment gateway on a real port: takes refunds, and says how it was asked."""

from dataclasses import dataclass
from enum import StrEnum

from tests.fakes.server import FakeServer, Handler


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


class Gateway(FakeServer):
    """`asked` lists every request; `paid_back` the refunds it took, once an id."""

    def __init__(self) -> None:
        self.behaviour = Behaviour.TAKES
        self.asked: list[Asked] = []
        self.paid_back: dict[str, bytes] = {}
        self.serve(_handler_of(self))

    @property
    def url(self) -> str:
        return f"{self.root}/gateway"


STATUS = {
    Behaviour.TAKES: 200,
    Behaviour.BROKEN: 503,
    Behaviour.REFUSES: 422,
    Behaviour.REDIRECTS: 302,
}


def _handler_of(gateway: Gateway) -> type[Handler]:
    class Answering(Handler):
        def take(self, body: bytes) -> None:
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

    return Answering
