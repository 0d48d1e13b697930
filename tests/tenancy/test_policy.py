"""What the owner sets about freeze, live events and limits: by API, on its page, by services."""

import pytest
from sqlalchemy import text

from mealquest.core import outbox
from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.core.settings import ConfigurationError, Settings
from mealquest.identity import service as identity
from mealquest.tenancy import policy as policies
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.domain import Limit, Operation, TenantPolicy
from mealquest.tenancy.words import OPERATIONS
from tests.factories.http import assert_problem, bearer, client_of, signed_in, staff_token
from tests.factories.merchants import make_merchant

URL, PAGE = "/api/merchant/tenant-policy", "/console/tenant-policy"
MERCHANT, OTHER, PHONE = "m_held", "m_free", "+8613900000041"
OPEN = {"writeEnabled": True, "wsEnabled": True, "limits": {}}


@pytest.fixture
def client(app):
    for merchant_id in (MERCHANT, OTHER):
        make_merchant(merchant_id)
        with transaction(merchant_id) as session:
            for role in (Role.OWNER, Role.MANAGER):
                identity.add_staff(
                    session,
                    merchant_id,
                    staff_id=f"staff_{role.lower()}",
                    role=role,
                    name=role.title(),
                    phone=PHONE if (merchant_id, role) == (MERCHANT, Role.OWNER) else None,
                )
    return client_of(app)


def by(role: str = "owner", merchant_id: str = MERCHANT) -> dict[str, str]:
    return bearer(staff_token(merchant_id, f"staff_{role}"))


def post(client, body, headers=None):
    return client.post(URL, json=body, headers=headers or by())


def shown(client, merchant_id: str = MERCHANT) -> dict:
    answer = client.get(f"{URL}?merchantId={merchant_id}", headers=by(merchant_id=merchant_id))
    assert answer.get_json()["merchantId"] == merchant_id
    return answer.get_json()["policy"]


# --- what it answers ------------------------------------------------------------------------


def test_it_is_changed_piece_by_piece_and_stays_so(client):
    assert shown(client) == OPEN

    first = post(client, {"limits": {"PAYMENT_VERIFY": 1, "WS_CONNECT": {"limit": 9}}})
    limits = {
        "PAYMENT_VERIFY": {"limit": 1, "windowMs": 60_000},
        "WS_CONNECT": {"limit": 9, "windowMs": 60_000},
    }
    assert first.get_json() == {"merchantId": MERCHANT, "policy": OPEN | {"limits": limits}}

    second = post(
        client,
        {
            "writeEnabled": False,
            "limits": {"WS_CONNECT": None, "TCA_TRIGGER": {"limit": 5, "windowMs": 1500}},
        },
    )
    limits = {
        "PAYMENT_VERIFY": {"limit": 1, "windowMs": 60_000},
        "TCA_TRIGGER": {"limit": 5, "windowMs": 1500},
    }
    expected = OPEN | {"writeEnabled": False, "limits": limits}
    assert second.get_json()["policy"] == shown(client) == expected
    assert post(client, {"wsEnabled": False}).get_json()["policy"]["wsEnabled"] is False
    assert shown(client, OTHER) == OPEN

    rows = client.get("/api/audit/logs?action=tenant_policy_set", headers=by()).get_json()["items"]
    assert [row["details"]["patch"] for row in rows] == [
        {"wsEnabled": False},
        {
            "writeEnabled": False,
            "limits": {"WS_CONNECT": None, "TCA_TRIGGER": {"limit": 5, "windowMs": 1500}},
        },
        {
            "limits": {
                "PAYMENT_VERIFY": {"limit": 1, "windowMs": 60_000},
                "WS_CONNECT": {"limit": 9, "windowMs": 60_000},
            }
        },
    ]


def test_the_tokens_merchant_is_the_one_that_is_changed(client):
    answer = post(client, {"merchantId": OTHER, "wsEnabled": False})

    assert answer.get_json()["merchantId"] == MERCHANT
    assert shown(client, OTHER) == OPEN
    assert_problem(
        client.get(f"{URL}?merchantId={OTHER}", headers=by()), 403, "merchant scope denied"
    )


def test_nobody_but_the_owner_sees_or_changes_it(client):
    for answer in (client.get(URL, headers=by("manager")), post(client, OPEN, by("manager"))):
        assert_problem(answer, 403, "permission denied")
    assert shown(client) == OPEN


