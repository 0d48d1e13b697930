"""What a socket is sent, to whom, and that nothing is missed or sent twice."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from jobs import outbox as relay_job
from mealquest.core.principal import Role
from mealquest.realtime import service as realtime
from mealquest.realtime.domain import AUDIENCE
from tests.realtime.conftest import Web, eventually, make_shop, publish, tell

pytestmark = pytest.mark.usefixtures("app")

FILLER = {"filler": "x" * 4000}


def lagging(web: Web) -> set[str]:
    """Merchants of whose sockets one fell behind, by the log that the whole module shares."""
    lines = (json.loads(line) for line in web.log.read_text().splitlines() if "{" in line)
    return {line["merchant_id"] for line in lines if line["event"] == "socket lags"}


def test_a_frame_has_the_contracts_form(web, shop, connect):
    client = connect(web, token=shop.owner, merchantId=shop.id)
    tell(shop.id, {"userId": shop.customer, "status": "PAID", "sum": 13.08})
    frame = client.next()
    assert frame == {
        "type": "PAYMENT_VERIFIED",
        "merchantId": shop.id,
        "payload": {"userId": shop.customer, "status": "PAID", "sum": 13.08},
        "timestamp": frame["timestamp"],
        "seq": 1,
    }
    assert frame["timestamp"].endswith("Z")


def test_each_merchant_counts_from_one_and_hears_only_of_itself(web, shop, connect):
    other = make_shop()
    mine, theirs = connect(web, token=shop.owner), connect(web, token=other.owner)
    tell(shop.id, {"n": 1}, {"n": 2})
    tell(other.id, {"n": 3})
    assert [(f["seq"], f["payload"]["n"]) for f in mine.until(2)] == [(1, 1), (2, 2)]
    assert [(f["seq"], f["payload"]["n"]) for f in theirs.until(1)] == [(1, 3)]
    assert mine.is_silent()
    assert theirs.is_silent(0.1)


def test_a_customer_hears_only_of_their_own(web, shop, connect):
    client = connect(web, token=shop.tokens["CUSTOMER"])
    tell(shop.id, {"userId": shop.other_customer}, {}, {"userId": None}, {"userId": shop.customer})
    tell(shop.id, {"userId": shop.customer}, kind="VOUCHER_GRANTED")
    tell(shop.id, {"userId": shop.customer}, kind="STRATEGY_CHAT_MESSAGE")
    tell(shop.id, {"userId": shop.customer}, kind="WALLET_TOPPED_UP")
    frames = client.until(2)
    assert [(f["type"], f["seq"]) for f in frames] == [
        ("PAYMENT_VERIFIED", 4),
        ("WALLET_TOPPED_UP", 7),
    ]
    assert client.is_silent()


def test_a_resumed_customer_gets_no_more_than_a_live_one(web, shop, connect):
    tell(shop.id, {"userId": shop.other_customer}, {"userId": shop.customer})
    client = connect(web, token=shop.tokens["CUSTOMER"], since=0)
    assert client.next()["payload"]["userId"] == shop.customer
    assert client.is_silent()


NOT_FOR_CLERKS = {
    "STRATEGY_CHAT_SESSION_CREATED",
    "STRATEGY_CHAT_MESSAGE",
    "STRATEGY_CHAT_REVIEWED",
    "STRATEGY_PROPOSAL_CREATED",
    "PROPOSAL_CANDIDATE_PICKED",
    "RECOVERY_CHANGED",
    "ALLIANCE_CHANGED",
    "ALLIANCE_SETTLED",
}
NOT_FOR_STAFF = {"WALLET_MOVED"}  # what happened at another store is the customer's


@pytest.mark.parametrize("role", [Role.CLERK, Role.MANAGER, Role.OWNER])
def test_staff_hear_what_their_role_may(web, shop, connect, role):
    client = connect(web, token=shop.tokens[role])
    for kind in sorted(AUDIENCE):
        publish(shop.id, {"userId": shop.customer}, kind=kind)
    publish(shop.id, {}, kind="OF_NO_CONCERN")
    relay_job.relay()
    expected = set(AUDIENCE) - NOT_FOR_STAFF - (NOT_FOR_CLERKS if role is Role.CLERK else set())
    heard = {frame["type"] for frame in client.until(len(expected))}
    assert heard == expected
    assert client.is_silent(0.5)


def test_what_a_client_says_is_ignored(web, shop, connect):
    client = connect(web, token=shop.owner)
    for _ in range(50):
        client.ws.send("hello")
    client.ws.ping("are you there")
    tell(shop.id, {"n": 1})
    assert client.next()["payload"] == {"n": 1}


def test_a_message_too_long_ends_the_socket(web, shop, connect):
    client = connect(web, token=shop.owner)
    client.ws.send("x" * 5000)
    assert client.closing()[0] == 1009


# --- resuming -----------------------------------------------------------------------------


def test_since_sends_what_was_missed_first(web, shop, connect):
    tell(shop.id, *({"n": n} for n in range(1, 6)))
    client = connect(web, token=shop.owner, since=2)
    tell(shop.id, {"n": 6})
    assert [f["seq"] for f in client.until(4)] == [3, 4, 5, 6]
    assert client.is_silent(0.3)


def test_without_since_a_stream_begins_now(web, shop, connect):
    tell(shop.id, {"n": 1})
    client = connect(web, token=shop.owner)
    tell(shop.id, {"n": 2})
    assert client.next()["seq"] == 2


def test_since_the_newest_sends_nothing(web, shop, connect):
    tell(shop.id, {"n": 1})
    assert connect(web, token=shop.owner, since=1).is_silent()


def test_a_client_is_told_when_what_it_missed_is_gone(web, shop, connect, owner_sql):
    tell(shop.id, *({"n": n} for n in range(1, 6)))
    owner_sql("DELETE FROM live_events WHERE seq <= 3")
    client = connect(web, token=shop.owner, since=1)
    lost, *rest = client.until(3)
    assert (lost["type"], lost["seq"]) == ("EVENTS_LOST", 3)
    assert lost["payload"] == {"since": 1, "firstKept": 4, "newest": 5}
    assert [f["seq"] for f in rest] == [4, 5]
    assert connect(web, token=shop.owner, since=3).next()["seq"] == 4


@pytest.mark.parametrize("since", [0, 99])
def test_a_client_is_told_when_nothing_is_kept_or_its_number_was_never_given(
    web, shop, connect, owner_sql, since
):
    tell(shop.id, {"n": 1}, {"n": 2})
    owner_sql("DELETE FROM live_events")
    client = connect(web, token=shop.owner, since=since)
    lost = client.next()
    assert (lost["type"], lost["seq"]) == ("EVENTS_LOST", 2)
    assert lost["payload"] == {"since": since, "firstKept": 3, "newest": 2}
    tell(shop.id, {"n": 3})
    assert client.next()["seq"] == 3


def test_resuming_under_load_misses_nothing_and_repeats_nothing(app, web, shop, connect):
    """Clients come and go while events are committed and numbered by several relays at once."""
    total = 300
    seen: dict[int, list[int]] = {}

    def produce(first: int) -> None:
        with app.app_context():
            for number in range(first, first + total // 3):
                publish(shop.id, {"n": number})
                if number % 3 == 0:
                    relay_job.relay()

    def follow(which: int) -> None:
        """Read a few frames, hang up, and come back with the last number."""
        got = seen[which] = []
        while len(got) < total:
            client = connect(web, token=shop.owner, since=got[-1] if got else 0)
            for _ in range(7 + 11 * which):
                if len(got) == total:
                    break
                got.append(client.next(30)["seq"])
            client.ws.shutdown()

    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(follow, which) for which in range(3)]
        writers = [pool.submit(produce, n * total // 3) for n in range(3)]
        for writer in writers:
            writer.result()
        with app.app_context():
            while relay_job.relay() != "handled 0":
                pass
        for reader in readers:
            reader.result(60)
    assert all(got == list(range(1, total + 1)) for got in seen.values())


def test_no_event_after_the_handshake_is_missed(app, web, shop, connect):
    """The event is committed the moment the client is told that it is in."""
    for number in range(1, 11):
        client = connect(web, token=shop.owner)
        tell(shop.id, {"n": number})
        assert client.next()["payload"] == {"n": number}
        client.ws.shutdown()


# --- several processes --------------------------------------------------------------------


def test_two_processes_serve_one_merchant(web, shop, connect, owner_sql):
    clients = []
    while len(processes(owner_sql)) < 2:
        assert len(clients) < 60, "every connection went to one process"
        clients.append(connect(web, token=shop.owner))
    assert web.get("/api/ws/status", shop.clerk) == (
        200,
        {"merchantId": shop.id, "onlineCount": len(clients), "lastSeq": 0},
    )
    tell(shop.id, {"n": 1}, {"n": 2})
    assert all([f["seq"] for f in client.until(2)] == [1, 2] for client in clients)
    for client in clients:
        client.ws.close()
    eventually(lambda: web.get("/api/ws/status", shop.clerk)[1]["onlineCount"] == 0, 3)


def processes(owner_sql) -> set[str]:
    return {row[0] for row in owner_sql("SELECT DISTINCT process_id FROM live_presence")}


def test_a_slow_client_is_dropped_and_holds_up_nobody(web, shop, connect):
    slow, quick = connect(web, hurried=False, token=shop.owner), connect(web, token=shop.owner)
    for number in range(1, 11):
        tell(shop.id, *[FILLER] * 50)
        quick.until(number * 50, 60)
    assert [f["seq"] for f in quick.frames] == list(range(1, 501))
    eventually(lambda: web.get("/api/ws/status", shop.owner)[1]["onlineCount"] == 1, 20)
    assert shop.id in lagging(web)
    assert slow.ws.connected  # it never said a word: it only did not read


def test_a_slow_client_that_reads_again_learns_why_and_goes_on(web, shop, connect):
    slow = connect(web, hurried=False, token=shop.owner)
    tell(shop.id, *[FILLER] * 500)
    eventually(lambda: shop.id in lagging(web))
    assert slow.closing() == (1008, "TOO_SLOW")
    last = slow.frames[-1]["seq"]
    assert [f["seq"] for f in slow.frames] == list(range(1, last + 1))
    again = connect(web, token=shop.owner, since=last)
    assert [f["seq"] for f in again.until(500 - last)] == list(range(last + 1, 501))


def test_the_stream_goes_on_within_milliseconds(web, shop, connect):
    client = connect(web, token=shop.owner)
    times = []
    for _ in range(20):
        began = time.monotonic()
        tell(shop.id, {})
        client.next()
        times.append(time.monotonic() - began)
    assert sorted(times)[10] < 0.2, times  # a ring, not the look every three seconds


def test_what_passes_by_has_no_number_and_reaches_who_asked_for_it_and_may_hear_it(
    web, shop, connect
):
    """And it moves nobody's place in the stream."""
    other = make_shop()
    owner, manager, clerk, stranger = (
        connect(web, token=token, passing="yes")
        for token in (shop.owner, shop.tokens["MANAGER"], shop.tokens["CLERK"], other.owner)
    )
    plain = connect(web, token=shop.owner)
    realtime.whisper(shop.id, "STRATEGY_CHAT_DRAFT", {"turnId": "t", "text": "Hot soup"})
    for client in (owner, manager):
        frame = client.next()
        assert frame == {
            "type": "STRATEGY_CHAT_DRAFT",
            "merchantId": shop.id,
            "payload": {"turnId": "t", "text": "Hot soup"},
            "timestamp": frame["timestamp"],
        }
    tell(shop.id, {"n": 1})
    tell(other.id, {"n": 1})
    for client in (owner, manager, clerk, stranger, plain):
        assert client.next()["seq"] == 1
    later = connect(web, token=shop.owner, passing="yes", since=0)
    assert [frame["seq"] for frame in later.until(1)] == [1]
    assert later.is_silent(0.1)
