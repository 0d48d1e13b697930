"""What dies under a running product comes back, and requests never hear more than 503."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import psutil
import pytest

from tests.engines.conftest import kill, lives, pids
from tests.product.running import Product, until

pytestmark = pytest.mark.xdist_group("one_product")

SOON_S = 10.0


@contextmanager
def taking(product: Product) -> Iterator[Counter[int]]:
    """Four tills that take payments all the time; what they were answered so far, by status."""
    stop, seen = Event(), Counter[int]()

    def till() -> None:
        with product.client() as client:
            while not stop.is_set():
                answer = product.verify(client)
                seen[answer.status_code] += 1
                if answer.status_code == 503:
                    assert answer.json()["code"] == "DATABASE_AWAY"
                    assert "127.0.0.1" not in answer.text
                    time.sleep(0.02)

    with ThreadPoolExecutor(4) as pool:
        tills = [pool.submit(till) for _ in range(4)]
        try:
            until_more_are_taken(seen)
            yield seen
        finally:
            stop.set()
    for one in tills:
        one.result()


def until_more_are_taken(seen: Counter[int]) -> None:
    enough = seen[200] + 10
    until(lambda: seen[200] >= enough, "payments are taken")


def test_postgresql_killed_is_503_until_it_is_back_without_a_restart(product):
    before = product.children()
    with taking(product) as seen:
        kill(product.home, "postgres")
        until(lambda: seen[503], "somebody was told to come back")
        until_more_are_taken(seen)

    assert seen.keys() == {200, 503}
    assert product.children() == before
    until(lambda: lives(product.home, "postgres"), "its pid file is written again")


def test_valkey_killed_is_not_heard_at_the_till(product):
    with taking(product) as seen:
        kill(product.home, "valkey")
        until(lambda: lives(product.home, "valkey"), "Valkey is up again")
        until_more_are_taken(seen)

    assert seen.keys() == {200}


def test_valkey_that_hangs_holds_a_payment_up_for_a_moment_only(product):
    until(lambda: lives(product.home, "valkey"), "Valkey is up", SOON_S)
    valkey = pids(product.home)["valkey"]
    os.kill(valkey, signal.SIGSTOP)
    try:
        with product.client() as client:
            for _ in range(3):
                began = time.monotonic()
                assert product.verify(client).status_code == 200
                assert time.monotonic() - began < 2
    finally:
        os.kill(valkey, signal.SIGCONT)


@pytest.mark.parametrize("name", ["gunicorn", "worker", "scheduler"])
def test_a_child_that_is_killed_is_started_again(product, name):
    before = until(lambda: product.children().get(name), f"a {name} runs")
    psutil.Process(before).kill()

    until(
        lambda: product.children().get(name) not in {None, before}, f"another {name} runs", SOON_S
    )
    until(product.answers, "requests are answered", SOON_S)
    assert "SIGKILL and is started again" in product.err