def test_every_operation_can_be_limited_and_has_words(client):
    assert set(OPERATIONS) == set(Operation)
    every = {operation.value: 3 for operation in Operation}
    answer = post(client, {"limits": every})
    assert answer.status_code == 200, answer.text
    assert answer.get_json()["policy"]["limits"].keys() == every.keys()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "tenant policy patch is empty"),
        ({"merchantId": MERCHANT, "note": "?"}, "tenant policy patch is empty"),
        ({"limits": [1]}, "limits must be an object"),
        ({"limits": None}, "limits must be an object"),
        ({"limits": {"PAYMENTS": 1}}, "unsupported limit operation: PAYMENTS"),
        ({"limits": {"{x}": 1}}, "unsupported limit operation: (x)"),
        ({"limits": {"TCA_TRIGGER": "9"}}, "TCA_TRIGGER limit must be number or object"),
        ({"limits": {"TCA_TRIGGER": True}}, "TCA_TRIGGER limit must be number or object"),
        ({"limits": {"TCA_TRIGGER": [9]}}, "TCA_TRIGGER limit must be number or object"),
        ({"limits": {"TCA_TRIGGER": 0}}, "TCA_TRIGGER.limit must be a positive number"),
        ({"limits": {"TCA_TRIGGER": -0.5}}, "TCA_TRIGGER.limit must be a positive number"),
        ({"limits": {"TCA_TRIGGER": {}}}, "TCA_TRIGGER.limit must be a positive number"),
        (
            {"limits": {"TCA_TRIGGER": {"limit": "9"}}},
            "TCA_TRIGGER.limit must be a positive number",
        ),
        (
            {"limits": {"TCA_TRIGGER": {"limit": 9, "windowMs": 0}}},
            "TCA_TRIGGER.windowMs must be a positive number",
        ),
        (
            {"limits": {"TCA_TRIGGER": {"limit": 9, "windowMs": None}}},
            "TCA_TRIGGER.windowMs must be a positive number",
        ),
        ({"limits": {"TCA_TRIGGER": 1.5}}, "TCA_TRIGGER.limit must be a whole number"),
        ({"limits": {"TCA_TRIGGER": 1e12}}, "TCA_TRIGGER.limit is too large"),
        ({"writeEnabled": "false"}, "writeEnabled must be true or false"),
        ({"wsEnabled": 0}, "wsEnabled must be true or false"),
        ({"writeEnabled": None}, "writeEnabled must be true or false"),
    ],
)
def test_what_is_wrong_is_said_in_the_contracts_words(client, body, error):
    assert_problem(
        post(client, {"wsEnabled": True} | body if body.get("limits") else body), 400, error
    )
    assert shown(client) == OPEN


# --- limits of the installation ---------------------------------------------------------------


def test_limits_of_the_installation_hold_where_the_merchant_has_none(client, app, monkeypatch):
    everywhere = Settings(
        _env_file=None,
        tenant_policy_default='{"limits": {"TCA_TRIGGER": {"limit": 6, "windowMs": 1000},'
        ' "WS_CONNECT": 60}}',
    )
    monkeypatch.setitem(app.extensions, "default_limits", {})
    policies.read_default_limits(app, everywhere)
    inherited = {
        "TCA_TRIGGER": {"limit": 6, "windowMs": 1000},
        "WS_CONNECT": {"limit": 60, "windowMs": 60_000},
    }
    assert shown(client)["limits"] == inherited

    own = post(client, {"limits": {"WS_CONNECT": 90}}).get_json()["policy"]["limits"]
    assert own == {"WS_CONNECT": {"limit": 90, "windowMs": 60_000}}
    assert shown(client)["limits"] == inherited | own
    assert post(client, {"limits": {"WS_CONNECT": None}}).get_json()["policy"]["limits"] == {}
    assert shown(client)["limits"] == inherited


@pytest.mark.parametrize(
    "policy",
    ["[]", "{", '{"writeEnabled": false}', '{"limits": []}', '{"limits": {"NOPE": 1}}',
     '{"limits": {"TCA_TRIGGER": 0}}'],
)  # fmt: skip
def test_a_limit_that_cannot_be_one_is_told_at_the_start(app, policy):
    with pytest.raises((ConfigurationError, ValueError), match="MQ_TENANT_POLICY_DEFAULT"):
        policies.read_default_limits(app, Settings(_env_file=None, tenant_policy_default=policy))


# --- services ---------------------------------------------------------------------------------


