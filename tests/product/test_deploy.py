"""A new version under load: nobody notices, and nothing is lost or doubled."""

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest

from bench.callers import Ask, Heard, calling
from mealquest.engines.processes import choose_port
from tests.product.running import GUEST, MERCHANT, VERIFIED, Product, Running, figures, until

pytestmark = [pytest.mark.xdist_group("one_product"), pytest.mark.timeout(300)]

SLOWLY_S = 90.0  # three servers start under load, on a machine that does other things too

PAUSES = (0.01, 0.03, 0.05, 0.1, 0.3, 1.1)  # the last is a till that is used now and then
ENOUGH = 30


@pytest.fixture
def web(product, tmp_path) -> Iterator[tuple[Running, int, socket.socket]]:
    """gunicorn alone, as in production, on the engines of a product; its port, and its systemd."""
    port = choose_port(None)
    # By its script: of `python -m gunicorn` SIGUSR2 would start a file that does not find itself.
    argv = (Path(sys.executable).with_name("gunicorn"), "-c", "gunicorn.conf.py", "app:app")
    settings = {"MQ_DATA_DIR": product.home, "PORT": port}
    notify = tmp_path / "notify"
    web = Running(*argv, notes=tmp_path, NOTIFY_SOCKET=notify, **settings)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(notify))
        systemd.settimeout(0)
        try:
            web.until_it_answers(f"http://127.0.0.1:{port}/api/health")
            yield web, port, systemd
        finally:
            for pid in servers(port):
                os.kill(pid, signal.SIGKILL)
            web.end()


def servers(port: int) -> list[int]:
    """Every living process of a web server on that port."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("PORT") == str(port):
                found.append(process.pid)
    return found


def workers(master: int) -> set[int]:
    return {child.pid for child in psutil.Process(master).children()}


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def payments(product: Product) -> int:
    with product.database() as database:
        query = "select count(*) from payments where merchant_id = %s"
        return database.execute(query, (MERCHANT,)).fetchone()[0]


def asks(product: Product):
    """Payments, each once under a key of its own, and a page for every third."""
    headers = {"Authorization": f"Bearer {product.token()}", "Content-Type": "application/json"}
    body = json.dumps({"merchantId": MERCHANT, "userId": GUEST, "orderAmount": 0.01})

    def ask(number: int) -> Ask:
        if number % 3 == 0:
            return Ask("GET", "/console/payments", None, headers)
        key = {"Idempotency-Key": uuid4().hex}
        return Ask("POST", "/api/payment/verify", body, headers | key)

    return ask


def more(heard: Heard) -> None:
    enough = heard.total + ENOUGH
    until(lambda: heard.total >= enough or heard.failures, "requests are answered", SLOWLY_S)


def test_no_request_fails_while_workers_and_then_the_whole_server_are_replaced(product, web):
    first, port, systemd = web
    before = payments(product)
    with calling(("127.0.0.1", port), asks(product), PAUSES) as heard:
        more(heard)
        master = first.process.pid
        old = workers(master)
        os.kill(master, signal.SIGHUP)
        until(
            lambda: workers(master) and not workers(master) & old, "all workers are new", SLOWLY_S
        )
        more(heard)

        os.kill(master, signal.SIGUSR2)
        assert first.ended(SLOWLY_S) == 0
        more(heard)

    assert heard.failures == []
    taken = heard.answers.pop(("POST", 200))
    assert list(heard.answers) == [("GET", 200)]
    assert payments(product) - before == taken
    successor = int(told(systemd)[-1].removeprefix("MAINPID="))
    assert figures(f"http://127.0.0.1:{port}")[VERIFIED] == taken
    check_that_a_stop_answers_whom_it_has_and_refuses_others_at_once(product, port, successor)
    until(lambda: has_ended(successor), "it ended")
    assert not (product.home / f"metrics-{port}").exists()


def told(systemd: socket.socket) -> list[str]:
    said = []
    with contextlib.suppress(BlockingIOError):
        while True:
            said.append(systemd.recv(1000).decode())
    return said


def check_that_a_stop_answers_whom_it_has_and_refuses_others_at_once(
    product: Product, port: int, master: int
) -> None:
    order = asks(product)(1)
    with ThreadPoolExecutor(1) as pool:
        with product.database() as database, database.transaction():
            lock = "select from wallets where merchant_id = %s and customer_id = %s for update"
            database.execute(lock, (MERCHANT, GUEST))
            url = f"http://127.0.0.1:{port}{order.path}"
            taken = pool.submit(
                httpx.post, url, content=order.body, headers=order.headers, timeout=20
            )
            until(product.somebody_waits, "the payment waits for the wallet")
            os.kill(master, signal.SIGTERM)
            until(lambda: is_refused(port), "nobody is let in any more")
            assert not taken.done()
        assert taken.result().status_code == 200


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False
