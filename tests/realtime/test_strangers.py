"""Sockets of one shop's people that name another shop in every way: none hears anything of it."""

import json
import random
from urllib.parse import urlencode

import pytest
import websocket
from websocket import WebSocketBadStatusException

from mealquest.identity import service as identity
from mealquest.realtime import service as realtime
from tests.realtime.conftest import Client, Shop, Web, make_shop, tell

pytestmark = pytest.mark.usefixtures("app")

HANDSHAKES = 60
SECRET = "quokka-told-in-confidence"


def names_of(other: Shop, own: Shop) -> list[list[tuple[str, str]]]:
    """What the query may say about merchants."""
    named = [other.id, other.id.upper(), f"{other.id} ", f"{own.id},{other.id}", f"{other.id}\0"]
    return [
        [],
        [("merchantId", own.id)],
        *([("merchantId", name)] for name in named),
        [("merchantId", own.id), ("merchantId", other.id)],
        [("merchantId", other.id), ("merchantId", own.id)],
        [("merchant_id", other.id), ("merchantid", other.id), ("merchantId[]", other.id)],
    ]


def test_no_socket_hears_anything_of_another_shop(web: Web, shop: Shop) -> None:
    other = make_shop()
    tell(other.id, *[{"userId": shop.customer, "note": SECRET, "n": n} for n in range(5)])
    opened = [one for one in try_all(web, shop, other) if one]
    assert HANDSHAKES / 4 < len(opened) < HANDSHAKES, "some are let in, as themselves"
    try:
        for client in opened:
            client.ws.send(json.dumps({"type": "subscribe", "merchantId": other.id, "since": 0}))
        tell(other.id, {"userId": shop.customer, "note": SECRET})
        realtime.whisper(other.id, "STRATEGY_CHAT_DRAFT", {"text": SECRET})
        tell(shop.id, {"userId": shop.customer, "n": "the last"})
        for client in opened:
            while client.next()["payload"].get("n") != "the last":
                pass
            assert {frame["merchantId"] for frame in client.frames} == {shop.id}
            assert SECRET not in json.dumps(client.frames)
    finally:
        for client in opened:
            client.ws.shutdown()


def try_all(web: Web, own: Shop, other: Shop) -> list[Client | None]:
    """Handshakes with good credentials of our own; None where one is refused."""
    rng, found = random.Random(1), []
    for _ in range(HANDSHAKES):
        token = own.tokens[rng.choice(sorted(own.tokens))]
        query, headers = list(rng.choice(names_of(other, own))), [f"X-Merchant-Id: {other.id}"]
        how = rng.choice(["token", "ticket", "header"])
        if how == "ticket":
            query.append(("ticket", realtime.issue_ticket(identity.read_token(token)).ticket))
        elif how == "token":
            query.append(("token", token))
        else:
            headers.append(f"Authorization: Bearer {token}")
        query += rng.choice([[], [("since", "0")], [("since", "3")], [("passing", "yes")]])
        found.append(opened_by(f"ws://127.0.0.1:{web.port}/ws?{urlencode(query)}", headers))
    return found


def opened_by(url: str, headers: list[str]) -> Client | None:
    try:
        ws = websocket.create_connection(url, timeout=10, header=headers, suppress_origin=True)
    except WebSocketBadStatusException as failure:
        refused = failure
    else:
        return Client(ws)
    assert refused.status_code in {400, 403}, (url, refused)
    assert SECRET not in str(refused.resp_body)
    return None
