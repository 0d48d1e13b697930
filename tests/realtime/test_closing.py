"""Sockets end when they should: people, policies, limits, processes and servers that go."""

import signal
import threading
import time

import pytest
import websocket

from jobs import outbox as relay_job
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.principal import Principal, Role
from mealquest.engines.service import running
from mealquest.identity import service as identity
from mealquest.identity.models import Customer
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import TenantPolicy
from tests.realtime.conftest import eventually, kill_hard, publish, tell, token_of

pytestmark = pytest.mark.usefixtures("app")

STOP_S = 10  # what the whole product may take, also on a machine that is busy


def online(web, shop) -> int:
    return web.get("/api/ws/status", shop.manager)[1]["onlineCount"]


def test_a_policy_that_turns_off_closes_open_sockets(web, shop, connect):
    clients = [connect(web, token=shop.owner), connect(web, token=shop.tokens["CUSTOMER"])]
    with transaction(shop.id) as session:
        tenancy.set_policy(session, shop.id, TenantPolicy(ws_enabled=False))
    for client in clients:
        assert client.closing() == (1008, "TENANT_REALTIME_DISABLED")


def test_whoever_may_not_listen_any_more_hears_no_more_and_nobody_else_is_sent_away(
    web, shop, connect
):
    """Signed out, removed, erased, or with a token whose time is over: all within one look."""
    subject = {token: identity.read_token(token).subject for token in (shop.clerk, shop.manager)}
    owner = identity.read_token(shop.owner).subject
    signed_out, removed = connect(web, token=shop.clerk), connect(web, token=shop.manager)
    erased, staying = connect(web, token=shop.tokens["CUSTOMER"]), connect(web, token=shop.owner)
    expiring = connect(web, token=token_of(Role.OWNER, owner, shop.id, seconds=3))

    identity.sign_out(Principal(Role.CLERK, subject[shop.clerk], shop.id))
    with transaction(shop.id) as session:
        identity.remove_staff(session, shop.id, subject[shop.manager])
        session.get_one(Customer, (shop.id, shop.customer)).deleted_at = utc_now()

    for client in (signed_out, removed, erased):
        assert client.closing() == (1008, "SIGNED_OUT")
    assert expiring.closing() == (1008, "TOKEN_EXPIRED")
    tell(shop.id, {"n": 1})
    assert staying.next()["seq"] == 1


def test_a_socket_that_hangs_up_is_no_longer_counted(web, shop, connect):
    polite, rude = connect(web, token=shop.owner), connect(web, token=shop.owner)
    assert online(web, shop) == 2
    polite.ws.close()
    rude.ws.shutdown()
    eventually(lambda: online(web, shop) == 0, 3)


# --- limits -------------------------------------------------------------------------------


def test_one_too_many_is_sent_away_and_http_goes_on(start_web, shop, connect):
    web = start_web(MQ_WEB_WORKERS=1, MQ_WEB_THREADS=12)  # 6 for sockets: the half
    held = [connect(web, token=shop.owner) for _ in range(6)]
    for _ in range(20):
        assert connect(web, token=shop.owner).closing() == (1013, "SOCKETS_FULL")
    began = time.monotonic()
    for _ in range(20):
        assert web.get("/health")[0] == 200
    assert time.monotonic() - began < 5
    assert online(web, shop) == 6
    held.pop().ws.close()
    eventually(lambda: online(web, shop) == 5, 3)
    tell(shop.id, {"n": 1})
    assert all(client.next()["seq"] == 1 for client in [*held])
    assert connect(web, token=shop.owner, since=0).next()["seq"] == 1


# --- the end of a process -------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_ends_sends_its_clients_away_at_once(start_web, shop, connect, number):
    web = start_web(MQ_WEB_WORKERS=2)
    clients = [connect(web, token=shop.owner) for _ in range(20)]
    took: list[float] = []
    stopping = threading.Thread(target=lambda: took.append(web.stop(number)))
    stopping.start()
    for client in clients:
        assert client.closing(5) == (1012, "RESTARTING")
    stopping.join()
    assert took[0] < STOP_S


