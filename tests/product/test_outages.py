"""What dies under a running product comes back, and requests never hear more than 503."""

import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.engines.conftest import kill, lives, pids
from tests.product.running import Product, until

SOON_S = 10.0


def keep_taking(product: Product, seconds: float) -> Counter[int]:
    """Take payments from four tills for some seconds; what they were answered, by status."""
    stop = time.monotonic() + seconds

    def till(_: int) -> Counter[int]:
        seen: Counter[int] = Counter()
        with product.client() as client:
            while time.monotonic() < stop:
                answer = product.verify(client)
                seen[answer.status_code] += 1
                if answer.status_code == 503:
                    assert answer.json()["code"] == "DATABASE_AWAY"
                    assert "127.0.0.1" not in answer.text
                    time.sleep(0.02)
        return seen

    with ThreadPoolExecutor(4) as tills:
        return sum(tills.map(till, range(4)), Counter())


def test_postgresql_killed_is_503_until_it_is_back_without_a_restart(product):
    before = product.children()
    with ThreadPoolExecutor(1) as busy:
        taking = busy.submit(keep_taking, product, 4)
        time.sleep(0.3)  # the tills are at work
        kill(product.home, "postgres")
        seen = taking.result()

    until(product.answers, "the database answers again", SOON_S)
    assert seen.keys() == {200, 503}
    assert product.children() == before
    assert lives(product.home, "postgres")
    with product.client() as client:
        assert product.verify(client).status_code == 200


def test_valkey_killed_is_not_heard_at_the_till(product):
    with ThreadPoolExecutor(1) as busy:
        taking = busy.submit(keep_taking, product, 3)
        kill(product.home, "valkey")
        seen = taking.result()

    assert seen.keys() == {200}
    until(lambda: lives(product.home, "valkey"), "Valkey is up again", SOON_S)


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
