"""Sign-ins over HTTP: seen, noted and ended, by API and on the pages."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from mealquest.audit.models import AuditRow
from mealquest.core import messages
from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.identity.models import StaffSession
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import TenantPolicy
from tests.factories.http import assert_problem, bearer, client_of, signed_in, staff_token
from tests.factories.wallet import make_wallet
from tests.identity.steps import PHONE, code_for, hire, open_shop

CLERK_PHONE = "+8613911110002"
PIXEL = "Mozilla/5.0 (Linux; Android 15; K) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36"


@pytest.fixture
def clerk(shop) -> str:
    return hire(shop, Role.CLERK, staff_id="staff_clerk", name="Lin", phone=CLERK_PHONE)


@pytest.fixture
def client(app):
    return client_of(app)


@pytest.fixture
def owner(shop) -> dict[str, str]:
    """The owner by a token without a session, as another issuer's app would be."""
    return bearer(staff_token(shop))


def by_app(client, phone: str = CLERK_PHONE, user_agent: str = "okhttp/5.1") -> dict[str, str]:
    """The headers of an app that signed in by phone and code."""
    answer = client.post(
        "/api/auth/merchant/phone-login",
        json={"phone": phone, "code": code_for(phone)},
        headers={"User-Agent": user_agent},
    )
    return bearer(answer.get_json()["token"])


def sessions(client, headers, staff_id: str = "staff_clerk") -> list[dict]:
    answer = client.get(f"/api/staff/{staff_id}/sessions", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.get_json()["items"]


def make_stale() -> None:
    with transaction("m_a") as session:
        earlier = StaffSession.last_seen_at - timedelta(hours=1)
        session.execute(update(StaffSession).values(last_seen_at=earlier))


def last_seen() -> list:
    with transaction("m_a") as session:
        return list(session.scalars(select(StaffSession.last_seen_at).order_by(StaffSession.id)))


# --- seen ---------------------------------------------------------------------------------


def test_apps_and_browsers_are_sessions_alike(app, client, clerk) -> None:
    phone = by_app(client, user_agent=PIXEL)
    signed_in(app, CLERK_PHONE, "m_a")

    items = sessions(client, phone)

    assert [item["device"] for item in items] == ["Werkzeug", "Chrome, Android"]
    assert [item["current"] for item in items] == [False, True]
    assert set(items[0]) == {
        "sessionId",
        "device",
        "createdAt",
        "lastSeenAt",
        "expiresAt",
        "current",
    }


def test_a_new_owner_s_first_visit_is_a_session_too(app, client) -> None:
    phone = "+8613911117777"
    client.send_form("/console/sign-in/code", {"phone": phone})
    code = messages.newest(limit=1)[0].message.data["code"]
    client.send_form("/console/sign-in", {"phone": phone, "code": code})
    token = client.csrf("/console/onboard")
    client.post("/console/onboard", data={"name": "New Shop", "csrf_token": token})

    page = client.get("/console/sessions").text
    assert page.count(">this device<") == 1


@pytest.mark.parametrize("whose", ["staff_owner", "staff_nobody"])
def test_others_sessions_are_for_the_owner_only(client, clerk, whose) -> None:
    by_app(client, PHONE)
    answer = client.get(f"/api/staff/{whose}/sessions", headers=by_app(client))
    assert_problem(answer, 403, "permission denied")


def test_the_owner_sees_everybody_of_the_shop_and_nobody_else(client, clerk, owner) -> None:
    by_app(client)
    assert len(sessions(client, owner)) == 1
    open_shop("m_b")
    hire("m_b", staff_id="staff_theirs", phone="+8613911118888")
    theirs = bearer(staff_token("m_b", "staff_theirs"))
    answer = client.get("/api/staff/staff_clerk/sessions", headers=theirs)
    assert_problem(answer, 404, "staff not found")
    answer = client.get("/api/staff/staff_clerk/sessions?merchantId=m_a", headers=theirs)
    assert_problem(answer, 403, "merchant scope denied")


# --- noted --------------------------------------------------------------------------------


def test_reading_notes_that_a_session_is_in_use(client, clerk) -> None:
    headers = by_app(client)
    make_stale()
    (before,) = last_seen()
    assert client.get("/api/customers", headers=headers).status_code == 200
    (after,) = last_seen()
    assert after - before > timedelta(minutes=59)
    client.get("/api/customers", headers=headers)
    assert last_seen() == [after]


def test_a_payment_notes_nothing(client, clerk) -> None:
    headers = by_app(client) | {"Idempotency-Key": "k"}
    wallet = make_wallet("m_a", principal=10_000)
    make_stale()
    before = last_seen()
    order = {"userId": wallet.customer_id, "orderAmount": 5}
    assert client.post("/api/payment/verify", json=order, headers=headers).status_code == 200
    assert last_seen() == before


# --- ended --------------------------------------------------------------------------------


def test_an_ended_session_is_refused_everywhere_and_the_others_go_on(app, client, clerk) -> None:
    browser, phone = signed_in(app, CLERK_PHONE, "m_a"), by_app(client)
    (lost,) = (item for item in sessions(client, phone) if not item["current"])

    url = f"/api/staff/staff_clerk/sessions/{lost['sessionId']}"
    done = client.delete(url, headers=phone)

    assert done.get_json() == {
        "staffId": "staff_clerk",
        "sessionId": lost["sessionId"],
        "ended": True,
    }
    assert browser.get("/console/").headers["Location"].startswith("/console/sign-in")
    assert_problem(browser.get("/api/customers"), 401, "invalid token")
    assert client.get("/api/customers", headers=phone).status_code == 200
    assert_problem(client.delete(url, headers=phone), 404, code="SESSION_NOT_FOUND")


def test_a_stranger_ends_nothing(client, clerk, owner) -> None:
    owners = by_app(client, PHONE)
    (item,) = sessions(client, owner, "staff_owner")
    clerks = by_app(client)
    open_shop("m_b")
    hire("m_b", staff_id="staff_theirs", phone="+8613911118888")
    theirs = bearer(staff_token("m_b", "staff_theirs"))
    session_id = item["sessionId"]

    for headers, staff_id, status in (
        (clerks, "staff_owner", 403),
        (clerks, "staff_clerk", 404),
        (theirs, "staff_owner", 404),
        ({}, "staff_owner", 401),
    ):
        answer = client.delete(f"/api/staff/{staff_id}/sessions/{session_id}", headers=headers)
        assert_problem(answer, status)

    assert client.get("/api/customers", headers=owners).status_code == 200
    with transaction("m_a") as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.action == "STAFF_SESSION_END"))
        assert [row.status.value for row in rows] == ["DENIED", "FAILED"]


