"""Two web servers and two workers over one database and one Valkey: one effect, counted once."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, pairwise
from threading import Barrier

import httpx
import pytest
import redis

from mealquest.engines.processes import choose_port
from tests.product.conftest import copied
from tests.product.running import RELAYED, ROOT, VERIFIED, Product, Running, figures, flask, until
from tests.product.tills import GUESTS, Books, amount_of

pytestmark = pytest.mark.xdist_group("side_by_side")

KEYS = 40
PHONES = 10


@dataclass(frozen=True)
class Pair:
    """A product, and a second web server that counts with a second worker."""

    product: Product
    second: str  # its address

    @property
    def urls(self) -> tuple[str, str]:
        return self.product.url, self.second

    def counted(self, name: str) -> list[float]:
        """A figure, by each of the two web servers."""
        return [figures(url)[name] for url in self.urls]


@pytest.fixture(scope="module")
def product(installation, tmp_path_factory, edge) -> Iterator[Product]:
    """One where no worker has died, and is still on Redis's list of workers."""
    with copied(installation, tmp_path_factory.mktemp("pair"), edge) as product:
        yield product


@pytest.fixture(scope="module")
def pair(product, edge, tmp_path_factory) -> Iterator[Pair]:
    notes, port = tmp_path_factory.mktemp("second"), choose_port(None)
    url = f"http://127.0.0.1:{port}"
    there = {"MQ_DATA_DIR": product.home, "MQ_SMS_WEBHOOK_URL": edge.url}
    counters = product.home / f"metrics-{port}"
    gunicorn = ("-m", "gunicorn", "-c", ROOT / "gunicorn.conf.py", "app:app")
    with ExitStack() as stack:
        web = Running(*gunicorn, notes=notes, PORT=port, **there)
        stack.callback(web.end)
        web.until_it_answers(f"{url}/api/health")
        worker = flask("worker", notes=notes, PROMETHEUS_MULTIPROC_DIR=counters, **there)
        stack.callback(worker.end)
        until(lambda: workers_at_work(product) == 2, "the second worker works")
        yield Pair(product, url)
        for process in (worker, web):
            process.process.terminate()
            assert process.ended() == 0, process.err


def workers_at_work(product: Product) -> int:
    """How many have begun to listen; before that a signal ends them without a word."""
    valkey = redis.Redis.from_url(product.endpoints()["redis_url"])
    names = [key for key in valkey.keys("rq:worker:*") if b":" not in key[10:]]
    return sum(valkey.hget(name, "state") in {b"idle", b"busy"} for name in names)


def send_to_both(pair: Pair, keys: list[str]) -> list[tuple[str, str]]:
    """What both servers answered to each key, which they were sent at the same moment."""
    together = Barrier(2)

    def send(url: str) -> list[str]:
        payments = []
        with pair.product.client() as client:
            client.base_url = url
            for key in keys:
                together.wait(timeout=20)
                guest, amount = GUESTS[0], amount_of(key) / 100
                answer = pair.product.verify(client, amount, guest=guest, key=key)
                assert answer.status_code == 200, answer.text
                payments.append(answer.json()["paymentTxnId"])
        return payments

    with ThreadPoolExecutor(2) as senders:
        return list(zip(*senders.map(send, pair.urls), strict=True))


def test_a_key_sent_to_both_at_once_has_one_effect_and_both_say_so(pair):
    books, before = Books(pair.product), pair.counted(VERIFIED)
    keys = [f"both-{number}" for number in range(KEYS)]
    answers = send_to_both(pair, keys)
    assert all(one == other for one, other in answers)
    books.agree_with({key: one for key, (one, _) in zip(keys, answers, strict=True)})
    after = pair.counted(VERIFIED)
    assert [now - then for now, then in zip(after, before, strict=True)] == [KEYS, KEYS]


def test_both_workers_relay_and_no_event_is_relayed_twice(pair):
    books, more = Books(pair.product), count()
    acknowledged = {}

    def both_have_relayed() -> bool:
        key = f"relayed-{next(more)}"
        ((acknowledged[key], _),) = send_to_both(pair, [key])
        return all(pair.counted(RELAYED))

    until(both_have_relayed, "each of the two workers counted a relay")
    numbers = books.until_relayed()
    assert all(later == earlier + 1 for earlier, later in pairwise(numbers))
    assert books.told() == dict.fromkeys(acknowledged.values(), 1)
    with pair.product.database() as database:
        tries = database.execute("SELECT DISTINCT attempts FROM outbox_events").fetchall()
    assert tries == [(1,)]


def test_a_message_is_sent_once_whichever_server_wrote_it(pair, edge):
    phones = [f"+86139123410{number:02}" for number in range(PHONES)]
    for number, phone in enumerate(phones):
        address = f"{pair.urls[number % 2]}/api/auth/merchant/request-code"
        assert httpx.post(address, json={"phone": phone}).status_code == 200
    until(lambda: {post.body["phone"] for post in edge.posts} >= set(phones), "all were sent")
    waiting = "SELECT count(*) FROM outbound_messages WHERE state = 'queued'"
    with pair.product.database() as database:
        until(lambda: database.execute(waiting).fetchone() == (0,), "nothing is left to send")
    sent = Counter(post.body["phone"] for post in edge.posts)
    assert {phone: sent[phone] for phone in phones} == dict.fromkeys(phones, 1)
