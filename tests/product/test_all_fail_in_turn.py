"""500 payments while every part of the product is killed, one after the other."""

import psutil
import psycopg
import pytest
import redis

from tests.engines.conftest import kill, lives
from tests.product.running import Product, until
from tests.product.tills import Books, open_tills

pytestmark = [pytest.mark.xdist_group("all_fail"), pytest.mark.timeout(300)]

EACH = 100  # payments around each death
BEFORE, AFTER = 30, 20  # acknowledged before it, and asked for only when all is well again
PAUSE_S = 0.08  # of a till between two payments: some are on their way the whole time


def one_web_worker(product: Product) -> None:
    master = psutil.Process(product.children()["gunicorn"])
    victim, *others = until(master.children, "the web server has workers")
    victim.kill()
    known = {victim, *others}
    until(lambda: set(master.children()) - known, "the web server started another worker")


def a_child(name: str):
    def die(product: Product) -> None:
        before = product.children()[name]
        psutil.Process(before).kill()
        until(
            lambda: product.children().get(name) not in {None, before},
            f"another {name} was started",
        )

    return die


def an_engine(name: str):
    def die(product: Product) -> None:
        kill(product.home, name)
        until(lambda: lives(product.home, name), f"{name} was started again")

    return die


DEATHS = [
    one_web_worker,
    a_child("gunicorn"),
    a_child("worker"),
    an_engine("valkey"),
    an_engine("postgres"),
]


def endpoints_are_right(product: Product) -> bool:
    """Whether the file names servers that take its logins."""
    there = product.endpoints()
    assert there["http"] == product.url
    for name in ("db_url", "admin_db_url"):
        psycopg.connect(there[name]).close()
    with redis.Redis.from_url(there["redis_url"]) as queue:
        return bool(queue.ping())


def test_every_acknowledged_payment_is_there_once_whatever_dies_meanwhile(start, home):
    first = start(home, MQ_WEB_WORKERS=2).ready()
    books, keys = Books(first), [f"turn-{number}" for number in range(EACH * len(DEATHS))]
    with open_tills(first, pause=PAUSE_S) as tills:
        for turn, die in enumerate(DEATHS):
            these = keys[turn * EACH : (turn + 1) * EACH]
            tills.pay(these[:-AFTER])
            tills.until_acknowledged(turn * EACH + BEFORE)
            die(first)
            tills.pay(these[-AFTER:])
            tills.until_all()

    assert tills.unanswered, "nobody noticed a death"
    assert set(tills.acknowledged) == set(keys)
    books.agree_with(tills.acknowledged)
    numbers = books.until_relayed()
    assert numbers == list(range(1, len(numbers) + 1))
    assert books.told() == dict.fromkeys(tills.acknowledged.values(), 1)
    until(lambda: endpoints_are_right(first), "endpoints.json is right")
    parts = {"gunicorn", "worker", "scheduler"}
    until(lambda: set(first.children()) == parts, "every process runs")
    first.process.kill()  # and last of all the whole product, which leaves its engines behind
    first.process.wait()
    assert (home / "endpoints.json").exists()  # nobody was left to remove it

    second = start(home, port=first.port, MQ_WEB_WORKERS=2).ready()
    with open_tills(second) as again:
        again.pay(keys)
        again.until_all()
    assert again.acknowledged == tills.acknowledged
    books.agree_with(tills.acknowledged)
    assert books.until_relayed() == numbers
    second.stop()
