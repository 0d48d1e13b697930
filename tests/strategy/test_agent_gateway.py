"""Every row of how patient the strategist is with a model: 3.9 of the wire contract."""

import json
import socket
import threading
import time
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from mealquest.core.settings import AiProvider, Settings
from mealquest.strategy.agent import figures
from mealquest.strategy.agent.breaker import Breaker, CircuitOpen
from mealquest.strategy.agent.config import ModelConfig
from mealquest.strategy.agent.domain import FailureCode
from mealquest.strategy.agent.gateway import Model, ModelFailed, backoff_s
from tests.fakes.model import REPLY, Behaviour, ModelServer

MESSAGES = [{"role": "user", "content": "{}"}]
CONFIG = ModelConfig(
    provider=AiProvider.OPENAI_COMPATIBLE,
    base_url="",
    model="m",
    api_key="secret-key",
    timeout_ms=400,
    concurrency=1,
    attempts=2,
    backoff_ms=20,
    threshold=4,
    cooldown_ms=60_000,
)


@pytest.fixture
def server():
    with ModelServer() as running:
        yield running


def model_at(server: ModelServer, breaker: Breaker | None = None, **changed) -> Model:
    config = replace(CONFIG, **{"base_url": server.url} | changed)
    return Model(config, breaker or Breaker(config, None))


def failure(server: ModelServer, breaker: Breaker | None = None, **changed) -> ModelFailed:
    with model_at(server, breaker, **changed) as model, pytest.raises(ModelFailed) as failed:
        model.ask(MESSAGES, 768)
    return failed.value


@pytest.mark.parametrize(
    ("provider", "timeout_ms"),
    [("bigmodel", 45_000), ("deepseek", 15_000), ("other", 15_000), ("sandbox", 15_000)],
)
def test_patience_is_the_contracts_unless_it_is_configured(provider, timeout_ms) -> None:
    """Attempts in total, wait, breaker, at once: 3.9; 45 s for BigModel alone."""
    config = ModelConfig.of(Settings(_env_file=None, ai_provider=provider))
    assert (config.timeout_ms, config.attempts, config.backoff_ms) == (timeout_ms, 2, 180)
    assert (config.threshold, config.cooldown_ms, config.concurrency) == (4, 30_000, 1)
    own = {"ai_timeout_ms": 7, "ai_max_retries": 6, "ai_retry_backoff_ms": 5}
    own |= {"ai_circuit_breaker_threshold": 9, "ai_max_concurrency": 3}
    own |= {"ai_circuit_breaker_cooldown_ms": 8}
    config = ModelConfig.of(Settings(_env_file=None, ai_provider=provider, **own))
    assert (config.timeout_ms, config.attempts, config.backoff_ms) == (7, 6, 5)
    assert (config.threshold, config.cooldown_ms, config.concurrency) == (9, 8, 3)


def test_what_is_sent(server) -> None:
    with model_at(server) as model:
        assert model.ask(MESSAGES, 768) == REPLY
    (asked,) = server.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == "Bearer secret-key"
    assert asked.sent == {
        "model": "m",
        "messages": MESSAGES,
        "temperature": 0.2,
        "max_tokens": 768,
    }


def test_bigmodel_is_told_not_to_think_aloud(server) -> None:
    with model_at(server, provider=AiProvider.BIGMODEL) as model:
        model.ask(MESSAGES, 512)
    assert server.asked[0].sent["thinking"] == {"type": "disabled"}
    assert server.asked[0].sent["max_tokens"] == 512


RETRIED = [
    (Behaviour.BUSY, FailureCode.HTTP, "429"),
    (Behaviour.BROKEN, FailureCode.HTTP, "500"),
    (Behaviour.AWAY, FailureCode.HTTP, "503"),
    (Behaviour.RESETS, FailureCode.NETWORK, "network error"),
    (Behaviour.HALF, FailureCode.NETWORK, "network error"),
    (Behaviour.HANGS, FailureCode.TIMEOUT, "timeout"),
    (Behaviour.TRICKLES, FailureCode.TIMEOUT, "timeout"),
]


