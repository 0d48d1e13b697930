"""Parsing, facts and their traces, planning: what needs no database and no network."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mealquest.core.settings import ConfigurationError, Settings, load
from mealquest.strategy.agent.config import ModelConfig
from mealquest.strategy.agent.domain import FormatError, Mode, decided, parse
from mealquest.strategy.agent.facts import Fact, Registry, UnfitFact
from mealquest.strategy.agent.planning import clarification, profile_of
from mealquest.strategy.agent.trace import trace
from mealquest.strategy.agent.variants import three

SAID = {"mode": "CHAT_REPLY", "assistantMessage": "a } b { c"}


@pytest.mark.parametrize(
    "form",
    ["{}", " \n{} ", "```json\n{}\n```", "text ```\n{}``` more", "Sure: {} Bye."],
)
def test_an_answer_is_read_plain_fenced_or_between_the_outer_braces(form) -> None:
    assert parse(form.replace("{}", json.dumps(SAID))) == SAID


@pytest.mark.parametrize("text", ["", "hello", "[1]", '{"a": NaN}', "}{", '{"a": 1', "{" * 9999])
def test_what_holds_no_object_is_said(text) -> None:
    with pytest.raises(FormatError):
        parse(text)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet='{}[]`"ajson:,1\n ', max_size=60))
def test_no_text_breaks_the_parser(text) -> None:
    try:
        assert isinstance(parse(text), dict)
    except FormatError:
        assert True


@pytest.mark.parametrize(
    ("answer", "mode", "count"),
    [
        ({"mode": "PROPOSAL", "proposal": {"a": 1}}, Mode.PROPOSAL, 1),
        ({"mode": "PROPOSAL", "proposals": [{"a": 1}, 5, {"b": 1}]}, Mode.PROPOSAL, 2),
        ({"mode": "PROPOSAL", "proposals": [{}] * 9}, Mode.PROPOSAL, 3),
        ({"mode": "PROPOSAL", "proposal": "text"}, Mode.CHAT_REPLY, 0),
        ({"mode": "CHAT_REPLY", "proposal": {"a": 1}}, Mode.CHAT_REPLY, 0),
        ({"mode": ["PROPOSAL"], "assistantMessage": 5}, Mode.CHAT_REPLY, 0),
    ],
)
def test_only_a_proposal_with_an_object_is_one(answer, mode, count) -> None:
    found = decided(answer)
    assert (found.mode, len(found.proposals)) == (mode, count)
    assert found.assistant_message or found.note


SALES = Fact("sales.month", "Sales of last month", {"total": Decimal("1234.50"), "share": 0.125})
SENT = [SALES.as_sent()]


def test_a_facts_id_is_bound_to_its_figures() -> None:
    assert SALES.id.startswith("sales.month#")
    assert Fact("sales.month", "Sales of last month", {"total": 1}).id != SALES.id
    assert SENT[0]["figures"] == {"total": 1234.5, "share": 0.125}


@pytest.mark.parametrize(
    "unfit",
    [
        {"title": "Call +8613900000000"},
        {"title": "ann@example.com"},
        {"title": ""},
        {"figures": {}},
        {"figures": {"13900000000": 1}},
        {"figures": {"Ann Smith": 1}},
        {"figures": {"n": "5"}},
        {"figures": {"n": float("nan")}},
        {"figures": {"n": True}},
        {"name": "Sales!"},
    ],
)
def test_what_is_no_figure_or_somebodys_data_is_no_fact(unfit) -> None:
    with pytest.raises(UnfitFact):
        Fact(**{"name": "n", "title": "t", "figures": {"n": 1}} | unfit)


def test_a_source_that_fails_does_not_silence_the_others() -> None:
    registry = Registry()

    def broken(_: str) -> list[Fact]:
        raise RuntimeError("away")

    registry.register("broken", broken)
    registry.register("good", lambda merchant: [SALES] if merchant == "m_1" else [])
    registry.register("broken", broken)  # the same one, again
    assert registry.gather("m_1") == [SALES]
    assert registry.gather("m_2") == []
    with pytest.raises(ValueError, match="already"):
        registry.register("good", broken)


def listed(value, key="total", fact=SALES.id):
    return {"figures": [{"value": value, "factId": fact, "key": key}]}


@pytest.mark.parametrize(
    "proposal",
    [
        {"rationale": "Sales were 1,234.5."} | listed(1234.5),
        {"rationale": "Sales were about 1235."} | listed(1234.5),
        {"rationale": "销售额为1234.5元"} | listed(1234.5),
        {"rationale": "12.5% came back"} | listed(0.125, "share"),
        {"title": "Spend 300 at most", "campaignPatch": {"budget": {"cap": 300}}},
        {"rationale": "You asked for 77."},
        {"rationale": "A voucher of 16, as the template has it."},
        {"rationale": "No figures at all."},
        {},
    ],
)
def test_figures_with_a_source_stand(proposal) -> None:
    found = trace(proposal, SENT, said="no more than 77", template={"voucher": {"value": 16}})
    assert found.is_sound, found.refused
    assert len(found.figures) == len(proposal.get("figures", []))


@pytest.mark.parametrize(
    "proposal",
    [
        {"rationale": "Sales were 1234.5."},  # true, and not listed
        {"rationale": "Sales were 1300."} | listed(1234.5),
        listed(1300),
        listed(1234.5, fact="sales.month#000000"),
        listed(1234.5, fact="costs#123456"),
        listed(1234.5, key="other"),
        listed("1234.5"),
        listed(True),
        {"figures": ["1234.5"]},
        {"title": "销售增长45%"},
        {"rationale": "１２３４５ customers"},
        {"figures": [{"value": 1, "factId": [], "key": {}}]},
    ],
)
def test_figures_without_a_source_are_refused(proposal) -> None:
    assert not trace(proposal, SENT).is_sound


@pytest.mark.parametrize(
    ("intent", "cap", "window", "audience", "goal"),
    [
        ("拉新活动,预算200元,周末", 200, "WEEKEND", None, "acquisition"),
        ("Win back regulars at dinner, budget 99999", 5000, "DINNER", "EXISTING_USER", "retention"),
        ("promote lunch for members for 10 yuan", 30, "LUNCH", "MEMBER", "activation"),
        ("sales and loyalty", None, None, None, None),
        ("room 204 at 7", None, None, None, None),
    ],
)
def test_what_a_sentence_says(intent, cap, window, audience, goal) -> None:
    found = profile_of(intent)
    said = (found.budget_cap, found.time_window, found.audience, found.goal)
    assert said == (cap, window, audience, goal)


def test_what_is_asked_back() -> None:
    clear = "win back old customers"
    assert clarification(clear, profile_of(clear)) is None
    short = clarification("召回老客", profile_of("召回老客"))  # four characters
    assert short is not None
    assert short.confidence == 0.45
    assert short.missing_slots == ("budget_cap", "time_window")
    vague = clarification("do something nice for us", profile_of("do something nice for us"))
    assert vague is not None
    assert (vague.confidence, vague.missing_slots[0], len(vague.missing_slots)) == (0.35, "goal", 3)


def test_tempers_stay_within_their_bounds_and_stand_in_for_what_is_missing() -> None:
    budgets = [c["campaignPatch"]["budget"] for c in three({})]
    assert budgets == [
        {"cap": 120, "costPerHit": 8},
        {"cap": 90, "costPerHit": 6},
        {"cap": 150, "costPerHit": 9},
    ]
    wild = {"confidence": 5, "campaignPatch": {"priority": 10**400, "budget": {"cap": -5}}}
    for candidate in three(wild):
        assert candidate["confidence"] <= 0.98
        assert candidate["campaignPatch"]["budget"]["cap"] == 30
        assert 40 <= candidate["campaignPatch"]["priority"] <= 999
    high = three({"campaignPatch": {"budget": {"cap": 9999, "costPerHit": 500}, "priority": 999}})
    assert [c["campaignPatch"]["priority"] for c in high] == [999, 995, 999]
    assert [c["campaignPatch"]["budget"]["cap"] for c in high] == [5000, 5000, 5000]


def settings_of(**values) -> Settings:
    return Settings(_env_file=None, **values)


@pytest.mark.parametrize(
    ("named", "key", "used"),
    [
        ("", "", "sandbox"),
        ("", "k", "bigmodel"),
        ("zhipu", "", "bigmodel"),
        ("ZhipuAI", "", "bigmodel"),
        ("bigmodel", "", "bigmodel"),
        ("mock", "", "openai_compatible"),
        ("anything", "k", "openai_compatible"),
        ("deepseek", "", "deepseek"),
        ("sandbox", "k", "sandbox"),
    ],
)
def test_providers_by_their_names(named, key, used) -> None:
    found = ModelConfig.of(settings_of(ai_provider=named, ai_api_key=key))
    assert found.provider == used
    assert "secret" not in repr(ModelConfig.of(settings_of(ai_api_key="secret")))


def test_defaults_of_the_contract() -> None:
    big = ModelConfig.of(settings_of(ai_provider="bigmodel"))
    assert (big.base_url, big.model, big.timeout_ms) == (
        "https://open.bigmodel.cn/api/paas/v4",
        "glm-4.7-flash",
        45_000,
    )
    assert not big.is_configured
    other = ModelConfig.of(settings_of(ai_provider="mock"))
    assert (other.base_url, other.model, other.timeout_ms) == (
        "http://127.0.0.1:11434/v1",
        "qwen2.5:7b-instruct",
        15_000,
    )
    numbers = (other.concurrency, other.attempts, other.backoff_ms, other.threshold)
    assert (*numbers, other.cooldown_ms) == (1, 2, 180, 4, 30_000)


def test_wrong_settings_are_listed_together(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MQ_ENV", "prod")
    monkeypatch.setenv("MQ_AI_PROVIDER", "sandbox")
    monkeypatch.setenv("MQ_AI_MAX_RETRIES", "0")
    monkeypatch.setenv("MQ_AI_BASE_URL", "model.example")
    with pytest.raises(ConfigurationError) as refusal:
        load()
    for name in ("MQ_AI_PROVIDER=sandbox", "MQ_AI_MAX_RETRIES", "MQ_AI_BASE_URL", "MQ_JWT_SECRET"):
        assert name in str(refusal.value)
    monkeypatch.setenv("MQ_AI_PROVIDER", "zhipu")
    with pytest.raises(ConfigurationError, match="MQ_AI_API_KEY is mandatory"):
        load()
