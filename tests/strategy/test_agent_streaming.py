"""Words that are told while a model writes them, and streams that break."""

import json
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mealquest.core.ids import new_id
from mealquest.realtime.gateway import Ear
from mealquest.strategy.agent import drafts
from mealquest.strategy.agent.breaker import Breaker
from mealquest.strategy.agent.domain import FailureCode
from mealquest.strategy.agent.drafts import Stopped
from mealquest.strategy.agent.gateway import ModelFailed
from mealquest.strategy.agent.streaming import EVERY_S, Growing, message_of
from tests.fakes.model import REPLY, Behaviour, ModelServer
from tests.strategy.test_agent_gateway import CONFIG, MESSAGES, model_at

LONG = {"mode": "CHAT_REPLY", "assistantMessage": "Rain empties tables. " * 8 + "试试热汤 😀"}


@pytest.fixture
def server():
    with ModelServer() as running:
        yield running


@given(st.text(max_size=30), st.booleans(), st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_broken_off_anywhere_it_reads_a_beginning_of_the_message(said, ascii_only, cut) -> None:
    answer = {"mode": "CHAT_REPLY", "assistantMessage": said, "proposals": [{"title": said}]}
    text = "```json\n" + json.dumps(answer, ensure_ascii=ascii_only)
    seen = message_of(text[:cut])
    assert said.strip().startswith(seen)
    if cut > len(text):
        assert seen == said.strip()


@pytest.mark.parametrize("text", ["", "no json", "[1", '{"assistantMessage": 3', '{"a', "{" * 999])
def test_what_has_no_message_reads_as_nothing(text) -> None:
    assert message_of(text) == ""


def test_words_are_told_at_most_five_times_a_second() -> None:
    told, now = [], [0.0]
    growing = Growing(told.append, lambda: now[0])
    for char in json.dumps(LONG):
        growing.add(char)
        now[0] += 0.01
    seconds = len(json.dumps(LONG)) * 0.01
    assert 5 <= len(told) <= seconds / EVERY_S
    assert told == sorted(told, key=len)


def test_nobody_waits_so_the_model_is_hung_up_on_and_its_breaker_stays_closed(server) -> None:
    """In the midst of its words, and before it is asked at all."""
    server.answers(LONG)
    server.token_delay_s = 0.02
    breaker = Breaker(replace(CONFIG, threshold=1), None)
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        if text:
            raise Stopped

    began = time.monotonic()
    with model_at(server, breaker, timeout_ms=20_000) as model, pytest.raises(ModelFailed) as gone:
        model.ask(MESSAGES, 768, tell)
    assert gone.value.unavailable.code is FailureCode.STOPPED
    assert time.monotonic() - began < len(json.dumps(LONG)) * 0.02 / 4
    told.append("again")
    with model_at(server, breaker) as model, pytest.raises(ModelFailed):
        model.ask(MESSAGES, 768, lambda _text: tell("stopped before"))
    assert len(server.asked) == 1
    breaker.require_closed()
    assert (breaker.look()["failures"], breaker.look()["all_success"]) == (0, 0)


def test_a_trial_that_is_broken_off_leaves_it_to_the_next(server) -> None:
    server.answers(LONG)
    server.token_delay_s = 0.02
    breaker = Breaker(replace(CONFIG, threshold=1, cooldown_ms=1), None)
    breaker.fail("down")
    time.sleep(0.01)  # the cooldown itself

    def tell(text: str) -> None:
        if text:
            raise KeyboardInterrupt

    with model_at(server, breaker, timeout_ms=20_000) as model, pytest.raises(KeyboardInterrupt):
        model.ask(MESSAGES, 768, tell)
    time.sleep(0.01)
    breaker.require_closed()


def test_a_stream_is_told_as_it_comes_and_read_whole_at_its_end(server) -> None:
    server.answers(LONG)
    server.token_delay_s = 0.01
    told: list[str] = []
    with model_at(server, timeout_ms=5000) as model:
        assert model.ask(MESSAGES, 768, told.append) == LONG
    assert server.asked[0].sent["stream"] is True
    assert told[0] == ""
    assert len(told) >= 3
    assert all(LONG["assistantMessage"].startswith(one) for one in told)


def test_a_server_that_does_not_stream_is_read_whole(server) -> None:
    server.behaviour = Behaviour.WHOLE
    told: list[str] = []
    with model_at(server) as model:
        assert model.ask(MESSAGES, 768, told.append) == REPLY
    assert told == [""]


@pytest.mark.parametrize(
    ("day", "code", "attempts"),
    [
        (Behaviour.CUTS, FailureCode.NETWORK, 2),
        (Behaviour.TROUBLED, FailureCode.NETWORK, 2),
        (Behaviour.HALF, FailureCode.NETWORK, 2),
        (Behaviour.TRICKLES, FailureCode.TIMEOUT, 2),
        (Behaviour.BUSY, FailureCode.HTTP, 2),
        (Behaviour.CUT_JSON, FailureCode.FORMAT, 1),
        (Behaviour.STREAMS_TRASH, FailureCode.FORMAT, 1),
        (Behaviour.FLOODS, FailureCode.FORMAT, 1),
    ],
)
def test_a_broken_stream_is_the_failed_attempt_it_is(server, day, code, attempts) -> None:
    server.behaviour = day
    with model_at(server) as model, pytest.raises(ModelFailed) as failed:
        model.ask(MESSAGES, 768, lambda _text: None)
    assert failed.value.unavailable.code is code
    assert len(server.asked) == attempts


def test_the_second_attempt_begins_with_no_words(server) -> None:
    server.days = [Behaviour.CUTS]
    told: list[str] = []
    with model_at(server) as model:
        assert model.ask(MESSAGES, 768, told.append) == REPLY
    assert told.count("") == 2


def test_a_stream_that_never_ends_runs_into_the_time_of_the_attempt(server) -> None:
    server.answers(LONG)
    server.token_delay_s = 0.05
    began = time.monotonic()
    with model_at(server, timeout_ms=200, attempts=1) as model, pytest.raises(ModelFailed) as gone:
        model.ask(MESSAGES, 768, lambda _text: None)
    assert gone.value.unavailable.code is FailureCode.TIMEOUT
    assert time.monotonic() - began < 1.5


def test_a_draft_is_told_to_open_sockets_and_kept_for_a_moment(app) -> None:
    ear = Ear(
        app.config["REDIS_URL"] if "REDIS_URL" in app.config else app.extensions["bells"]._url
    )
    ear.wait(0.01)
    shop = new_id("m")
    tell = drafts.teller(shop, "turn_1")
    assert drafts.draft_of(shop, "turn_1") is None
    tell("")
    assert drafts.draft_of(shop, "turn_1") == ""
    tell("Hot \x00soup\n试试")
    assert drafts.draft_of(shop, "turn_1") == "Hot soup\n试试"
    tell("Hot \x00soup\n试试")  # nothing new
    assert drafts.draft_of("m_other", "turn_1") is None
    heard = []
    while len(heard) < 2:
        heard += [one for one in ear.wait(2).passing if one.merchant_id == shop]
    assert {one.type for one in heard} == {"STRATEGY_CHAT_DRAFT"}
    assert [one.payload for one in heard] == [
        {"turnId": "turn_1", "text": ""},
        {"turnId": "turn_1", "text": "Hot soup\n试试"},
    ]
    seconds = app.extensions["bells"].connection.ttl(f"mealquest:ai:draft:{shop}:turn_1")
    assert 0 < seconds <= drafts.KEPT_S
