"""The team over HTTP: who may do what, by API and by page."""

import pytest
from sqlalchemy import select

from mealquest.audit.models import AuditRow
from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import TenantPolicy
from tests.factories.customers import make_customer
from tests.factories.http import (
    assert_problem,
    bearer,
    client_of,
    customer_token,
    signed_in,
    staff_token,
)
from tests.identity.steps import PHONE, hire, open_shop

PHONES = {Role.OWNER: PHONE, Role.MANAGER: "+8613911110002", Role.CLERK: "+8613911110003"}
NEW_PHONE = "+8613911110009"
# Every act, as the owner could do it to the clerk.
ACTS = {
    "list": ("GET", "/api/staff", None),
    "person": ("GET", "/api/staff/staff_clerk", None),
    "invite": ("POST", "/api/staff", {"phone": NEW_PHONE, "role": "CLERK"}),
    "change": ("PATCH", "/api/staff/staff_clerk", {"role": "OWNER", "phone": NEW_PHONE}),
    "remove": ("DELETE", "/api/staff/staff_clerk", None),
}
FORMS = {
    "invite": ("/console/staff", {"phone": NEW_PHONE, "role": "CLERK"}),
    "role": ("/console/staff/staff_clerk/role", {"role": "OWNER"}),
    "details": ("/console/staff/staff_clerk/details", {"name": "Somebody"}),
    "remove": ("/console/staff/staff_clerk/remove", {}),
}


@pytest.fixture
def team(shop) -> str:
    for role in (Role.MANAGER, Role.CLERK):
        staff_id = f"staff_{role.value.lower()}"
        hire(shop, role, staff_id=staff_id, name=role.title() + " Lin", phone=PHONES[role])
    return shop


@pytest.fixture
def client(app):
    return client_of(app)


@pytest.fixture
def owner(team) -> dict[str, str]:
    return bearer(staff_token(team))


@pytest.fixture
def browser(app, team):
    return signed_in(app, PHONE, team)


def listed(client, owner) -> dict[str, dict]:
    items = client.get("/api/staff", headers=owner).get_json()["items"]
    return {item["staffId"]: item for item in items}


def audit_of(merchant_id: str, action: str) -> list[tuple[str, str, dict]]:
    with transaction(merchant_id) as session:
        rows = session.scalars(
            select(AuditRow).where(AuditRow.action == action).order_by(AuditRow.id)
        )
        return [(row.status.value, row.operator_id, row.details) for row in rows]


# --- the owner ----------------------------------------------------------------------------


def test_the_owner_invites_changes_and_removes_by_api(client, team, owner) -> None:
    sent = {"phone": NEW_PHONE, "role": "CLERK", "name": "Wu"}
    invited = client.post("/api/staff", json=sent, headers=owner)
    assert invited.status_code == 201
    body = invited.get_json()
    assert set(body) == {
        "staffId",
        "role",
        "name",
        "phoneMasked",
        "createdAt",
        "lastSeenAt",
        "sessions",
    }
    url = f"/api/staff/{body['staffId']}"

    changed = client.patch(url, json={"role": "MANAGER", "name": "Wu Lei"}, headers=owner)
    assert changed.status_code == 200
    assert (changed.get_json()["role"], changed.get_json()["name"]) == ("MANAGER", "Wu Lei")
    assert listed(client, owner)[body["staffId"]] == changed.get_json()

    removed = client.delete(url, headers=owner)
    assert removed.status_code == 200
    assert removed.get_json() == {"staffId": body["staffId"], "removed": True}
    assert body["staffId"] not in listed(client, owner)
    assert_problem(client.delete(url, headers=owner), 404, "staff not found", "STAFF_NOT_FOUND")


def test_no_answer_and_no_audit_row_holds_a_phone(client, team, owner) -> None:
    answers = [
        client.post("/api/staff", json={"phone": NEW_PHONE, "role": "CLERK"}, headers=owner),
        client.post("/api/staff", json={"phone": NEW_PHONE, "role": "CLERK"}, headers=owner),
        client.patch("/api/staff/staff_clerk", json={"phone": NEW_PHONE}, headers=owner),
        client.get("/api/staff", headers=owner),
        client.get("/api/staff/staff_owner", headers=owner),
    ]
    assert [answer.status_code for answer in answers] == [201, 409, 409, 200, 200]
    with transaction(team) as session:
        rows = [str(row.details) for row in session.scalars(select(AuditRow))]
    for text in [answer.text for answer in answers] + rows:
        for phone in (NEW_PHONE, *PHONES.values()):
            assert phone.removeprefix("+") not in text


def test_a_phone_of_the_staff_is_a_conflict(client, team, owner) -> None:
    sent = {"phone": PHONES[Role.CLERK], "role": "MANAGER"}
    answer = client.post("/api/staff", json=sent, headers=owner)
    assert_problem(answer, 409, code="STAFF_PHONE_TAKEN")
    assert audit_of(team, "STAFF_INVITE")[0][0] == "FAILED"


