"""What only a real server shows: many threads and processes, and bodies as the network has them."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select

from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.wallet import service as wallet
from mealquest.wallet.models import TopUp
from tests.web.live import Answer, Live, running

MANY = 50


@pytest.fixture(scope="module")
def live(app, redis_url, tmp_path_factory) -> Live:
    with running(app, redis_url, tmp_path_factory.mktemp("live")) as server:
        yield server


@pytest.fixture
def owner(shop) -> dict[str, str]:
    """As keyword arguments of a request."""
    return {"Authorization": f"Bearer {shop.tokens[Role.OWNER]}"}


def at_once(calls: list) -> list[Answer]:
    start = Barrier(len(calls))

    def run(call):
        start.wait(20)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def principal_of(shop) -> float:
    return float(wallet.customer_detail(shop.merchant_id, shop.customer).wallet.principal)


def top_ups(shop) -> int:
    with transaction(shop.merchant_id) as session:
        mine = TopUp.merchant_id == shop.merchant_id
        return session.scalar(select(func.count()).select_from(TopUp).where(mine)) or 0


def paid_in(shop, amount: int = 20) -> str:
    return json.dumps({"userId": shop.customer, "amount": amount, "method": "CASH"})


def test_fifty_threads_with_one_key_have_one_effect(live, shop, owner) -> None:
    before, count = principal_of(shop), top_ups(shop)

    def send() -> Answer:
        return live.request(
            "POST", "/api/wallet/top-ups", paid_in(shop), Idempotency_Key="one", **owner
        )

    answers = at_once([send] * MANY)

    assert {answer.status for answer in answers} == {200}, [answer.body for answer in answers][:3]
    assert len({answer.body for answer in answers}) == 1
    assert [a.headers.get("Idempotent-Replayed") for a in answers].count("true") == MANY - 1
    assert top_ups(shop) - count == 1
    assert principal_of(shop) - before == 20


def test_one_key_with_other_bodies_at_once_has_one_effect(live, shop, owner) -> None:
    """Whoever is first wins; the others hear that the key is taken."""
    count = top_ups(shop)

    def send(amount: int) -> Answer:
        body = paid_in(shop, amount)
        return live.request("POST", "/api/wallet/top-ups", body, Idempotency_Key="two", **owner)

    answers = at_once([lambda amount=amount: send(amount) for amount in range(1, 11)])

    assert sorted(answer.status for answer in answers) == [200] + [409] * 9
    codes = {answer.json()["code"] for answer in answers if answer.status == 409}
    assert codes == {"IDEMPOTENCY_KEY_REUSED"}
    assert top_ups(shop) - count == 1


def test_payments_at_once_do_not_take_more_than_there_is(live, shop, owner) -> None:
    """Each takes a good half of what the wallet holds, so one of them is paid from it."""
    held = wallet.customer_detail(shop.merchant_id, shop.customer).wallet
    half = float(held.principal + held.bonus) // 2 + 1
    body = json.dumps({"userId": shop.customer, "orderAmount": half, "voucherId": "NONE"})

    answers = at_once(
        [
            lambda key=key: live.request(
                "POST", "/api/payment/verify", body, Idempotency_Key=str(key), **owner
            )
            for key in range(8)
        ]
    )

    assert {answer.status for answer in answers} <= {200, 409}
    paid = [answer for answer in answers if answer.json().get("status") == "PAID"]
    assert len(paid) == 1
    assert principal_of(shop) >= 0


# --- bodies on the wire -------------------------------------------------------------------


@pytest.mark.parametrize("media", ["application/json", "application/x-www-form-urlencoded"])
def test_a_long_body_in_chunks_is_refused(live, shop, owner, media) -> None:
    order = f'{{"userId":"{shop.customer}","orderAmount":5'.encode()
    chunks = [order, b" " * 600_000, b" " * 600_000, b"}"]

    answer = live.request(
        "POST",
        "/api/payment/quote",
        iter(chunks),
        chunked=True,
        Transfer_Encoding="chunked",
        Content_Type=media,
        **owner,
    )

    assert answer.status == 413
    assert answer.json()["error"] == "Request body too large"


def test_a_short_body_in_chunks_is_taken(live, shop, owner) -> None:
    chunks = [b'{"userId":', json.dumps(shop.customer).encode(), b',"orderAmount":5}']

    answer = live.request(
        "POST",
        "/api/payment/quote",
        iter(chunks),
        chunked=True,
        Transfer_Encoding="chunked",
        **owner,
    )

    assert answer.status == 200


def test_half_a_form_is_not_acted_on(live, shop, owner) -> None:
    """`amount=100` whose end is lost on the way reads `amount=10`."""
    count = top_ups(shop)
    head = (
        f"POST /console/customers/{shop.customer}/top-ups HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {owner['Authorization']}\r\nIdempotency-Key: half\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 22\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", live.port), timeout=20) as connection:
        connection.sendall(head.encode() + b"method=CASH&amount=10")  # and the second 0 is lost
        connection.shutdown(socket.SHUT_WR)
        status = connection.recv(65536).split(b" ", 2)[1]

    assert status == b"400"
    assert top_ups(shop) == count


@pytest.mark.parametrize(
    "start",
    [
        b"GET /%FF%FE%00 HTTP/1.1\r\n",
        b"GET /api/customers/\xff HTTP/1.1\r\n",
        b"GET /api/customers?query=\xff\xfe HTTP/1.1\r\n",
        b"GET //evil.example/%2e%2e HTTP/1.1\r\n",
        b"BREW /api/customers HTTP/1.1\r\n",
        b"POST /api/payment/quote HTTP/1.1\r\nContent-Length: -1\r\n",
        b"POST /api/payment/quote HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"GET /health HTTP/1.1\r\nX-Request-Id: \xff\xfe\r\n",
        b"GET /health HTTP/1.1\r\nCookie: " + b"a" * 7000 + b"\r\n",
    ],
    ids=lambda start: repr(start[:30]),
)
def test_raw_nonsense_is_refused_by_somebody(live, start) -> None:
    with socket.create_connection(("127.0.0.1", live.port), timeout=20) as connection:
        connection.sendall(start + b"Host: x\r\nConnection: close\r\n\r\n")
        answer = connection.recv(65536)

    status = int(answer.split(b" ", 2)[1])
    assert status < 500 or status == 501  # a method or an encoding that gunicorn does not know


# --- figures of both processes ----------------------------------------------------------------


def test_the_figures_of_all_processes_add_up(live) -> None:
    def counted() -> float:
        text = live.request("GET", "/metrics").body.decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "mealquest_requests_by_path_total"
            and sample.labels["path"] == "/api/merchant/exists"
        )

    before = counted()

    at_once([lambda: live.request("GET", "/api/merchant/exists?merchantId=m_x")] * 40)

    # whichever process is asked, it knows of the other's
    assert {counted() - before for _ in range(12)} == {40}