@pytest.mark.parametrize(("day", "code", "words"), RETRIED)
def test_what_may_pass_is_tried_so_often_in_total(server, day, code, words) -> None:
    server.behaviour = day
    failed = failure(server)
    assert failed.unavailable.code is code
    assert words in failed.unavailable.reason
    assert len(server.asked) == 2


@pytest.mark.parametrize("day", [day for day, *_ in RETRIED if day is not Behaviour.TRICKLES])
def test_the_second_attempt_may_bring_the_answer(server, day) -> None:
    server.days = [day]
    with model_at(server) as model:
        assert model.ask(MESSAGES, 768) == REPLY


@pytest.mark.parametrize(
    ("day", "code"),
    [
        (Behaviour.REFUSES, FailureCode.HTTP),
        (Behaviour.REDIRECTS, FailureCode.HTTP),
        (Behaviour.NO_JSON, FailureCode.FORMAT),
        (Behaviour.GARBAGE, FailureCode.FORMAT),
        (Behaviour.OTHER_SHAPE, FailureCode.FORMAT),
        (Behaviour.FLOODS, FailureCode.FORMAT),
    ],
)
def test_what_will_not_pass_fails_at_once(server, day, code) -> None:
    server.behaviour = day
    failed = failure(server, attempts=5)
    assert failed.unavailable.code is code
    assert len(server.asked) == 1
    assert "secret-key" not in failed.unavailable.reason


def test_a_refused_connection_is_tried_again_and_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = replace(CONFIG, base_url=f"http://127.0.0.1:{port}/v1")
    breaker = Breaker(config, None)
    with Model(config, breaker) as model, pytest.raises(ModelFailed) as failed:
        model.ask(MESSAGES, 768)
    assert failed.value.unavailable.code is FailureCode.NETWORK
    assert "refused" in failed.value.unavailable.reason.lower()
    assert breaker.look()["failures"] == 2


def test_without_its_key_bigmodel_is_not_asked(server) -> None:
    failed = failure(server, provider=AiProvider.BIGMODEL, api_key="")
    assert failed.unavailable.code is FailureCode.NOT_CONFIGURED
    assert "MQ_AI_API_KEY" in failed.unavailable.reason
    assert server.asked == []


def test_waits_double_from_attempt_to_attempt(server) -> None:
    assert [backoff_s(180, attempt) for attempt in (1, 2, 3)] == [0.18, 0.36, 0.72]
    server.behaviour = Behaviour.BROKEN
    began = time.monotonic()
    failure(server, attempts=4, backoff_ms=50, threshold=9)
    assert time.monotonic() - began >= 0.05 + 0.1 + 0.2
    assert len(server.asked) == 4


def test_four_failed_attempts_in_a_row_open_the_breaker_and_nobody_is_asked(server) -> None:
    server.behaviour = Behaviour.BROKEN
    breaker = Breaker(CONFIG, None)
    failure(server, breaker)
    failure(server, breaker)
    failed = failure(server, breaker)
    assert failed.unavailable.code is FailureCode.CIRCUIT_OPEN
    assert "circuit breaker" in failed.unavailable.reason
    assert len(server.asked) == 4
    assert breaker.look()["failures"] == 4  # an open breaker is no failure of the model's


def test_it_opens_in_the_middle_of_a_call_and_is_not_retried(server) -> None:
    server.behaviour = Behaviour.BROKEN
    failed = failure(server, Breaker(replace(CONFIG, threshold=3), None), attempts=9, backoff_ms=1)
    assert failed.unavailable.code is FailureCode.CIRCUIT_OPEN
    assert len(server.asked) == 3


def test_answers_of_the_wrong_form_never_open_it(server) -> None:
    server.behaviour = Behaviour.NO_JSON
    breaker = Breaker(replace(CONFIG, threshold=1), None)
    for _ in range(3):
        assert failure(server, breaker).unavailable.code is FailureCode.FORMAT
    assert breaker.look()["remaining_ms"] == 0
    assert breaker.look()["all_success"] == 0


def test_an_answer_of_the_wrong_form_ends_a_row_of_failures(server) -> None:
    server.days = [Behaviour.BROKEN, Behaviour.NO_JSON]
    breaker = Breaker(CONFIG, None)
    failure(server, breaker)
    assert breaker.look()["failures"] == 0
    assert breaker.look()["all_failures"] == 1


