"""What the handshake answers: everything is decided while it is plain HTTP."""

import json
import re
import time

import pytest

from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.identity import service as identity
from mealquest.realtime import queries, service
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Limit, TenantPolicy
from tests.realtime.conftest import tell, token_of

pytestmark = pytest.mark.usefixtures("app")


def status_of(answer) -> tuple[int, str]:
    body = json.loads(answer.read() or b"{}")
    return answer.status, body.get("code", "")


def test_a_plain_get_is_told_to_upgrade(web, shop):
    for token in ("", shop.owner):
        status, body = web.get("/ws", token)
        assert (status, body["code"]) == (426, "UPGRADE_REQUIRED")


def test_another_version_of_the_protocol_is_told_which_one_we_speak(web, shop):
    answer = web.handshake(f"/ws?token={shop.owner}", Sec_WebSocket_Version="8")
    assert (answer.status, answer.headers["Sec-WebSocket-Version"]) == (426, "13")


@pytest.mark.parametrize("path", ["/nowhere", "/health", "/ws/more"])
def test_other_paths_are_not_found(web, shop, path):
    assert web.handshake(f"{path}?token={shop.owner}").status == 404


def test_without_a_good_token_nobody_gets_in(web, shop):
    forged = shop.owner[:-3] + ("aaa" if shop.owner[-3:] != "aaa" else "bbb")
    expired = token_of(Role.OWNER, "x", shop.id, seconds=-5)
    nobody = token_of(Role.OWNER, "staff_nobody", shop.id)
    for path in ("/ws", "/ws?token=", "/ws?token=x", f"/ws?token={forged}", f"/ws?token={expired}"):
        assert web.handshake(path).status == 401, path
    assert status_of(web.handshake(f"/ws?token={nobody}")) == (401, "INVALID_TOKEN")
    assert web.handshake("/ws?ticket=none").status == 401
    assert web.handshake("/ws", Authorization="Bearer x").status == 401


def test_the_query_names_no_other_merchant(web, shop):
    answer = web.handshake(f"/ws?merchantId=m_other&token={shop.owner}")
    assert status_of(answer) == (403, "MERCHANT_SCOPE_DENIED")


def test_a_policy_that_is_off_refuses_and_leaves_no_audit_row(web, shop):
    with transaction(shop.id) as session:
        tenancy.set_policy(session, shop.id, TenantPolicy(ws_enabled=False))
    refused = web.handshake(f"/ws?token={shop.owner}")
    assert status_of(refused) == (403, "TENANT_REALTIME_DISABLED")
    status, body = web.get("/api/ws/status", shop.owner)
    assert (status, body["code"]) == (403, "TENANT_REALTIME_DISABLED")
    assert body["error"] == "merchant realtime channel is disabled during migration"
    assert audit_rows(shop.id) == 0


def audit_rows(merchant_id: str) -> int:
    from sqlalchemy import func, select

    from mealquest.audit.models import AuditRow

    with transaction(merchant_id) as session:
        return session.scalar(
            select(func.count()).select_from(AuditRow).where(AuditRow.merchant_id == merchant_id)
        )


def test_a_quota_counts_connections(web, shop, connect):
    with transaction(shop.id) as session:
        tenancy.set_policy(session, shop.id, TenantPolicy(limits={"WS_CONNECT": Limit(1)}))
    connect(web, token=shop.owner)
    refused = web.handshake(f"/ws?token={shop.owner}")
    assert int(refused.headers["Retry-After"]) > 0
    assert status_of(refused) == (429, "TENANT_RATE_LIMITED")


def test_a_handshake_without_its_key_is_refused(web, shop):
    answer = web.handshake(f"/ws?token={shop.owner}", without="Sec-WebSocket-Key")
    assert status_of(answer) == (400, "HANDSHAKE_INVALID")


@pytest.mark.parametrize("since", ["abc", "-1", "1.5", str(2**63)])
def test_a_number_that_is_none_is_refused(web, shop, since):
    assert web.handshake(f"/ws?since={since}&token={shop.owner}").status == 400


def test_a_refused_handshake_holds_no_place(web, shop):
    web.handshake(f"/ws?token={shop.owner}", without="Sec-WebSocket-Key")
    assert web.get("/api/ws/status", shop.owner)[1]["onlineCount"] == 0


# --- credentials --------------------------------------------------------------------------


def test_a_bearer_header_opens_a_socket(web, shop, connect):
    client = connect(web, header=[f"Authorization: Bearer {shop.clerk}"])
    tell(shop.id, {"userId": shop.customer})
    assert client.next()["type"] == "PAYMENT_VERIFIED"


def test_a_ticket_opens_one_socket_once(web, shop, connect):
    claims = identity.read_token(shop.tokens["CUSTOMER"])
    view = service.issue_ticket(claims)
    assert view.expires_in_sec == 30
    client = connect(web, ticket=view.ticket)
    tell(shop.id, {"userId": shop.customer})
    assert client.next()["payload"]["userId"] == shop.customer
    assert status_of(web.handshake(f"/ws?ticket={view.ticket}")) == (401, "TICKET_INVALID")


def test_a_ticket_dies_after_half_a_minute(web, shop):
    view = service.issue_ticket(identity.read_token(shop.owner))
    with transaction(shop.id) as session:
        session.execute(queries.text("UPDATE live_tickets SET expires_at = now()"))
    assert web.handshake(f"/ws?ticket={view.ticket}").status == 401


def test_a_ticket_opens_nothing_at_another_merchant(web, shop):
    secret = service.issue_ticket(identity.read_token(shop.owner)).ticket.partition(".")[2]
    for ticket in (f"m_other.{secret}", f"m_other,{shop.id}.{secret}", f".{secret}", secret, "%00"):
        assert web.handshake(f"/ws?ticket={ticket}").status == 401, ticket


def test_a_ticket_is_given_over_http(web, shop):
    import urllib.request

    request = urllib.request.Request(
        f"http://127.0.0.1:{web.port}/api/ws/ticket",
        method="POST",
        headers={"Authorization": f"Bearer {shop.owner}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        body = json.load(answer)
    assert body == {"ticket": body["ticket"], "expiresInSec": 30}
    assert web.handshake(f"/ws?ticket={body['ticket']}").status == 101


def test_the_consoles_cookie_counts_only_for_our_own_pages(web, shop, app):
    cookie = session_cookie(app, shop.owner)
    ours = f"http://127.0.0.1:{web.port}"
    assert web.handshake("/ws", Cookie=cookie, Origin=ours).status == 101
    for origin in ("http://evil.example", f"https://127.0.0.1:{web.port}", "null"):
        refused = web.handshake("/ws", Cookie=cookie, Origin=origin)
        assert status_of(refused) == (403, "ORIGIN_DENIED"), origin
    assert web.handshake("/ws", Cookie=cookie).status == 403


def session_cookie(app, token: str) -> str:
    from mealquest.web import credentials

    with app.test_request_context():
        credentials.start_session(token)
        from flask import session

        value = app.session_interface.get_signing_serializer(app).dumps(dict(session))
    return f"mq_session={value}"


def test_no_log_line_holds_a_token(web, shop, connect):
    connect(web, token=shop.owner).ws.close()
    ticket = service.issue_ticket(identity.read_token(shop.owner)).ticket
    connect(web, ticket=ticket).ws.close()
    time.sleep(0.5)
    log = web.log.read_text()
    assert re.search(r'"route": "/ws"', log)
    assert shop.owner not in log
    assert ticket.partition(".")[2] not in log
