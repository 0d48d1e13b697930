"""From a commit to its effect: bells, the tick, and what happens when either is lost."""

import os
import signal
import time

import httpx
import psutil
import pytest

from tests.engines.conftest import lives, pids
from tests.product.running import MERCHANT, until

pytestmark = pytest.mark.xdist_group("one_product")

SOON_S = 10.0


def request_code(product, phone: str) -> None:
    answer = httpx.post(f"{product.url}/api/auth/merchant/request-code", json={"phone": phone})
    assert answer.status_code == 200


def arrived(edge, phone: str) -> bool:
    return any(post.body["phone"] == phone for post in edge.posts)


def test_a_message_leaves_within_about_a_second_of_its_commit(product, edge):
    request_code(product, "+8613912340001")  # whatever is read for the first time is read now
    until(lambda: arrived(edge, "+8613912340001"), "the first message came", SOON_S)
    began = time.monotonic()
    request_code(product, "+8613912340002")
    until(lambda: arrived(edge, "+8613912340002"), "the message came", SOON_S)
    assert time.monotonic() - began < 2


def test_a_payments_event_is_delivered_within_about_a_second(product):
    with product.client() as client:
        paid = product.verify(client).json()["paymentTxnId"]
    committed = time.monotonic()
    with product.database() as database:
        until(
            lambda: database.execute(
                "select 1 from outbox_events where payload ->> 'paymentTxnId' = %s"
                " and delivered_at is not null",
                (paid,),
            ).fetchone(),
            "the event was delivered",
            SOON_S,
        )
    assert time.monotonic() - committed < 2


def test_what_was_committed_while_valkey_hung_is_delivered_by_the_tick(product, edge):
    until(lambda: lives(product.home, "valkey"), "Valkey is up", SOON_S)
    valkey = pids(product.home)["valkey"]
    os.kill(valkey, signal.SIGSTOP)
    try:
        began = time.monotonic()
        request_code(product, "+8613912340003")
        assert time.monotonic() - began < 2
    finally:
        os.kill(valkey, signal.SIGCONT)
    until(lambda: arrived(edge, "+8613912340003"), "the message came after all")


def test_what_was_committed_while_valkey_was_dead_is_delivered_by_the_tick(product, edge):
    psutil.Process(pids(product.home)["valkey"]).kill()
    request_code(product, "+8613912340004")
    until(lambda: arrived(edge, "+8613912340004"), "the message came after all")


def test_a_voucher_expires_by_the_tick(product):
    """A leader that has just begun rings every bell, so that nobody waits for its turn."""
    with product.database() as database:
        status = "select status from vouchers where merchant_id = %s and id = 'voucher_soon'"
        database.execute(
            "update vouchers set expires_at = now() - interval '1 second'"
            " where merchant_id = %s and id = 'voucher_soon'",
            (MERCHANT,),
        )
        psutil.Process(until(lambda: product.children().get("scheduler"), "a scheduler")).kill()
        until(
            lambda: database.execute(status, (MERCHANT,)).fetchone() == ("EXPIRED",),
            "the voucher has expired",
        )
