"""The contract's routes: words, roles, audit, pages."""

import pytest

from jobs.outbox import relay
from mealquest.core.principal import Role
from tests.campaigns.shops import hits_of, make_campaign, row_of
from tests.factories.http import assert_problem, bearer, client_of, signed_in
from tests.web.shops import Shop, open_shop


@pytest.fixture
def shop(app) -> Shop:
    return open_shop("Alpha", 6)


@pytest.fixture
def client(app):
    return client_of(app)


@pytest.fixture
def owner(shop) -> dict[str, str]:
    return bearer(shop.tokens[Role.OWNER])


def fire(client, headers, **body):
    return client.post("/api/merchant/fire-sale", json=body, headers=headers)


def event(shop, **body):
    return {"userId": shop.customer, "event": "INVENTORY_ALERT"} | body


def test_roles_as_the_matrix_has_them(client, shop) -> None:
    campaign = make_campaign(shop.merchant_id)
    routes = {
        "/api/tca/trigger": (event(shop), {Role.MANAGER, Role.OWNER}),
        "/api/merchant/fire-sale": ({}, {Role.MANAGER, Role.OWNER}),
        f"/api/merchant/campaigns/{campaign}/status": ({}, {Role.MANAGER, Role.OWNER}),
        "/api/merchant/kill-switch": ({"enabled": False}, {Role.OWNER}),
    }
    for url, (body, allowed) in routes.items():
        for role, token in shop.tokens.items():
            answer = client.post(url, json=body, headers=bearer(token))
            assert answer.status_code == (200 if role in allowed else 403), (url, role)


def test_what_is_missing_or_wrong_is_said_in_the_contract_s_words(client, shop, owner) -> None:
    status_of = f"/api/merchant/campaigns/{make_campaign(shop.merchant_id)}"
    wrong = [
        ("/api/tca/trigger", {"userId": shop.customer}, 400, "event is required"),
        ("/api/tca/trigger", event(shop, context=[]), 400, "context must be an object"),
        ("/api/tca/trigger", event(shop, userId="nobody"), 404, "user not found"),
        (f"{status_of}/status", {"status": "GONE"}, 400, "unsupported campaign status"),
        ("/api/merchant/campaigns/none/status", {"status": "ACTIVE"}, 404, "campaign not found"),
        ("/api/merchant/kill-switch", {"enabled": "false"}, 400, "enabled must be true or false"),
        ("/api/merchant/kill-switch", {}, 400, "enabled must be true or false"),
    ]  # fmt: skip
    for url, body, status, words in wrong:
        assert_problem(client.post(url, json=body, headers=owner), status, words)
    missing = client.get("/api/merchant/dashboard", headers=owner)
    assert_problem(missing, 400, "merchantId is required")
    other = client.get("/api/merchant/dashboard?merchantId=m_other", headers=owner)
    assert_problem(other, 403, "merchant scope denied")


def test_the_dashboard_and_the_state_tell_of_campaigns(client, shop, owner) -> None:
    campaign = make_campaign(shop.merchant_id)
    asked = f"merchantId={shop.merchant_id}"

    found = client.get(f"/api/merchant/dashboard?{asked}", headers=owner).get_json()
    assert found == {
        "merchantId": shop.merchant_id,
        "merchantName": "Alpha Kitchen",
        "killSwitchEnabled": False,
        "budgetCap": 300,
        "budgetUsed": 0,
        "pendingProposals": [],
        "activeCampaignCount": 1,
    }
    state = client.get(f"/api/state?{asked}", headers=owner).get_json()
    (shown,) = state["campaigns"]
    assert shown["id"] == campaign
    assert shown["trigger"] == {"event": "PAYMENT_SUCCESS"}
    assert shown["budget"] == {"cap": 100, "used": 0, "costPerHit": 1}
    (activity,) = state["activities"]
    assert activity.keys() == {"id", "title", "desc", "icon", "color", "textColor", "tag"}


def test_a_campaign_changes_its_state_any_way_and_back(client, shop, owner) -> None:
    campaign = make_campaign(shop.merchant_id)
    url = f"/api/merchant/campaigns/{campaign}/status"
    for sent, status in [("paused", "PAUSED"), ("ARCHIVED", "ARCHIVED"), (None, "ACTIVE")]:
        body = {"status": sent} if sent else {}
        answer = client.post(url, json=body, headers=owner).get_json()
        expected = {"merchantId": shop.merchant_id, "campaignId": campaign, "status": status}
        assert answer == expected
    assert row_of(shop.merchant_id, campaign).updated_at is not None