def test_a_frozen_shop_can_still_end_sessions(client, clerk, owner) -> None:
    headers = by_app(client)
    with transaction("m_a") as session:
        tenancy.set_policy(session, "m_a", TenantPolicy(write_enabled=False))
    (item,) = sessions(client, headers)
    url = f"/api/staff/staff_clerk/sessions/{item['sessionId']}"
    assert client.delete(url, headers=owner).status_code == 200
    assert_problem(client.get("/api/customers", headers=headers), 401)


def test_signing_out_ends_the_sessions_of_all_devices(app, client, clerk, owner) -> None:
    browser, phone = signed_in(app, CLERK_PHONE, "m_a"), by_app(client)
    browser.send_form("/console/sign-out", {})
    assert_problem(client.get("/api/customers", headers=phone), 401)
    assert sessions(client, owner) == []


# --- pages --------------------------------------------------------------------------------


def test_everybody_finds_the_page_of_their_sessions_and_ends_one(app, client, clerk) -> None:
    phone = by_app(client, user_agent=PIXEL)
    browser = signed_in(app, CLERK_PHONE, "m_a")
    assert 'href="/console/sessions"' in browser.get("/console/counter").text
    page = browser.get("/console/sessions").text
    assert "Chrome, Android" in page
    assert page.count(">this device<") == 1

    (lost,) = (item for item in sessions(client, phone) if item["current"])
    done = browser.send_form(f"/console/staff/staff_clerk/sessions/{lost['sessionId']}/end", {})

    assert (done.status_code, done.headers["Location"]) == (303, "/console/sessions")
    assert "Chrome, Android" not in browser.get("/console/sessions").text
    assert_problem(client.get("/api/customers", headers=phone), 401)


def test_ending_the_session_of_this_browser_leads_to_the_sign_in(app, client, clerk, owner) -> None:
    browser = signed_in(app, CLERK_PHONE, "m_a")
    (item,) = sessions(client, owner)
    done = browser.send_form(f"/console/staff/staff_clerk/sessions/{item['sessionId']}/end", {})
    assert browser.get(done.headers["Location"]).headers["Location"].startswith("/console/sign-in")


def test_the_owner_ends_a_session_on_the_page_of_the_person(app, client, clerk, owner) -> None:
    phone = by_app(client)
    browser = signed_in(app, PHONE, "m_a")
    assert "okhttp" in browser.get("/console/staff/staff_clerk").text
    (item,) = sessions(client, owner)

    done = browser.send_form(f"/console/staff/staff_clerk/sessions/{item['sessionId']}/end", {})

    assert done.headers["Location"] == "/console/staff/staff_clerk"
    assert "Signed in nowhere" in browser.get("/console/staff/staff_clerk").text
    assert_problem(client.get("/api/customers", headers=phone), 401)


def test_the_forms_need_the_csrf_token(app, client, clerk, owner) -> None:
    browser = signed_in(app, CLERK_PHONE, "m_a")
    (item,) = sessions(client, owner)
    url = f"/console/staff/staff_clerk/sessions/{item['sessionId']}/end"
    assert browser.post(url).status_code == 403
    assert browser.get("/console/sessions").status_code == 200
