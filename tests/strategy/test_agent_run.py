"""Turns through the graphs: what the model sees, what comes back, and what survives a kill."""

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from mealquest.core.settings import AiProvider
from mealquest.strategy.agent import run
from mealquest.strategy.agent.checkpoints import Store, StoreMissing
from mealquest.strategy.agent.domain import (
    ChatTask,
    Decision,
    FailureCode,
    Mode,
    Note,
    PlanStatus,
    PlanTask,
    Unavailable,
)
from mealquest.strategy.agent.facts import Fact
from tests.fakes.model import Behaviour, ModelServer

ROOT = Path(__file__).parents[2]
SALES = Fact("sales.by_hour", "Sales by hour", {"h12": 420, "h18": 1311.5}, "CNY")
DRAFT = {
    "templateId": "activation_contextual_drop",
    "branchId": "COOLING",
    "title": "Cool down",
    "rationale": "Dinner brings 1311.5 a day.",
    "confidence": 0.8,
    "figures": [{"value": 1311.5, "factId": SALES.id, "key": "h18"}],
    "campaignPatch": {"budget": {"cap": 100, "costPerHit": 10}, "priority": 80},
}


@pytest.fixture
def model(app, monkeypatch):
    settings = app.config["SETTINGS"]
    with ModelServer() as server:
        monkeypatch.setattr(settings, "ai_provider", AiProvider.OPENAI_COMPATIBLE.value)
        monkeypatch.setattr(settings, "ai_base_url", server.url)
        monkeypatch.setattr(settings, "ai_timeout_ms", 2000)
        monkeypatch.setattr(settings, "ai_retry_backoff_ms", 1)
        yield server
        run.store().purge(timedelta(0))


def task(said: str = "create one", **more) -> ChatTask:
    return ChatTask("m_1", "sc_1", said, facts=[SALES.as_sent()], **more)


def test_a_reply_is_told_and_nothing_waits(model) -> None:
    assert run.run_turn(task("hello")) == Decision(Mode.CHAT_REPLY, "hello")
    assert not run.review("m_1", "sc_1", {"decision": "APPROVE"})


def test_the_model_sees_the_newest_items_within_their_bounds(model) -> None:
    history = [{"role": "USER", "text": "x" * 400, "secret": 1, "at": n} for n in range(30)]
    campaigns = [{"id": f"c{n}", "name": "n" * 200} for n in range(20)]
    run.run_turn(task(history=history, active_campaigns=campaigns, locale="zh-Hans"))
    (asked,) = model.asked
    assert asked.sent["max_tokens"] == 768
    assert [m["role"] for m in asked.sent["messages"]] == ["system", "user"]
    seen = asked.document
    assert seen["task"] == "STRATEGY_CHAT"
    assert seen["merchantId"] == "m_1"
    assert len(seen["history"]) == 24
    assert seen["history"][0] == {"role": "USER", "text": "x" * 319 + "…"}
    assert [c["id"] for c in seen["activeCampaigns"]] == [f"c{n}" for n in range(8, 20)]
    assert len(seen["activeCampaigns"][0]["name"]) == 120
    assert seen["facts"] == [SALES.as_sent()]
    assert seen["outputSchema"]
    assert seen["rules"]


def test_a_proposal_waits_for_the_owner_and_ends_with_her_decision(model) -> None:
    model.proposes(**DRAFT)
    decision = run.run_turn(task())
    assert isinstance(decision, Decision)
    assert decision.mode is Mode.PROPOSAL
    assert decision.proposals == (DRAFT,)
    assert run.reviewed("m_1", "sc_1") is None
    assert run.review("m_1", "sc_1", {"decision": "REJECT", "reason": "too dear"})
    assert run.reviewed("m_1", "sc_1") == {"decision": "REJECT", "reason": "too dear"}
    assert not run.review("m_1", "sc_1", {"decision": "APPROVE"})  # the first one stands
    assert run.reviewed("m_1", "sc_1") == {"decision": "REJECT", "reason": "too dear"}
    assert len(model.asked) == 1


def test_another_message_starts_a_turn_of_its_own(model) -> None:
    model.proposes(**DRAFT)
    run.run_turn(task())
    model.answers({"mode": "CHAT_REPLY", "assistantMessage": "well"})
    assert run.run_turn(task("wait")) == Decision(Mode.CHAT_REPLY, "well")
    assert not run.review("m_1", "sc_1", {"decision": "APPROVE"})


def test_threads_of_merchants_are_apart(model) -> None:
    model.proposes(**DRAFT)
    run.run_turn(task())
    assert not run.review("m_2", "sc_1", {"decision": "APPROVE"})
    assert run.review("m_1", "sc_1", {"decision": "APPROVE"})