def test_the_last_owner_is_kept_by_api_and_page(client, team, owner, browser) -> None:
    for answer in (
        client.delete("/api/staff/staff_owner", json={"confirm": True}, headers=owner),
        client.delete("/api/staff/staff_owner", headers=owner),
        client.patch("/api/staff/staff_owner", json={"role": "CLERK"}, headers=owner),
    ):
        assert_problem(answer, 409, code="LAST_OWNER")
    page = browser.send_form("/console/staff/staff_owner/remove", {"confirm": "1"})
    assert page.status_code == 409
    assert "Make somebody else an owner first." in page.text
    assert listed(client, owner)["staff_owner"]["role"] == "OWNER"
    assert {row[0] for row in audit_of(team, "STAFF_REMOVE")} == {"FAILED"}


def test_one_s_own_role_needs_confirm(client, team, owner) -> None:
    hire(team, Role.OWNER, staff_id="staff_second", phone=NEW_PHONE)
    url = "/api/staff/staff_owner"
    refused = client.patch(url, json={"role": "CLERK"}, headers=owner)
    assert_problem(refused, 409, code="CONFIRM_NEEDED")
    odd = client.patch(url, json={"role": "CLERK", "confirm": "true"}, headers=owner)
    assert_problem(odd, 400, "confirm must be true or false")

    done = client.patch(url, json={"role": "CLERK", "confirm": True}, headers=owner)
    assert done.get_json()["role"] == "CLERK"
    assert_problem(client.get("/api/staff", headers=owner), 401, "invalid token")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "role, name or phone is required"),
        ({"role": "ADMIN"}, "role is not one of the allowed values"),
        ({"phone": "12"}, "phone format invalid"),
        ({"name": "x" * 65}, "name is too long"),
        ({"name": "a\u0000b"}, "name contains characters that are not allowed"),
    ],
)
def test_a_change_of_another_form_is_refused(client, team, owner, body, error) -> None:
    answer = client.patch("/api/staff/staff_clerk", json=body, headers=owner)
    assert_problem(answer, 400, error)


# --- everybody else -----------------------------------------------------------------------


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("role", ["MANAGER", "CLERK", "CUSTOMER", None])
def test_nobody_but_the_owner_acts_and_managers_read_the_list(client, team, role, act) -> None:
    headers = {}
    if role == "CUSTOMER":
        headers = bearer(customer_token(team, make_customer(team)))
    elif role:
        headers = bearer(staff_token(team, f"staff_{role.lower()}"))
    method, url, body = ACTS[act]

    answer = client.open(url, method=method, json=body, headers=headers)

    if (role, act) == ("MANAGER", "list"):
        assert answer.status_code == 200
        return
    assert_problem(answer, 403 if role else 401, "permission denied" if role else None)
    assert listed(client, bearer(staff_token(team)))["staff_clerk"]["role"] == "CLERK"
    if role and method != "GET":
        action = {"invite": "INVITE", "change": "ROLE_SET", "remove": "REMOVE"}[act]
        assert audit_of(team, f"STAFF_{action}")[0][0] == "DENIED"


@pytest.mark.parametrize("act", ["person", "change", "remove"])
def test_the_owner_of_another_shop_finds_nobody(client, team, owner, act) -> None:
    open_shop("m_b")
    hire("m_b", staff_id="staff_theirs", phone="+8613911118888")
    before = listed(client, owner)
    method, url, body = ACTS[act]

    answer = client.open(
        url, method=method, json=body, headers=bearer(staff_token("m_b", "staff_theirs"))
    )

    assert_problem(answer, 404, "staff not found")
    assert listed(client, owner) == before


def test_another_merchant_in_the_request_opens_no_door(client, team, owner) -> None:
    open_shop("m_b")
    hire("m_b", staff_id="staff_theirs", phone="+8613911118888")
    theirs = bearer(staff_token("m_b", "staff_theirs"))
    refused = client.get(f"/api/staff?merchantId={team}", headers=theirs)
    assert_problem(refused, 403, "merchant scope denied")
    sent = {"merchantId": team, "phone": NEW_PHONE, "role": "OWNER"}
    assert client.post("/api/staff", json=sent, headers=theirs).status_code == 201
    assert len(listed(client, owner)) == 3
    assert len(listed(client, theirs)) == 2


@pytest.mark.parametrize("role", [Role.MANAGER, Role.CLERK])
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_others_are_refused(app, client, team, owner, role, form) -> None:
    url, fields = FORMS[form]
    before = listed(client, owner)["staff_clerk"]["role"]
    answer = signed_in(app, PHONES[role], team).send_form(url, fields)
    assert answer.status_code == 403
    assert listed(client, owner)["staff_clerk"]["role"] == before
    assert len(listed(client, owner)) == 3


