"""GET /api/state: both shapes, who may see what, and when it has changed."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from mealquest.alliance import service as alliances
from mealquest.alliance.forms import ConfigForm
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.identity.models import Customer
from mealquest.state import service as states
from mealquest.state.service import Sources
from mealquest.tenancy.models import MerchantSettings
from tests.factories.customers import make_customer
from tests.factories.http import (
    Client,
    assert_problem,
    bearer,
    client_of,
    customer_token,
    staff_token,
)
from tests.factories.merchants import make_merchant
from tests.factories.statements import watching
from tests.factories.wallet import make_fixture_customer, make_voucher

SHOP, GUEST = "m_store_001", "u_fixture_001"
STATE = "/api/state"
KEYS = {
    "merchant",
    "user",
    "dashboard",
    "campaigns",
    "proposals",
    "strategyConfigs",
    "activities",
    "allianceConfig",
    "walletScope",
}
ALONE = {"merchantId": SHOP, "clusterId": f"cluster_{SHOP}", "stores": [SHOP]}


@pytest.fixture
def client(app) -> Client:
    return client_of(app)


@pytest.fixture
def owner(app) -> dict[str, str]:
    """Headers of the shop's owner; the shop has staff, one who left, and the fixture's guest."""
    make_merchant(SHOP, budget_cap_minor=30_000)
    with transaction(SHOP) as session:
        for role in (Role.OWNER, Role.CLERK):
            name = f"staff_{role.lower()}"
            identity.add_staff(session, SHOP, staff_id=name, role=role, name="Somebody")
        identity.add_staff(session, SHOP, staff_id="staff_gone", role=Role.CLERK, name="Gone")
        identity.remove_staff(session, SHOP, "staff_gone")
    make_fixture_customer(SHOP, make_customer(SHOP, GUEST))
    return bearer(staff_token(SHOP))


@pytest.fixture
def guest(owner) -> dict[str, str]:
    return bearer(customer_token(SHOP, GUEST))


@pytest.fixture
def sources(app) -> Iterator[Sources]:
    """As features behind this package will fill the state in."""
    filled = Sources(
        campaigns=lambda session, merchant_id: [
            {"id": "c1", "merchantId": merchant_id, "status": "ACTIVE", "priority": 20},
            {"id": "c2", "merchantId": merchant_id, "status": "PAUSED", "priority": 10},
        ],
        proposals=lambda session, merchant_id: [
            {"id": "p1", "title": "Rain", "createdAt": "2026-01-02T03:04:05.678Z"}
            | {"status": status}
            for status in ("PENDING", "APPROVED")
        ],
        strategy_configs=lambda session, merchant_id: [{"templateId": "t"}],
        activities=lambda session, merchant_id: [{"id": "c1", "title": "Welcome"}],
    )
    before = app.extensions["state_sources"]
    states.install(app, filled)
    yield filled
    states.install(app, before)


def get(client: Client, headers: dict[str, str], **query: str) -> dict[str, Any]:
    answer = client.get(STATE, query_string={"merchantId": SHOP} | query, headers=headers)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.get_json()
    assert body.keys() == KEYS
    return body


def test_staff_see_the_merchant_and_whom_they_ask_for(client, owner) -> None:
    body = get(client, owner, userId=GUEST)

    onboarded = body["merchant"].pop("onboardedAt")
    figures = {"killSwitchEnabled": False, "budgetCap": 300, "budgetUsed": 0}
    assert body["merchant"] == {
        "merchantId": SHOP,
        "name": "Fixture Merchant",
        "currency": "CNY",
        "staff": [
            {"uid": "staff_clerk", "role": "CLERK"},
            {"uid": "staff_owner", "role": "OWNER"},
        ],
        **figures,
    }
    named = {"merchantId": SHOP, "merchantName": "Fixture Merchant"}
    nothing = {"pendingProposals": [], "activeCampaignCount": 0}
    assert body["dashboard"] == {**named, **figures, **nothing}
    held = {"principal": 0, "bonus": 0, "silver": 0}
    user = body["user"]
    assert user["wallet"] == {"principal": 120, "bonus": 36, "silver": 88, "held": held}
    assert {v["id"]: v["value"] for v in user["vouchers"]} == {
        "voucher_soon": 18,
        "voucher_big": 30,
    }
    assert (user["uid"], user["tags"]) == (GUEST, ["REGULAR"])
    for name in ("campaigns", "proposals", "strategyConfigs", "activities"):
        assert body[name] == []
    flags = {"walletShared": False, "tierShared": False, "updatedAt": onboarded}
    assert body["allianceConfig"] == ALONE | flags
    assert body["walletScope"] == {"walletShared": False, "walletMerchantId": SHOP}


def test_staff_need_to_ask_for_nobody(client, owner) -> None:
    assert get(client, owner)["user"] is None
    assert get(client, owner, userId="")["user"] is None


def test_a_customer_sees_what_is_their_own_and_the_rest_is_empty(client, guest, sources) -> None:
    make_merchant("m_bistro")
    listing = ConfigForm(cluster_id="cluster_x", stores=[SHOP, "m_bistro"])
    alliances.set_config(SHOP, listing, Principal(Role.OWNER, "staff_owner", SHOP))

    body = get(client, guest, userId=GUEST)

    assert body["merchant"] == {"merchantId": SHOP, "name": "Fixture Merchant", "currency": "CNY"}
    assert body["user"]["wallet"]["principal"] == 120
    assert body["dashboard"] == {}
    assert body["campaigns"] == body["proposals"] == body["strategyConfigs"] == []
    assert body["activities"] == [{"id": "c1", "title": "Welcome"}]
    assert body["allianceConfig"] == {"walletShared": False, "stores": [SHOP, "m_bistro"]}


def test_features_that_stand_behind_fill_in_their_parts(client, owner, sources) -> None:
    body = get(client, owner)

    assert [campaign["id"] for campaign in body["campaigns"]] == ["c1", "c2"]
    assert [proposal["status"] for proposal in body["proposals"]] == ["PENDING", "APPROVED"]
    assert body["dashboard"]["activeCampaignCount"] == 1
    waiting = {"id": "p1", "title": "Rain", "createdAt": "2026-01-02T03:04:05.678Z"}
    assert body["dashboard"]["pendingProposals"] == [waiting]
    assert body["strategyConfigs"] == [{"templateId": "t"}]


def test_the_budget_used_is_what_vouchers_paid(client, owner) -> None:
    order = {"userId": GUEST, "orderAmount": 52}
    keyed = owner | {"Idempotency-Key": "1"}
    assert client.post("/api/payment/verify", json=order, headers=keyed).status_code == 200

    body = get(client, owner, userId=GUEST)

    assert body["merchant"]["budgetUsed"] == body["dashboard"]["budgetUsed"] == 18
    assert body["user"]["wallet"]["bonus"] == 2


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ({"userId": GUEST}, 400, "merchantId is required"),
        ({"merchantId": SHOP}, 400, "userId is required for customer role"),
        ({"merchantId": SHOP, "userId": "u_2"}, 403, "user scope denied"),
        ({"merchantId": "m_bistro", "userId": GUEST}, 403, "merchant scope denied"),
    ],
)
def test_a_customer_asks_for_themselves_by_name(client, guest, query, status, error) -> None:
    assert_problem(client.get(STATE, query_string=query, headers=guest), status, error)


def test_whoever_is_not_there_is_not_found(client, owner, guest) -> None:
    make_customer(SHOP, "u_left")
    now = {"deleted_at": utc_now(), "cancelled_at": utc_now()}
    with transaction(SHOP) as session:
        left = Customer.merchant_id == SHOP, Customer.id == "u_left"
        session.execute(update(Customer).where(*left).values(now))
    for user_id in ("u_nobody", "u_left"):
        query = {"merchantId": SHOP, "userId": user_id}
        answer = client.get(STATE, query_string=query, headers=owner)
        assert_problem(answer, 404, "user not found")
    with transaction(SHOP) as session:
        session.execute(
            update(Customer).where(Customer.merchant_id == SHOP).values(deleted_at=utc_now())
        )
    query = {"merchantId": SHOP, "userId": GUEST}
    assert_problem(client.get(STATE, query_string=query, headers=guest), 401)
    assert_problem(client.get(STATE, query_string=query), 401)


def test_whom_the_owner_erased_is_there_without_a_name(client, owner) -> None:
    with transaction(SHOP) as session:
        mine = Customer.merchant_id == SHOP, Customer.id == GUEST
        session.execute(update(Customer).where(*mine).values(deleted_at=utc_now()))

    user = get(client, owner, userId=GUEST)["user"]

    assert (user["displayName"], user["isDeleted"]) == (f"ANONYMIZED_{GUEST}", True)
    assert (user["vouchers"], user["wallet"]["principal"]) == ([], 120)


# --- ETag -------------------------------------------------------------------------------------


def tag_of(client: Client, url: str, headers: dict[str, str], query: dict[str, str]) -> str:
    answer = client.get(url, query_string=query, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["ETag"].startswith('W/"')
    assert {"Authorization", "Cookie"} <= {
        name.strip() for name in answer.headers["Vary"].split(",")
    }
    assert answer.headers["Cache-Control"] == "private, no-cache"
    return answer.headers["ETag"]


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_what_has_not_changed_is_not_sent_again(client, guest, encoding) -> None:
    query = {"merchantId": SHOP, "userId": GUEST}
    headers = guest | {"Accept-Encoding": encoding}
    tag = tag_of(client, STATE, headers, query)

    again = client.get(STATE, query_string=query, headers=headers | {"If-None-Match": tag})

    assert again.status_code == 304
    assert again.data == b""
    assert again.headers["ETag"] == tag


def test_every_change_and_every_viewer_has_another_tag(client, owner, guest) -> None:
    query = {"merchantId": SHOP, "userId": GUEST}
    seen = [tag_of(client, STATE, owner, query), tag_of(client, STATE, guest, query)]
    seen.append(tag_of(client, STATE, owner, {"merchantId": SHOP}))

    make_voucher(SHOP, GUEST, "voucher_more", value=100)
    seen += [tag_of(client, STATE, owner, query), tag_of(client, STATE, guest, query)]
    with transaction(SHOP) as session:
        identity.rename_customer(session, SHOP, GUEST, "Mei")
    seen += [tag_of(client, STATE, owner, query), tag_of(client, STATE, guest, query)]
    with transaction(SHOP) as session:
        mine = MerchantSettings.merchant_id == SHOP
        session.execute(update(MerchantSettings).where(mine).values(kill_switch_enabled=True))
    seen.append(tag_of(client, STATE, owner, query))
    identity_of_guest = tag_of(client, STATE, guest, query)

    assert len(set(seen)) == len(seen)
    assert identity_of_guest == seen[-2], "the kill switch is not told to customers"


def test_time_alone_changes_nothing(client, owner, monkeypatch) -> None:
    query = {"merchantId": SHOP, "userId": GUEST}
    tag = tag_of(client, STATE, owner, query)
    later = utc_now() + timedelta(minutes=30)
    monkeypatch.setattr("mealquest.wallet.showing.utc_now", lambda: later)
    assert tag_of(client, STATE, owner, query) == tag
    over = utc_now() + timedelta(hours=2)  # the voucher that is good for an hour is not any more
    monkeypatch.setattr("mealquest.wallet.showing.utc_now", lambda: over)
    assert tag_of(client, STATE, owner, query) != tag


def test_the_audit_is_not_sent_again_either(client, owner) -> None:
    logs = "/api/audit/logs"
    tag = tag_of(client, logs, owner, {"merchantId": SHOP})
    known = owner | {"If-None-Match": tag}
    assert client.get(logs, query_string={"merchantId": SHOP}, headers=known).status_code == 304

    order = {"userId": GUEST, "orderAmount": 5}
    keyed = owner | {"Idempotency-Key": "1"}
    assert client.post("/api/payment/verify", json=order, headers=keyed).status_code == 200

    assert client.get(logs, query_string={"merchantId": SHOP}, headers=known).status_code == 200


def test_the_number_of_statements_does_not_grow(client, owner, guest) -> None:
    def statements(headers: dict[str, str]) -> int:
        with watching() as seen:
            get(client, headers, userId=GUEST)
        return len(seen.statements)

    statements(owner)
    before = statements(owner), statements(guest)
    for number in range(5):
        order = {"userId": GUEST, "orderAmount": 5, "voucherId": "NONE"}
        keyed = owner | {"Idempotency-Key": str(number)}
        assert client.post("/api/payment/verify", json=order, headers=keyed).status_code == 200

    assert (statements(owner), statements(guest)) == before
    assert max(before) <= 20, before