def test_switches_are_turned_one_by_one_and_a_freeze_knows_who_and_since_when(client):
    def turn(**switches):
        with transaction(MERCHANT) as session:
            policy = tenancy.set_switches(session, MERCHANT, **switches)
        with transaction(MERCHANT) as session:
            return policy, tenancy.freeze_of(session, MERCHANT)

    with transaction(MERCHANT) as session:
        limits = {"TCA_TRIGGER": Limit(3)}
        tenancy.set_policy(session, MERCHANT, TenantPolicy(limits=limits))
    policy, freeze = turn(write_enabled=False, by="staff_owner")
    assert policy == TenantPolicy(write_enabled=False, limits=limits)
    assert (freeze.by, freeze.since is None) == ("staff_owner", False)

    policy, still = turn(write_enabled=False, ws_enabled=False, by="somebody else")
    assert policy == TenantPolicy(write_enabled=False, ws_enabled=False, limits=limits)
    assert still == freeze

    policy, thawed = turn(write_enabled=True)
    assert policy == TenantPolicy(ws_enabled=False, limits=limits)
    assert thawed is None


def test_what_waited_for_the_end_of_a_freeze_goes_on_at_once(client):
    """Campaigns put their events off while a merchant is frozen, in the end for an hour."""
    with transaction(MERCHANT) as session:
        tenancy.set_switches(session, MERCHANT, write_enabled=False)
        outbox.publish(session, MERCHANT, "PAYMENT_VERIFIED", {})
        session.execute(text("UPDATE outbox_events SET run_at = now() + interval '1 hour'"))
    assert not outbox.has_due()
    with transaction(MERCHANT) as session:
        tenancy.set_switches(session, MERCHANT, write_enabled=True)
    assert outbox.has_due()


# --- the page ---------------------------------------------------------------------------------


def test_the_page_freezes_and_thaws_and_every_page_says_so(client, app):
    browser = signed_in(app, PHONE, MERCHANT)
    assert "The shop is read-only." not in browser.get("/console/customers").text

    done = browser.send_form(f"{PAGE}/writing", {"enabled": "false"})
    assert (done.status_code, done.location) == (303, PAGE)
    banner = browser.get("/console/customers").text
    assert "The shop is read-only." in banner
    assert "by Owner." in banner
    assert shown(client)["writeEnabled"] is False
    assert browser.send_form(f"{PAGE}/writing", {"enabled": ""}).status_code == 400
    assert browser.send_form(f"{PAGE}/writing", {"enabled": "true"}).status_code == 303
    assert shown(client) == OPEN
    assert "The shop is read-only." not in browser.get("/console/customers").text


def test_the_page_sets_shows_and_removes_limits(client, app):
    browser = signed_in(app, PHONE, MERCHANT)
    assert "No limits" in browser.get(PAGE).text

    form = {"operation": "CUSTOMER_CREATE", "limit": "1", "every": "2", "unit": "hour"}
    assert browser.send_form(f"{PAGE}/limits", form).status_code == 303
    limits = shown(client)["limits"]
    assert limits == {"CUSTOMER_CREATE": {"limit": 1, "windowMs": 7_200_000}}
    assert "1 in 2 hours" in browser.get(PAGE).text
    assert "Limit reached" not in browser.get(PAGE).text

    phones = ({"phone": f"+8613911110{number:03}"} for number in range(2))
    answers = [client.post("/api/customers", json=phone, headers=by()) for phone in phones]
    assert [answer.status_code for answer in answers] == [201, 429]
    page = browser.get(PAGE).text
    assert "Limit reached" in page
    assert "/console/audit?status=BLOCKED&amp;action=CUSTOMER_CREATE" in page

    wrong = browser.send_form(f"{PAGE}/limits", form | {"limit": "many"})
    assert wrong.status_code == 400
    assert 'value="many"' in wrong.text
    assert browser.send_form(f"{PAGE}/limits/CUSTOMER_CREATE/remove", {}).status_code == 303
    assert shown(client) == OPEN


def test_the_page_turns_live_events_off_and_on(client, app):
    browser = signed_in(app, PHONE, MERCHANT)
    assert browser.send_form(f"{PAGE}/realtime", {"enabled": "false"}).status_code == 303
    assert "Live events are off" in browser.get(PAGE).text
    assert_problem(
        client.get("/api/ws/status", headers=by()),
        403,
        "merchant realtime channel is disabled during migration",
        "TENANT_REALTIME_DISABLED",
    )
    assert browser.send_form(f"{PAGE}/realtime", {"enabled": "true"}).status_code == 303
    assert client.get("/api/ws/status", headers=by()).status_code == 200