@pytest.mark.parametrize("act", ["invite", "change", "remove"])
def test_a_frozen_shop_keeps_its_staff_as_it_is(client, team, owner, act) -> None:
    with transaction(team) as session:
        tenancy.set_policy(session, team, TenantPolicy(write_enabled=False))
    method, url, body = ACTS[act]
    answer = client.open(url, method=method, json=body, headers=owner)
    assert_problem(answer, 403, code="TENANT_WRITE_DISABLED")
    assert len(listed(client, owner)) == 3


# --- gone at once -------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["change", "remove"])
def test_token_and_cookie_of_the_person_die_at_once(app, client, team, owner, act) -> None:
    cookie = signed_in(app, PHONES[Role.CLERK], team)
    token = bearer(staff_token(team, "staff_clerk"))
    assert cookie.get("/console/counter").status_code == 200
    assert client.get("/api/customers", headers=token).status_code == 200

    method, url, body = ACTS[act]
    assert client.open(url, method=method, json=body, headers=owner).status_code == 200

    assert_problem(client.get("/api/customers", headers=token), 401, "invalid token")
    assert cookie.get("/console/counter").headers["Location"].startswith("/console/sign-in")


# --- pages --------------------------------------------------------------------------------


def test_the_owner_invites_on_the_page_without_script(app, client, browser, owner, team) -> None:
    assert "/console/staff" in browser.get("/console/").text
    fields = {"phone": NEW_PHONE, "name": "Wu Lei", "role": "MANAGER"}
    done = browser.send_form("/console/staff", fields)
    assert (done.status_code, done.headers["Location"]) == (303, "/console/staff")

    page = browser.get("/console/staff").text
    assert "Wu Lei can sign in with the phone now." in page
    assert "****0009" in page
    assert signed_in(app, NEW_PHONE, team).get("/console/staff").status_code == 200


def test_a_refused_invitation_keeps_what_was_typed(browser) -> None:
    again = browser.send_form(
        "/console/staff", {"phone": PHONES[Role.CLERK], "name": "Wu", "role": "MANAGER"}
    )
    assert again.status_code == 409
    assert 'value="Wu"' in again.text
    assert "<title>Error: Staff" in again.text

    wrong = browser.send_form("/console/staff", {"phone": "12", "name": "Wu", "role": "MANAGER"})
    assert wrong.status_code == 400
    assert 'id="field-phone-error"' in wrong.text


def test_the_owner_sets_role_and_details_and_removes_on_the_page(client, browser, owner) -> None:
    here = "/console/staff/staff_clerk"
    assert "Clerk Lin" in browser.get(here).text

    done = browser.send_form(f"{here}/role", {"role": "MANAGER"})
    assert (done.status_code, done.headers["Location"]) == (303, here)
    browser.send_form(f"{here}/details", {"name": "Lin Mei", "phone": NEW_PHONE})
    now = listed(client, owner)["staff_clerk"]
    assert (now["role"], now["name"], now["phoneMasked"]) == ("MANAGER", "Lin Mei", "****0009")

    gone = browser.send_form(f"{here}/remove", {})
    assert gone.headers["Location"] == "/console/staff"
    assert "staff_clerk" not in listed(client, owner)
    assert browser.get(here).status_code == 404


def test_one_s_own_role_on_the_page_needs_the_tick_and_ends_the_visit(browser, team) -> None:
    hire(team, Role.OWNER, staff_id="staff_second", phone=NEW_PHONE)
    here = "/console/staff/staff_owner"
    refused = browser.send_form(f"{here}/role", {"role": "CLERK"})
    assert refused.status_code == 409
    assert "This is your own role." in refused.text
    assert "checked" not in refused.text.partition('id="confirm-role"')[2].partition(">")[0]

    browser.send_form(f"{here}/role", {"role": "CLERK", "confirm": "1"})
    assert browser.get(here).headers["Location"].startswith("/console/sign-in")


def test_a_manager_sees_the_list_without_the_means_to_change_it(app, team) -> None:
    manager = signed_in(app, PHONES[Role.MANAGER], team)
    page = manager.get("/console/staff")
    assert page.status_code == 200
    assert "Clerk Lin" in page.text
    assert "/console/staff/staff_clerk" not in page.text
    assert 'action="/console/staff"' not in page.text
    assert manager.get("/console/staff/staff_clerk").status_code == 403


def test_a_clerk_is_not_offered_the_staff(app, team) -> None:
    clerk = signed_in(app, PHONES[Role.CLERK], team)
    assert 'href="/console/staff"' not in clerk.get("/console/counter").text
    assert clerk.get("/console/staff").status_code == 403


def test_a_name_is_shown_and_not_run(browser, owner, client) -> None:
    client.patch("/api/staff/staff_clerk", json={"name": "<b>Lin</b>\"'"}, headers=owner)
    for url in ("/console/staff", "/console/staff/staff_clerk"):
        assert "<b>Lin" not in browser.get(url).text