def test_a_figure_that_comes_from_nowhere_is_refused(model) -> None:
    model.proposes(**DRAFT | {"rationale": "Dinner brings 9000 a day."})
    decision = run.run_turn(task())
    assert isinstance(decision, Decision)
    assert decision.mode is Mode.CHAT_REPLY
    assert decision.note is Note.UNTRACED
    assert not decision.assistant_message
    assert not run.review("m_1", "sc_1", {"decision": "APPROVE"})


def test_an_untraced_figure_beside_a_good_draft_is_not_told(model) -> None:
    said = {"mode": "PROPOSAL", "assistantMessage": "You will earn 7777.", "proposal": DRAFT}
    model.answers(said)
    decision = run.run_turn(task())
    assert isinstance(decision, Decision)
    assert decision.proposals == (DRAFT,)
    assert (decision.assistant_message, decision.note) == ("", Note.DRAFTED)
    model.answers(said | {"assistantMessage": "Dinner: 1311.5, cap 100."})
    told = run.run_turn(task())
    assert isinstance(told, Decision)
    assert told.assistant_message == "Dinner: 1311.5, cap 100."


@pytest.mark.parametrize(
    ("day", "code"),
    [
        (Behaviour.BROKEN, FailureCode.HTTP),
        (Behaviour.NO_JSON, FailureCode.FORMAT),
        (Behaviour.RESETS, FailureCode.NETWORK),
    ],
)
def test_a_model_that_fails_leaves_nothing_behind_but_a_reason(model, day, code) -> None:
    model.behaviour = day
    answer = run.run_turn(task(turn_id="t_1"))
    assert isinstance(answer, Unavailable)
    assert answer.code is code
    assert 0 < len(answer.reason) <= 180
    assert not run.review("m_1", "sc_1", {"decision": "APPROVE"})
    model.behaviour = Behaviour.ANSWERS  # and the same turn may be tried again
    assert run.run_turn(task(turn_id="t_1")) == Decision(Mode.CHAT_REPLY, "hello")


def test_the_same_turn_run_again_does_not_ask_again(model) -> None:
    model.proposes(**DRAFT)
    first = run.run_turn(task(turn_id="t_1"))
    assert run.run_turn(task(turn_id="t_1")) == first
    assert len(model.asked) == 1
    assert run.review("m_1", "sc_1", {"decision": "APPROVE"})


def test_a_failure_of_the_graph_is_an_answer_too(model, app) -> None:
    run.store()
    admin = app.config["MIGRATION_URL"]
    own = app.extensions[run.EXTENSION]
    as_app = f"{admin}?options=-crole%3Dmealquest_app"
    app.extensions[run.EXTENSION] = Store(admin, as_app, schema="agent_none")
    try:
        answer = run.run_turn(task())
    finally:
        app.extensions[run.EXTENSION].close()
        app.extensions[run.EXTENSION] = own
    assert isinstance(answer, Unavailable)
    assert answer.code is FailureCode.GRAPH


def test_purging_drops_what_is_old_and_a_merchants_own(model) -> None:
    run.run_turn(task())
    assert run.store().purge(timedelta(days=1)) == 0
    assert run.store().purge_merchant("m_2") == 0
    assert run.store().purge_merchant("m_1") == 1
    run.run_turn(task())
    assert run.store().purge(timedelta(0)) == 1


def test_turns_drop_old_conversations_on_their_way_once_an_hour(model, app) -> None:
    run.run_turn(task())
    age = 'UPDATE agent.checkpoints SET checkpoint = checkpoint || \'{"ts": "2020-01-01"}\''
    with psycopg.connect(app.config["MIGRATION_URL"], autocommit=True) as connection:
        connection.execute(age)
    url = app.config["MIGRATION_URL"]
    fresh = Store(url, url)
    assert [fresh.purge_now_and_then(), fresh.purge_now_and_then()] == [1, 0]
    fresh.close()