def test_a_success_between_failures_starts_the_count_again(server) -> None:
    server.days = [Behaviour.BROKEN] * 2 + [Behaviour.ANSWERS] + [Behaviour.BROKEN] * 2
    breaker = Breaker(CONFIG, None)
    failure(server, breaker)
    with model_at(server, breaker) as model:
        model.ask(MESSAGES, 768)
    failure(server, breaker)
    assert breaker.look()["failures"] == 2
    assert breaker.look()["all_failures"] == 4
    assert breaker.look()["all_success"] == 1


@pytest.mark.parametrize("shared", [True, False])
def test_after_the_cooldown_one_call_alone_tries(request, shared) -> None:
    connection = None
    if shared:
        connection = request.getfixturevalue("app").extensions["bells"].connection
    config = replace(CONFIG, base_url="http://half-open.test", threshold=1, cooldown_ms=50)
    breaker = Breaker(config, connection)
    others = [Breaker(config, connection) if shared else breaker for _ in range(8)]
    breaker.require_closed()
    breaker.fail("down")
    with pytest.raises(CircuitOpen):
        breaker.require_closed()
    time.sleep(0.06)  # the cooldown itself

    passed, together = [], threading.Barrier(8)

    def attempt(one: Breaker) -> None:
        together.wait()
        try:
            one.require_closed()
        except CircuitOpen:
            return
        passed.append(one)

    threads = [threading.Thread(target=attempt, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 1
    breaker.fail("still down")  # one failure opens it again
    with pytest.raises(CircuitOpen):
        breaker.require_closed()
    time.sleep(0.06)
    breaker.require_closed()
    breaker.answer(usable=True)
    for one in others:
        one.require_closed()


def test_words_before_and_after_the_json_are_tolerated(server) -> None:
    server.says = lambda _: f"Sure!\n```json\n{json.dumps(REPLY)}\n```\nAnything else?"
    with model_at(server) as model:
        assert model.ask(MESSAGES, 768) == REPLY


def sample(name: str, **labels: str) -> float:
    model = {"provider": "openai_compatible", "model": "counted"}
    return REGISTRY.get_sample_value(f"mealquest_ai_{name}", model | labels) or 0


def test_calls_are_counted_by_what_became_of_them(server) -> None:
    """Ten figures of one good call after two bad ones, and of a breaker that is open then."""
    breaker = Breaker(replace(CONFIG, threshold=2), None)
    server.days = [Behaviour.BROKEN, Behaviour.ANSWERS, Behaviour.NO_JSON]
    with model_at(server, breaker, model="counted") as model:
        model.ask(MESSAGES, 768)
    assert failure(server, breaker, model="counted").unavailable.code is FailureCode.FORMAT
    server.behaviour = Behaviour.BROKEN
    failure(server, breaker, model="counted")
    failure(server, breaker, model="counted")

    outcomes = {"answered": 1, "AI_HTTP_ERROR": 3, "AI_INVALID_JSON": 1, "AI_CIRCUIT_OPEN": 1}
    assert {o: sample("calls_total", outcome=o) for o in outcomes} == outcomes
    assert sample("call_duration_seconds_count") == 5 == len(server.asked)  # none while it is open
    assert sample("call_duration_seconds_sum") > 0
    assert sample("retries_total") == 2
    assert sample("tokens_total", kind="prompt") == 1400  # also of the answer that was no JSON
    assert sample("tokens_total", kind="completion") == 60


@pytest.mark.parametrize(
    "usage",
    [None, "many", {}, {"prompt_tokens": -1, "completion_tokens": "7"}, {"prompt_tokens": 1e9}],
)
def test_counts_of_tokens_that_make_no_sense_count_nothing(usage) -> None:
    config = replace(CONFIG, model="senseless")
    figures.used(config, usage)
    labels = {"provider": "openai_compatible", "model": "senseless"}
    for kind in ("prompt", "completion"):
        value = REGISTRY.get_sample_value("mealquest_ai_tokens_total", labels | {"kind": kind})
        assert value is None
