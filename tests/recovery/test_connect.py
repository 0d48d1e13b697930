"""A merchant connects its Stripe account, and lets go of it."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from mealquest.core.db import transaction
from mealquest.core.principal import Principal, Role
from mealquest.recovery import connect, connecting, tasks, webhooks
from mealquest.recovery.connect_domain import Reason, Refused
from mealquest.recovery.connecting import Back
from mealquest.recovery.domain import PLATFORM, TaskStatus, TaskType
from mealquest.recovery.models import OauthState, ProcessedEvent, ScheduledTask, UsageLog
from mealquest.recovery.webhooks import Event
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.models import Merchant
from mealquest.tenancy.service import TenantPolicy
from tests.factories.http import Client, assert_problem, bearer, client_of, signed_in
from tests.factories.threads import run_together
from tests.fakes.stripe import StripeFake
from tests.web.shops import Shop, open_shop

AUTHORIZE, CALLBACK = "/api/stripe/connect/authorize", "/api/stripe/connect/callback"
DISCONNECT, PAGE = "/api/stripe/disconnect", "/console/recovery/connect"


@pytest.fixture
def stripe(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeFake]:
    with StripeFake() as fake:
        pointed: dict[str, Any] = {}
        fake.configure(pointed)
        for name, value in pointed.items():
            monkeypatch.setitem(app.config, name, value)
        yield fake


@pytest.fixture
def client(app: Flask, stripe: StripeFake) -> Client:
    return client_of(app)


@pytest.fixture
def shop(app: Flask) -> Shop:
    return open_shop("Alpha", 6)


@pytest.fixture
def owner(shop: Shop) -> dict[str, str]:
    return bearer(shop.tokens[Role.OWNER])


def asked(client: Client, headers: dict[str, str]) -> str:
    """The state of a connection that is begun."""
    return str(client.post(AUTHORIZE, headers=headers).get_json()["state"])


def back(client: Client, **query: str) -> dict[str, list[str]]:
    """What the front page is told."""
    answer = client.get(CALLBACK, query_string=query)
    assert answer.status_code == 302
    assert urlsplit(answer.headers["Location"]).path == "/"
    return parse_qs(urlsplit(answer.headers["Location"]).query)


def connected_as(merchant_id: str) -> str | None:
    with transaction(merchant_id) as session:
        return tenancy.account_of(session, merchant_id).stripe_connect_id


def logged(merchant_id: str) -> list[str]:
    with transaction(merchant_id) as session:
        query = select(UsageLog.metric_type).where(UsageLog.merchant_id == merchant_id)
        return [str(kind) for kind in session.scalars(query.order_by(UsageLog.id))]


def connected(client: Client, stripe: StripeFake, shop: Shop, name: str = "Noodles") -> str:
    account = stripe.connect(name)
    state = asked(client, bearer(shop.tokens[Role.OWNER]))
    assert back(client, code=stripe.code_for(account), state=state) == {"connected": ["true"]}
    return account


def test_two_taps_from_the_console_to_a_connected_account(app, stripe, shop) -> None:
    browser = signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)
    account = stripe.connect()

    going = browser.send_form(PAGE, {})
    url = going.text.split('content="0; url=')[1].split('"')[0].replace("&amp;", "&")
    asked_for = parse_qs(urlsplit(url).query)
    code = stripe.code_for(account)
    home = browser.get(CALLBACK, query_string={"code": code, "state": asked_for["state"][0]})
    onward = browser.get(home.headers["Location"])
    shown = browser.get(onward.headers["Location"]).text

    assert url.startswith(f"{stripe.url}/oauth/authorize?")
    assert asked_for["redirect_uri"] == [f"{app.config['SETTINGS'].base_url}{CALLBACK}"]
    assert asked_for["scope"] == ["read_write"]
    assert "Stripe is connected." in shown
    assert account in shown
    assert connected_as(shop.merchant_id) == account
    assert logged(shop.merchant_id) == ["merchant_connected"]


def test_tokens_are_sealed_for_their_place_and_turn_with_the_keyring(
    client, stripe, shop, app
) -> None:
    connected(client, stripe, shop)
    with transaction(shop.merchant_id) as session:
        row = session.get_one(Merchant, shop.merchant_id)

    access, refresh = row.access_token or "", row.refresh_token or ""
    ring = app.extensions["keyring"]
    opened = ring.decrypt(access, place=f"merchants.access_token:{shop.merchant_id}")
    assert opened.startswith("sk_test_")
    assert "sk_test_" not in access
    assert "rt_" not in refresh
    assert tenancy.seal_tokens_again() == 0

    old = app.extensions["keyring"]
    newer = type(old)({"newer": b"n" * 32, **old._keys})
    app.extensions["keyring"] = newer
    try:
        assert tenancy.seal_tokens_again() == 1
        with transaction(shop.merchant_id) as session:
            turned = session.get_one(Merchant, shop.merchant_id).access_token or ""
        assert turned.startswith("newer:")
        place = f"merchants.access_token:{shop.merchant_id}"
        assert newer.decrypt(turned, place=place) == opened
    finally:
        app.extensions["keyring"] = old


def test_a_state_is_good_once_also_when_what_follows_fails(client, stripe, shop, owner) -> None:
    account = stripe.connect()
    for state, query in (
        (asked(client, owner), {"error": "access_denied"}),
        (asked(client, owner), {"code": "ac_made_up"}),
        (asked(client, owner), {}),
    ):
        assert "error" in back(client, state=state, **query)
        again = back(client, code=stripe.code_for(account), state=state)
        assert again == {"error": [Reason.LATE.value]}
    assert connected_as(shop.merchant_id) is None


def test_a_state_ends_after_ten_minutes_and_is_kept_hashed(client, stripe, shop, owner) -> None:
    state = asked(client, owner)
    with transaction(shop.merchant_id) as session:
        row = session.scalars(select(OauthState)).one()
        assert state not in row.state_hash
        assert row.expires_at - row.created_at == timedelta(minutes=10)
        session.execute(update(OauthState).values(expires_at=func.now()))

    code = stripe.code_for(stripe.connect())
    assert back(client, code=code, state=state) == {"error": [Reason.LATE.value]}
    assert stripe.asked_of("POST", "/oauth/token") == []


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"error": "access_denied", "error_description": "<b>evil</b>"}, Reason.DENIED),
        ({"error": "<script>"}, Reason.BY_STRIPE),
        ({}, Reason.INCOMPLETE),
        ({"code": "x"}, Reason.INCOMPLETE),
        ({"code": "x", "state": "m_nobody.x"}, Reason.LATE),
        ({"code": "x", "state": "no merchant,at all"}, Reason.LATE),
    ],
)
def test_the_way_back_tells_only_words_of_ours(client, shop, query, reason) -> None:
    assert back(client, **query) == {"error": [reason.value]}
    page = client.get("/", query_string={"error": "<script>pay me</script>"})
    assert "pay me" not in page.text


def test_another_browser_cannot_finish_what_one_began(app, stripe, shop) -> None:
    """A link sent to somebody else would bring their account to this shop."""
    mine = signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)
    other = open_shop("Beta", 8)
    theirs = signed_in(app, other.phones[Role.OWNER], other.merchant_id)
    account = stripe.connect()

    state = mine.send_form(PAGE, {}).text.split("state=")[1].split('"')[0].split("&")[0]
    for browser in (client_of(app), theirs, mine):  # used up by the first
        assert "error" in back(browser, code=stripe.code_for(account), state=state)
    by_app = connecting.authorize(shop.merchant_id, _owner(shop)).state
    assert "error" in back(theirs, code=stripe.code_for(account), state=by_app)

    assert connected_as(shop.merchant_id) is None
    assert connected_as(other.merchant_id) is None


def test_the_same_account_may_be_connected_again_and_another_one_not(client, stripe, shop) -> None:
    account = connected(client, stripe, shop)
    owner = bearer(shop.tokens[Role.OWNER])

    again = back(client, code=stripe.code_for(account), state=asked(client, owner))
    other = stripe.code_for(stripe.connect("Another"))

    assert again == {"connected": ["true"]}
    answer = back(client, code=other, state=asked(client, owner))
    assert answer == {"error": [Reason.ANOTHER.value]}
    assert connected_as(shop.merchant_id) == account
    assert logged(shop.merchant_id) == ["merchant_connected"]


def test_an_account_of_another_merchant_is_refused_in_clear_words(client, stripe, shop) -> None:
    account = connected(client, stripe, shop)
    other = open_shop("Beta", 8)
    state = asked(client, bearer(other.tokens[Role.OWNER]))

    answer = back(client, code=stripe.code_for(account), state=state)

    assert answer == {"error": [Reason.TAKEN.value]}
    assert (connected_as(shop.merchant_id), connected_as(other.merchant_id)) == (account, None)


@pytest.mark.parametrize("wrong", [{"scope": "read_only"}, {"livemode": True}])
def test_the_exchange_must_be_of_our_mode_and_scope(client, stripe, shop, owner, wrong) -> None:
    stripe.breaks("patch", "/oauth/token", patch=wrong)

    code = stripe.code_for(stripe.connect())
    assert "error" in back(client, code=code, state=asked(client, owner))
    assert connected_as(shop.merchant_id) is None


def test_first_connections_at_once_have_one_effect(app, stripe, shop) -> None:
    account = stripe.connect()
    begun = [connecting.authorize(shop.merchant_id, _owner(shop)).state for _ in range(4)]
    backs = [Back(code=stripe.code_for(account), state=state) for state in begun]

    became = run_together(app, [lambda b=b: connecting.come_back(b, _owner(shop)) for b in backs])

    assert became == [shop.merchant_id] * 4
    assert logged(shop.merchant_id) == ["merchant_connected"]
    assert len(stripe.world.store.find("", "customer")) == 1
    with transaction(shop.merchant_id) as session:
        assert tenancy.account_of(session, shop.merchant_id).stripe_customer_id


def test_of_two_with_one_state_one_gets_through(app, stripe, shop) -> None:
    account = stripe.connect()
    state = connecting.authorize(shop.merchant_id, _owner(shop)).state
    backs = [Back(code=stripe.code_for(account), state=state) for _ in range(3)]

    became = run_together(app, [lambda b=b: connecting.come_back(b, _owner(shop)) for b in backs])

    assert [one for one in became if one == shop.merchant_id] == [shop.merchant_id]
    assert sum(isinstance(one, Refused) for one in became) == 2


def test_what_came_before_the_account_was_known_is_taken_in(client, stripe, shop) -> None:
    account = stripe.connect()
    bill = stripe.fails(account)
    early = stripe.events(account, "invoice.payment_failed")[0] | {"account": account}
    assert webhooks.take_in(Event.of(early)).action == "error"

    state = asked(client, bearer(shop.tokens[Role.OWNER]))
    back(client, code=stripe.code_for(account), state=state)

    with transaction(shop.merchant_id) as session:
        task = session.scalars(select(ScheduledTask).where(ScheduledTask.invoice_id.is_not(None)))
        assert task.one().invoice_id == bill["id"]
    with transaction(PLATFORM) as session:
        assert session.scalars(select(ProcessedEvent)).all() == []


def test_a_frozen_merchant_connects_nothing(client, stripe, shop, owner) -> None:
    state = asked(client, owner)
    with transaction(shop.merchant_id) as session:
        tenancy.set_policy(session, shop.merchant_id, TenantPolicy(write_enabled=False))

    code = stripe.code_for(stripe.connect())
    assert back(client, code=code, state=state) == {"error": [Reason.FROZEN.value]}
    assert_problem(client.post(AUTHORIZE, headers=owner), 403, code="TENANT_WRITE_DISABLED")
    assert connected_as(shop.merchant_id) is None


def test_without_a_client_id_the_answer_names_the_variable(client, app, owner, monkeypatch) -> None:
    monkeypatch.setitem(app.config, "STRIPE_CLIENT_ID", "")
    problem = assert_problem(client.post(AUTHORIZE, headers=owner), 500)
    assert "STRIPE_CLIENT_ID" in problem["error"]


# --- letting go ---------------------------------------------------------------------------


def work(merchant_id: str) -> None:
    with transaction(merchant_id) as session:
        for number, kind in enumerate(
            (TaskType.DUNNING_RETRY, TaskType.NOTIFY_ACTION_REQUIRED, TaskType.SEND_WEEKLY_DIGEST)
        ):
            tasks.enqueue(session, merchant_id, kind, {"invoiceId": f"in_{number}"}, delay_s=9999)


def statuses(merchant_id: str) -> dict[str, str]:
    with transaction(merchant_id) as session:
        rows = session.execute(select(ScheduledTask.task_type, ScheduledTask.status))
        return {kind.value: status.value for kind, status in rows}


def test_disconnecting_ends_reminders_keeps_the_digest_and_no_subscription_ends(
    client, stripe, shop, owner
) -> None:
    account = connected(client, stripe, shop)
    stripe.fails(account)
    work(shop.merchant_id)

    answer = client.post(DISCONNECT, headers=owner, json={})

    assert answer.status_code == 200
    assert answer.get_json() | {"success": True, "deletedTasks": 2} == answer.get_json()
    assert statuses(shop.merchant_id) == {
        "dunning_retry": TaskStatus.CANCELLED,
        "notify_action_required": TaskStatus.CANCELLED,
        "send_weekly_digest": TaskStatus.PENDING,
    }
    assert connected_as(shop.merchant_id) is None
    assert logged(shop.merchant_id)[-1] == "merchant_disconnected"
    assert [one for one in stripe.asked if one.method == "DELETE"] == []
    assert len(stripe.asked_of("POST", "/oauth/deauthorize")) == 1
    assert_problem(client.post(DISCONNECT, headers=owner, json={}), 400)


def test_subscriptions_are_cancelled_only_on_two_words_and_before_anything_else(
    client, stripe, shop, owner
) -> None:
    account = connected(client, stripe, shop)
    stripe.succeeds(account)
    wish = {"cancelSubscriptions": True}

    assert_problem(client.post(DISCONNECT, headers=owner, json=wish), 400)
    stripe.breaks("unavailable", "/v1/subscriptions/*", times=1)
    assert_problem(client.post(DISCONNECT, headers=owner, json=wish | {"confirm": True}), 502)
    assert connected_as(shop.merchant_id) == account

    done = client.post(DISCONNECT, headers=owner, json=wish | {"confirm": True}).get_json()
    assert done["cancelledSubscriptions"] == 1
    assert connected_as(shop.merchant_id) is None


def test_a_silent_stripe_does_not_keep_a_merchant_connected(client, stripe, shop, owner) -> None:
    account = connected(client, stripe, shop)
    stripe.breaks("reset", "/oauth/deauthorize")

    done = client.post(DISCONNECT, headers=owner, json={}).get_json()

    assert done["deauthorized"] is False
    assert connected_as(shop.merchant_id) is None
    stripe.withdraw(account)
    assert connect.deauthorized(account), "nothing to withdraw is as good as withdrawn"


def test_withdrawn_by_an_event_or_by_hand_it_ends_once(app, client, stripe, shop) -> None:
    connected(client, stripe, shop)
    work(shop.merchant_id)

    def gone() -> int | None:
        with transaction(shop.merchant_id) as session:
            return connect.disconnected(session, shop.merchant_id, "deauthorized")

    assert sorted(map(str, run_together(app, [gone] * 3))) == ["2", "None", "None"]
    assert logged(shop.merchant_id).count("merchant_disconnected") == 1


def test_after_reconnecting_calls_are_for_the_new_account(client, stripe, shop, owner) -> None:
    connected(client, stripe, shop)
    client.post(DISCONNECT, headers=owner, json={})
    newer = connected(client, stripe, shop, "Another")
    assert connected_as(shop.merchant_id) == newer


def test_another_merchant_and_clerks_reach_nothing(client, stripe, shop) -> None:
    connected(client, stripe, shop)
    other = open_shop("Beta", 8)
    foreign = {"merchantId": shop.merchant_id}

    for url in (AUTHORIZE, DISCONNECT):
        for who, status in ((other.tokens[Role.OWNER], 404), (shop.tokens[Role.CLERK], 403)):
            answer = client.post(url, headers=bearer(who), json=foreign)
            assert_problem(answer, status)
        assert_problem(client.post(url, json=foreign), 401)
    assert connected_as(shop.merchant_id) is not None
    assert json.dumps(
        client.get("/api/merchants/me", headers=bearer(other.tokens[Role.OWNER])).json
    )


def _owner(shop: Shop) -> Principal:
    return Principal(Role.OWNER, "staff_owner", shop.merchant_id)