def test_the_schema_is_the_owners_and_a_login_that_may_not_make_it_is_told_how(app) -> None:
    admin = app.config["MIGRATION_URL"]
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS agent_test CASCADE")
        as_app = f"{admin}?options=-crole%3Dmealquest_app"
        poor = Store(admin, as_app, schema="agent_test")
        with pytest.raises(StoreMissing, match="agent prepare"):
            poor.saver()
        poor.close()
        stores = [Store(admin, admin, schema="agent_test") for _ in range(3)]
        threads = [threading.Thread(target=store.saver) for store in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert stores[0].purge(timedelta(0)) == 0
        for store in stores:
            store.close()
        connection.execute("DROP SCHEMA agent_test CASCADE")


def test_a_plan_asks_back_before_it_asks_the_model(model) -> None:
    plan = run.run_plan(PlanTask("m_1", intent="sth"))
    assert not isinstance(plan, Unavailable)
    assert plan.status is PlanStatus.NEED_CLARIFICATION
    assert plan.missing_slots == ("goal", "budget_cap", "time_window")
    assert (len(plan.missing_slots), plan.note) == (3, Note.OPEN)
    assert plan.confidence == 0.35
    assert model.asked == []


def test_a_clear_intent_brings_three_tempers_of_the_draft(model) -> None:
    model.proposes(**DRAFT)
    facts = [SALES.as_sent()]
    plan = run.run_plan(PlanTask("m_1", intent="win back old customers, budget 200", facts=facts))
    assert not isinstance(plan, Unavailable)
    assert [c["variant"] for c in plan.candidates] == ["BALANCED", "CONSERVATIVE", "AGGRESSIVE"]
    patches = [c["campaignPatch"] for c in plan.candidates]
    assert [p["budget"]["cap"] for p in patches] == [100, 75, 125]
    assert [p["priority"] for p in patches] == [80, 76, 86]
    assert model.asked[0].sent["max_tokens"] == 512
    assert model.asked[0].document["intentProfile"]["goal"] == "retention"


def test_a_template_asked_for_by_name_brings_one_candidate(model) -> None:
    model.proposes(**DRAFT)
    facts = [SALES.as_sent()]
    plan = run.run_plan(PlanTask("m_1", template_id="revenue_paybox", facts=facts))
    assert not isinstance(plan, Unavailable)
    (candidate,) = plan.candidates
    assert candidate["templateId"] == "revenue_paybox"
    model.behaviour = Behaviour.BROKEN
    assert isinstance(run.run_plan(PlanTask("m_1", template_id="revenue_paybox")), Unavailable)


CHILD = """
import json, sys
from mealquest.application import create_app
from mealquest.core.settings import Profile, Settings
from mealquest.strategy.agent import run
from mealquest.strategy.agent.domain import ChatTask, Decision
url, admin, redis, model, what = sys.argv[1:]
settings = Settings(_env_file=None, profile=Profile.TEST, ai_provider="openai_compatible",
                    ai_base_url=model, ai_timeout_ms=20_000)
app = create_app(settings, db_url=url, admin_url=admin, redis_url=redis)
with app.app_context():
    if what == "review":
        print(run.review("m_1", "sc_1", {"decision": "APPROVE"}), flush=True)
    else:
        answer = run.run_turn(ChatTask("m_1", "sc_1", "create one", turn_id="t_1"))
        print(answer.mode.value, flush=True)
        sys.stdin.read()
"""


def child(app, model, what: str) -> subprocess.Popen[str]:
    url = app.config["MIGRATION_URL"]
    redis = app.extensions["bells"]._url
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, url, url, redis, model.url, what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def test_the_owners_decision_reaches_a_turn_whose_process_was_killed(app, model) -> None:
    model.proposes(**DRAFT | {"rationale": "", "figures": []})
    first = child(app, model, "turn")
    assert first.stdout is not None
    assert first.stdout.readline() == "PROPOSAL\n"
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = child(app, model, "review")
    told, _ = second.communicate(timeout=60)
    assert told == "True\n"
    assert run.reviewed("m_1", "sc_1") == {"decision": "APPROVE"}
    assert len(model.asked) == 1


def test_a_turn_that_was_killed_with_the_model_is_run_again(app, model) -> None:
    model.proposes(**DRAFT | {"rationale": "", "figures": []})
    model.days = [Behaviour.HANGS]
    first = child(app, model, "turn")
    for _ in range(600):
        if model.asked:
            break
        model.closing.wait(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    answer = run.run_turn(ChatTask("m_1", "sc_1", "create one", turn_id="t_1"))
    assert isinstance(answer, Decision)
    assert answer.mode is Mode.PROPOSAL
    assert len(model.asked) == 2
    assert json.loads(model.asked[1].sent["messages"][1]["content"])["userMessage"] == "create one"


def test_the_web_brings_no_graph_library_with_it() -> None:
    code = (
        "import sys, mealquest.application, mealquest.strategy.agent.runtime;"
        "print([m for m in ('langgraph', 'openai', 'langsmith', 'psycopg_pool')"
        " if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert ran.stdout == "[]\n"
