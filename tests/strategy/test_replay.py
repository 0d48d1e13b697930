"""A proposal is replayed by itself, bound to what it says, and shown where it is decided about."""

from collections.abc import Callable
from typing import Any

import pytest
from flask_babel import force_locale
from sqlalchemy import text

from jobs.replays import make
from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.strategy import service as strategy
from mealquest.strategy.catalogue import LIBRARY
from tests.factories.customers import make_customer
from tests.factories.http import assert_problem, bearer, client_of, staff_token
from tests.factories.outside import ask
from tests.factories.wallet import make_wallet
from tests.strategy.chats import open_shop

PATH = "/api/merchant/proposals/proposal_1"


def make_proposal(merchant_id: str) -> None:
    template = LIBRARY["revenue_paybox"]
    branch = template.default_branch
    with force_locale("en"):
        campaign = template.campaign(branch)
    campaign |= {
        "id": new_id("campaign"),
        "trigger": {"event": "PAYMENT_SUCCESS"},
        "conditions": [{"field": "orderCount", "op": "eq", "value": 0}],
        "action": {"type": "GRANT_SILVER", "amount": 3},
    }
    new = strategy.NewProposal(
        id="proposal_1",
        title="A first order",
        intent="",
        template_id=template.id,
        branch_id=branch.id,
        strategy_meta={},
        campaign=campaign,
    )
    with transaction(merchant_id) as session:
        strategy.add(session, merchant_id, new, "fixture")


@pytest.fixture
def call(app) -> Callable[..., Any]:
    """A shop where two customers bought three times, and its proposal; asks as one of the staff."""
    merchant_id, _ = open_shop()
    with transaction(merchant_id) as session:
        session.execute(text("UPDATE merchant_settings SET campaign_holdout_percent = 0"))
    rows = [make_wallet(merchant_id, make_customer(merchant_id), principal=9_000) for _ in "ab"]
    for row in (rows[0], rows[0], rows[1]):
        ask(row, 20)
    make_proposal(merchant_id)

    def send(method: str, path: str = "", who: str = "staff_manager") -> Any:
        return client_of(app).open(
            PATH + path, method=method, headers=bearer(staff_token(merchant_id, who)), json={}
        )

    send.merchant_id = merchant_id  # type: ignore[attr-defined]
    return send


def test_a_stored_proposal_is_replayed_and_shown_with_what_it_would_have_done(call) -> None:
    waits = call("GET", "/replay").get_json()
    assert (waits["state"], waits["mayRenew"], waits["result"]) == ("WAITING", False, None)

    make()

    shown = call("GET").get_json()["replay"]
    assert shown == call("GET", "/replay").get_json()
    found = shown["result"]
    assert (shown["state"], found["events"], found["hits"], found["customers"]) == ("DONE", 3, 2, 2)
    assert (found["cost"], found["costOfHit"], found["nothing"]["turnover"]) == (6, 3, 60)
    assert len(found["weeks"]) == 13
    assert sum(week["hits"] for week in found["weeks"]) == 2


def test_a_replay_is_made_anew_a_day_later_and_never_for_other_content(call) -> None:
    make()
    first = call("GET", "/replay").get_json()

    assert call("POST", "/replay").get_json() == first  # it is fresh
    with transaction(call.merchant_id) as session:
        old = "UPDATE campaign_replays SET done_at = now() - interval '25 hours'"
        session.execute(text(old))
    assert call("GET", "/replay").get_json()["mayRenew"] is True
    assert call("POST", "/replay").get_json()["state"] == "WAITING"
    make()
    assert call("GET", "/replay").get_json()["result"]["hits"] == 2
    with transaction(call.merchant_id) as session:
        session.execute(text("UPDATE proposals SET content_hash = 'another'"))
    assert call("GET", "/replay").get_json()["state"] == "NONE"


def test_who_may_ask_for_a_replay_and_when(call) -> None:
    assert_problem(call("POST", "/replay", "staff_clerk"), 403, "permission denied")
    assert call("POST", "/reject", "staff_owner").status_code == 200
    assert_problem(call("POST", "/replay"), 400, "proposal already handled")
