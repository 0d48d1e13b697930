"""Valkey is gone for a while: payments, live events and messages go on without it."""

import json
import threading
import time
from contextlib import closing
from itertools import count, takewhile

import httpx
import pytest
import websocket

from tests.engines.conftest import cleaned, kill, used
from tests.product.running import MERCHANT, PATIENCE_S, RELAYED, until
from tests.product.tills import Books, open_tills

pytestmark = pytest.mark.xdist_group("all_fail")

OUTAGE_S = 10.0  # several times what anybody waits before they ask for it again
PAUSE_S = 0.1  # of a till between two payments: a clerk may take 1,200 a minute
SLOWEST_S = 1.0  # 99 of 100 payments; one that asks Valkey waits half a second for it at most


class Listener:
    """A clerk's socket, listened to all the time, and what it was told."""

    def __init__(self, product) -> None:
        address = product.url.replace("http", "ws", 1)
        query = f"token={product.token()}&merchantId={MERCHANT}"
        self._socket = websocket.create_connection(f"{address}/ws?{query}", timeout=PATIENCE_S)
        self.numbers: list[int] = []
        self.payments: set[str] = set()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while words := self._socket.recv():
            frame = json.loads(words)
            if frame["type"] == "PAYMENT_VERIFIED":
                self.payments.add(frame["payload"]["paymentTxnId"])
            self.numbers.append(frame["seq"])

    def close(self) -> None:
        self._socket.send_close()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        self._socket.shutdown()


def ask_for_a_code(product) -> str:
    """Returns the phone that it is sent to."""
    phone = "+8613912340009"
    answer = httpx.post(f"{product.url}/api/auth/merchant/request-code", json={"phone": phone})
    assert answer.status_code == 200
    return phone


def take_without_valkey(tills, listener) -> None:
    """Payments all the time, and all are told before it is back."""
    ends = time.monotonic() + OUTAGE_S
    for turn in takewhile(lambda _: time.monotonic() < ends, count()):
        tills.pay([f"without-{turn}-{number}" for number in range(20)])
        tills.until_all()
    until(lambda: told_of_all(tills, listener), "all are told without Valkey")


def told_of_all(tills, listener) -> bool:
    return set(tills.acknowledged.values()) <= listener.payments


def until_the_worker_relays(tills) -> None:
    relayed, more = tills.product.figures()[RELAYED], count()

    def it_has() -> bool:
        tills.pay([f"after-{next(more)}"])
        tills.until_all()
        return tills.product.figures()[RELAYED] > relayed

    until(it_has, "the worker works again")


def code_came(edge, phone: str) -> bool:
    return any(post.body["phone"] == phone for post in edge.posts)


def test_a_shop_does_not_notice_that_valkey_is_gone(start, home, tmp_path, edge):
    with cleaned(tmp_path / "queue") as queue, used(queue, postgres=False) as found:
        servers = {"MQ_REDIS_URL": found.redis_url, "MQ_SMS_WEBHOOK_URL": edge.url}
        product = start(home, MQ_RATE_LIMITS="on", **servers).ready()
        books = Books(product)
        with closing(Listener(product)) as listener, open_tills(product, 4, PAUSE_S) as tills:
            tills.pay([f"before-{number}" for number in range(20)])
            tills.until_all()
            kill(queue, "valkey")
            phone = ask_for_a_code(product)
            take_without_valkey(tills, listener)
            until(lambda: code_came(edge, phone), "the code came without Valkey")
            with used(queue, postgres=False) as again:
                assert again == found
                until_the_worker_relays(tills)
                until(lambda: told_of_all(tills, listener), "all are told with Valkey again")

        print(tills.summary())
        assert tills.unanswered == {}
        assert tills.percentile(0.99) < SLOWEST_S
        books.agree_with(tills.acknowledged)
        since = [number for number in books.until_relayed() if number >= listener.numbers[0]]
        assert since == listener.numbers  # none missing, none twice, in order
        assert books.told() == dict.fromkeys(tills.acknowledged.values(), 1)
        product.stop()
