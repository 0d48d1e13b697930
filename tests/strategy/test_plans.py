"""A strategy asked for outright and answered by the worker, in the contract's words."""

import pytest
from sqlalchemy import select

from mealquest.audit.models import AuditRow
from mealquest.core.db import transaction
from mealquest.core.outbox import OutboxEvent
from mealquest.core.settings import AiProvider
from mealquest.strategy import service
from mealquest.strategy.errors import TurnRunning
from mealquest.strategy.forms import PlanForm
from tests.factories.http import assert_problem, bearer, client_of, staff_token
from tests.fakes.model import Behaviour, ModelServer
from tests.strategy.chats import COOLING, TOO_MUCH, open_shop

PLANS = "/api/merchant/strategy-proposals"
CLEAR = "win back customers at the weekend, budget 200"


@pytest.fixture
def model(app, monkeypatch):
    settings = app.config["SETTINGS"]
    with ModelServer() as server:
        monkeypatch.setattr(settings, "ai_provider", AiProvider.OPENAI_COMPATIBLE.value)
        monkeypatch.setattr(settings, "ai_base_url", server.url)
        monkeypatch.setattr(settings, "ai_timeout_ms", 2000)
        monkeypatch.setattr(settings, "ai_max_retries", 1)
        monkeypatch.setattr(settings, "ai_turn_wait_s", 30.0)
        yield server


def planned(shop, owner, **asked):
    """One whole plan: asked for, answered by a worker, and read again."""
    begun = service.propose(shop, PlanForm(**asked), owner, wait_s=0)
    assert begun.status == "THINKING"
    assert service.answer_due()
    return service.plan(shop, begun.plan_id)


def rows(shop, kind):
    with transaction(shop) as session:
        found = session.scalars(select(kind).where(kind.merchant_id == shop).order_by(kind.id))
        return found.all()


def test_a_template_asked_for_by_name_brings_one_proposal(model):
    shop, owner = open_shop()
    model.proposes(**COOLING)
    done = planned(shop, owner, template_id="revenue_paybox", branch_id="JACKPOT")
    assert (done.status, done.template_id, done.branch_id) == (
        "PENDING",
        "revenue_paybox",
        "JACKPOT",
    )
    assert done.candidates == []
    (created,) = done.created
    assert (created.proposal_id, created.campaign_id) == (done.proposal_id, done.campaign_id)
    found = service.detail(shop, done.proposal_id)
    assert (found.status, found.hash) == ("PENDING", done.hash)
    assert found.strategy_meta["sourceChannel"] == "API"
    assert model.asked[0].document["task"] == "STRATEGY_PLAN"
    assert model.asked[0].document["requested"]["branchId"] == "JACKPOT"
    (audited,) = rows(shop, AuditRow)
    assert (audited.action, audited.status.value) == ("STRATEGY_PROPOSAL_CREATE", "SUCCESS")
    told = [event for event in rows(shop, OutboxEvent) if "CREATED" in event.type]
    assert [event.type for event in told] == ["STRATEGY_PROPOSAL_CREATED"]
    assert told[0].payload["proposalId"] == done.proposal_id


def test_an_intent_brings_three_to_choose_from_with_the_overrides_in_each(model):
    shop, owner = open_shop()
    model.proposes(**COOLING)
    done = planned(shop, owner, intent=CLEAR, overrides={"priority": 55, "ttlHours": 12})
    assert [(one.variant, one.budget.cap, one.priority) for one in done.candidates] == [
        ("BALANCED", 120, 55),
        ("CONSERVATIVE", 90, 55),
        ("AGGRESSIVE", 150, 55),
    ]
    found = service.detail(shop, done.proposal_id)
    assert {one.campaign["ttlHours"] for one in found.candidates} == {12}
    assert found.intent == CLEAR


def test_what_is_vague_is_asked_back_and_no_model_is_asked(model):
    shop, owner = open_shop()
    done = planned(shop, owner, intent="something nice for everybody please")
    assert (done.status, done.confidence, done.missing_slots[0]) == (
        "NEED_CLARIFICATION",
        0.35,
        "goal",
    )
    assert len(done.questions) == len(done.missing_slots)
    assert done.rationale
    assert model.asked == []


def test_what_breaks_the_limits_is_blocked(model):
    shop, owner = open_shop()
    model.proposes(**COOLING)
    done = planned(shop, owner, template_id="revenue_paybox", overrides={"budget": {"cap": 9999}})
    assert done.status == "BLOCKED"
    assert done.reasons == ["budget cap exceeds guardrail (9999 > 450)"]
    (blocked,) = done.blocked
    assert blocked.reasons == done.reasons
    whose = planned(shop, owner, template_id="revenue_paybox", overrides={"audience": "ALL"})
    assert whose.reasons == ["unsupported field: audience"]
    model.proposes(**TOO_MUCH | {"rationale": "You will earn 7777."})
    untraced = planned(shop, owner, intent=CLEAR)
    assert untraced.status == "BLOCKED"
    assert "put aside" in untraced.reasons[0]
    assert [row.status.value for row in rows(shop, AuditRow)] == ["BLOCKED"] * 3


def test_without_an_answer_there_is_a_reason_and_no_proposal(model):
    shop, owner = open_shop()
    model.behaviour = Behaviour.REFUSES
    done = planned(shop, owner, template_id="revenue_paybox")
    assert (done.status, done.reason) == ("AI_UNAVAILABLE", "the model answered HTTP 401")
    assert done.proposal_id is None
    assert service.configs(shop).items == []


def test_the_routes_words(app):
    shop, _owner = open_shop()
    client, headers = client_of(app), bearer(staff_token(shop, "staff_manager"))
    words = "merchantId and (templateId or intent) are required"
    for body in ({}, {"intent": "  "}, {"branchId": "DEFAULT"}):
        assert_problem(client.post(PLANS, json=body, headers=headers), 400, words)
    unknown = client.post(PLANS, json={"templateId": "no_such"}, headers=headers)
    assert_problem(unknown, 404, "template not found")
    clerk = bearer(staff_token(shop, "staff_clerk"))
    refused = client.post(PLANS, json={"intent": CLEAR}, headers=clerk)
    assert_problem(refused, 403, "permission denied")
    late = client.post(PLANS, json={"intent": CLEAR}, headers=headers).get_json()
    assert (late["status"], late["reason"]) == (
        "AI_UNAVAILABLE",
        "the strategist did not answer in time",
    )
    again = client.get(f"{PLANS}/{late['planId']}", headers=headers).get_json()
    assert again == late
    other, _theirs = open_shop()
    stranger = bearer(staff_token(other))
    hidden = client.get(f"{PLANS}/{late['planId']}", headers=stranger)
    assert_problem(hidden, 404, "strategy plan not found")


def test_one_plan_of_a_shop_waits_at_a_time(model):
    shop, owner = open_shop()
    other, theirs = open_shop()
    service.propose(shop, PlanForm(intent=CLEAR), owner, wait_s=0)
    with pytest.raises(TurnRunning):
        service.propose(shop, PlanForm(intent=CLEAR), owner, wait_s=0)
    assert service.propose(other, PlanForm(intent=CLEAR), theirs, wait_s=0).status == "THINKING"