def test_a_fire_sale_gives_exactly_so_many_cards_and_is_taken_back(client, shop, owner) -> None:
    sale = fire(client, owner, targetSku="soup", ttlMinutes=1.9, voucherValue="7.8", maxQty=2)
    assert sale.status_code == 200
    made = sale.get_json()
    assert made["priority"] == 999
    assert made["campaignId"].startswith("campaign_fire_sale_")
    context = {"targetSku": "soup", "inventoryBacklog": 3}

    def alert():
        sent = event(shop, context=context)
        return client.post("/api/tca/trigger", json=sent, headers=owner).get_json()["executed"]

    assert [len(alert()) for _ in range(3)] == [1, 1, 0]
    stored = row_of(shop.merchant_id, made["campaignId"])
    assert (stored.cap_units, stored.cost_units, stored.used_units) == (14, 7, 14)
    assert round((stored.ttl_until - stored.created_at).total_seconds() / 60) == 5
    assert hits_of(shop.merchant_id)[0].given[0]["discountRate"] == 0.5
    usual = fire(client, owner, voucherValue="many").get_json()["campaignId"]
    assert row_of(shop.merchant_id, usual).cap_units == 15 * 30


def test_the_kill_switch_is_seen_on_every_page_while_it_is_on(app, shop) -> None:
    browser = signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)
    assert "All campaigns are stopped." not in browser.get("/console/").text

    done = browser.send_form("/console/kill-switch", {"enabled": "true"})
    assert done.status_code == 303
    for page in ("/console/", "/console/payments", "/console/campaigns"):
        assert "All campaigns are stopped." in browser.get(page).text

    browser.send_form("/console/kill-switch", {"enabled": "false"})
    assert "All campaigns are stopped." not in browser.get("/console/").text


def test_decisions_are_explained_in_words(app, client, shop, owner) -> None:
    campaign = make_campaign(shop.merchant_id, None, ("orderAmount", "gte", 20))
    for amount in (5, 52):
        body = event(shop, event="PAYMENT_SUCCESS", context={"orderAmount": amount})
        client.post("/api/tca/trigger", json=body, headers=owner)
    url = f"/api/merchant/campaigns/{campaign}/decisions"

    items = client.get(url, headers=owner).get_json()["items"]
    assert [one["verdict"] for one in items] == ["HIT", "CONDITION"]
    assert items[0]["given"] == [{"type": "GRANT_BONUS", "amount": 12}]
    asked = {"field": "orderAmount", "op": "gte", "value": 20}
    assert (items[1]["condition"], items[1]["found"]) == (asked, 5)
    for outcome, verdict in (("hit", "HIT"), ("MISS", "CONDITION")):
        found = client.get(f"{url}?outcome={outcome}", headers=owner).get_json()["items"]
        assert [one["verdict"] for one in found] == [verdict]
    first = client.get(f"{url}?limit=1", headers=owner).get_json()
    rest = client.get(f"{url}?limit=1&cursor={first['nextCursor']}", headers=owner).get_json()
    assert [one["verdict"] for one in first["items"] + rest["items"]] == ["HIT", "CONDITION"]

    browser = signed_in(app, shop.phones[Role.CLERK], shop.merchant_id)
    page = browser.get(f"/console/campaigns/{campaign}").text
    assert "It asks that order amount is at least 20; it was 5." in page
    assert "CNY 12.00 bonus" in page.replace("\xa0", " ")


def test_the_payment_s_page_shows_what_campaigns_gave(app, shop) -> None:
    campaign = make_campaign(shop.merchant_id)
    relay()
    browser = signed_in(app, shop.phones[Role.CLERK], shop.merchant_id)
    assert (
        f"/console/payments/{shop.payment}/campaigns"
        in browser.get(f"/console/payments/{shop.payment}").text
    )

    part = browser.get(
        f"/console/payments/{shop.payment}/campaigns",
        headers={"HX-Request": "true", "HX-Target": "campaigns-of-payment"},
    ).text
    assert campaign in part
    assert "<html" not in part