def test_sigterm_does_not_wait_for_clients_that_hang(start_web, shop, connect):
    web = start_web(MQ_WEB_WORKERS=1)
    for _ in range(5):
        connect(web, hurried=False, token=shop.owner)
    tell(shop.id, *[{"filler": "x" * 40_000} for _ in range(20)])
    assert web.stop() < STOP_S


def test_the_limit_can_be_set_and_a_stopped_process_counts_no_more(start_web, web, shop, connect):
    ending = start_web(MQ_WEB_WORKERS=1, MQ_WS_MAX_PER_PROCESS=1)
    connect(ending, token=shop.owner)
    assert connect(ending, token=shop.owner).closing()[0] == 1013
    assert online(web, shop) == 1
    ending.stop()
    assert online(web, shop) == 0


def test_a_killed_process_counts_no_more_after_ten_seconds(start_web, web, shop, connect):
    dying = start_web(MQ_WEB_WORKERS=1)
    connect(dying, token=shop.owner)
    connect(web, token=shop.owner)
    assert online(web, shop) == 2
    dying.process.send_signal(signal.SIGSTOP)  # or it would start its worker again
    for pid in dying.workers():
        kill_hard(pid)
    kill_hard(dying.process.pid)
    eventually(lambda: online(web, shop) == 1, 13)


# --- Redis goes and comes back ----------------------------------------------------------------


@pytest.fixture
def own_redis(tmp_path):
    with running(tmp_path / "engines", postgres=False) as found:
        yield tmp_path / "engines", found.redis_url


def test_news_arrive_while_redis_is_away_and_after_it_is_back(
    app, start_web, shop, connect, own_redis, monkeypatch
):
    from mealquest.realtime.gateway import Rings
    from tests.engines.conftest import kill

    home, url = own_redis
    monkeypatch.setitem(app.extensions, "rings", Rings(url))
    web = start_web(MQ_WEB_WORKERS=2, MQ_REDIS_URL=url)
    clients = [connect(web, token=shop.owner) for _ in range(4)]
    tell(shop.id, {"n": 1})
    assert all(client.next()["seq"] == 1 for client in clients)

    kill(home, "valkey")
    for number in (2, 3):
        began = time.monotonic()
        tell(shop.id, {"n": number})
        assert all(client.next()["seq"] == number for client in clients)
        assert time.monotonic() - began < 8
    late = connect(web, token=shop.owner, since=1)
    assert [f["seq"] for f in late.until(2)] == [2, 3]

    with running(home, postgres=False) as again:
        assert again.redis_url == url
        tell(shop.id, {"n": 4})
        assert all(client.next()["seq"] == 4 for client in [*clients, late])
        time.sleep(2.5)  # Rings asks again two seconds after it was refused
        eventually(lambda: is_prompt(shop, late, clients))
    assert [f["seq"] for f in late.frames] == list(range(2, late.frames[-1]["seq"] + 1))


def is_prompt(shop, late, clients) -> bool:
    """News come by rings again, faster than any look for them."""
    began = time.monotonic()
    tell(shop.id, {})
    late.next()
    took = time.monotonic() - began
    for client in clients:
        client.next()
    return took < 0.3


def test_a_ring_that_was_lost_costs_seconds_only(app, web, shop, connect, monkeypatch):
    class Deaf:
        def ring(self, merchant_id: str) -> None:
            pass

    client = connect(web, token=shop.owner)
    time.sleep(0.5)
    monkeypatch.setitem(app.extensions, "rings", Deaf())
    publish(shop.id, {"n": 1})
    relay_job.relay()
    assert client.next(6)["seq"] == 1


def test_a_cut_line_ends_the_socket_at_the_server(web, shop, connect):
    client = connect(web, token=shop.owner)
    client.ws.sock.close()
    eventually(lambda: online(web, shop) == 0, 5)
    with pytest.raises((OSError, websocket.WebSocketException)):
        client.next(1)
