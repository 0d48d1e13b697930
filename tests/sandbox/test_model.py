"""The sandbox model: an OpenAI-compatible stand-in that says what it is and invents nothing."""

import json
import threading

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.serving import make_server

from mealquest.core.settings import Profile
from mealquest.sandbox import model
from mealquest.strategy.agent import run
from mealquest.strategy.agent.domain import ChatTask, Decision, Mode, PlanTask, Unavailable
from mealquest.strategy.agent.facts import Fact
from mealquest.strategy.agent.trace import trace
from tests.factories.http import client_of

URL = "/api/dev/model/v1/chat/completions"
FACT = Fact("sales.by_hour", "Sales by hour of day", {"noon": 420, "evening": 1311.5}, "CNY")
TEMPLATES = [
    {
        "templateId": "revenue_paybox",
        "defaultBranchId": "REBATE",
        "name": "Pay box",
        "branches": [{"branchId": "REBATE", "name": "Rebate"}],
    }
]


@pytest.fixture
def served(app, monkeypatch):
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(app.config["SETTINGS"], "port", server.port)
    monkeypatch.setattr(app.config["SETTINGS"], "host", "127.0.0.1")
    yield f"http://127.0.0.1:{server.port}/api/dev/model/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def answer(said: str, **more) -> dict:
    return model.answer({"task": "STRATEGY_CHAT", "userMessage": said} | more)


@pytest.mark.parametrize(
    ("said", "approved", "branch", "cap", "cost", "priority"),
    [
        ("please create something", [], "COOLING", 120, 10, 82),
        ("Draft a strategy", [{"id": 1}], "COMFORT", 140, 10, 84),
        ("generate an extreme one", [], "COOLING", 9999, 500, 999),
        ("a huge budget please", [{"id": 1}], "COMFORT", 9999, 500, 999),
        ("请生成一个方案", [], "COOLING", 120, 10, 82),
    ],
)
def test_what_it_drafts(said, approved, branch, cap, cost, priority) -> None:
    found = answer(said, approvedStrategies=approved)
    assert found["mode"] == "PROPOSAL"
    proposal = found["proposals"][0]
    assert (proposal["templateId"], proposal["branchId"]) == ("activation_contextual_drop", branch)
    patch = proposal["campaignPatch"]
    assert patch["budget"] == {"cap": cap, "used": 0, "costPerHit": cost}
    assert patch["priority"] == priority


def test_small_talk_is_about_the_figures_it_got_and_says_who_talks() -> None:
    found = answer("how was it?", facts=[FACT.as_sent()])
    assert found["mode"] == "CHAT_REPLY"
    assert found["assistantMessage"].startswith("[Sandbox model]")
    assert "Sales by hour of day: noon 420, evening 1311.5." in found["assistantMessage"]
    assert answer("你好")["assistantMessage"].startswith("【沙盒模型】")
    assert "proposal" not in answer("do not create anything yet")


def test_every_figure_it_quotes_can_be_traced() -> None:
    facts = [FACT.as_sent()]
    proposal = answer("create one", facts=facts)["proposals"][0]
    assert proposal["figures"] == [{"value": 1311.5, "factId": FACT.id, "key": "evening"}]
    assert trace(proposal, facts).is_sound


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = st.sampled_from(["userMessage", "facts", "templates", "requested", "task", "locale"])


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(KEYS, JSON | st.just("create")))
def test_no_document_breaks_it(document) -> None:
    assert model.answer(document)["mode"] in {"CHAT_REPLY", "PROPOSAL"}


def test_the_official_client_talks_to_it_whole_and_in_a_stream(served) -> None:
    messages = [{"role": "user", "content": json.dumps({"userMessage": "create one"})}]
    with openai.OpenAI(base_url=served, api_key="sandbox", max_retries=0) as client:
        whole = client.chat.completions.create(model="m", messages=messages)
        stream = client.chat.completions.create(model="m", messages=messages, stream=True)
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
    assert whole.model == "sandbox-strategist"
    assert len(pieces) > 2
    said = whole.choices[0].message.content
    assert "".join(pieces) == said
    assert json.loads(said)["mode"] == "PROPOSAL"


def test_a_turn_and_a_plan_with_the_sandbox(served) -> None:
    facts = [FACT.as_sent()]
    told = run.run_turn(ChatTask("m_1", "sc_box", "create a campaign", facts=facts))
    assert isinstance(told, Decision), told
    assert told.mode is Mode.PROPOSAL
    assert told.proposals[0]["figures"]
    assert run.review("m_1", "sc_box", {"decision": "APPROVE"})
    plan = run.run_plan(PlanTask("m_1", template_id="revenue_paybox", templates=TEMPLATES))
    assert not isinstance(plan, Unavailable)
    assert plan.candidates[0]["branchId"] == "REBATE"
    run.store().purge_merchant("m_1")


@pytest.mark.parametrize("profile", [Profile.STAGING, Profile.PROD])
def test_outside_development_there_is_no_such_thing(app, monkeypatch, profile) -> None:
    monkeypatch.setattr(app.config["SETTINGS"], "profile", profile)
    sent = {"messages": [{"role": "user", "content": "{}"}]}
    assert client_of(app).post(URL, json=sent).status_code == 404
