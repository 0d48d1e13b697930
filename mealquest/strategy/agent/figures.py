"""Figures of the model for a collector of metrics; labels are the configuration's, so they are few.

Calls are counted where they are made. How the line and the breaker stand is known to all processes,
so whoever is asked for metrics reads it then.
"""

from typing import Any

import redis
from prometheus_client import Counter, Gauge, Histogram

from mealquest.strategy.agent.breaker import Breaker
from mealquest.strategy.agent.config import ModelConfig
from mealquest.strategy.agent.domain import FailureCode
from mealquest.strategy.agent.gate import Gate

MODEL = ["provider", "model"]
ANSWERED = "answered"
TOKENS_MOST = 10_000_000  # of one answer; a server that says more is not believed

calls = Counter(
    "mealquest_ai_calls",
    "Calls of the model: answered, or the code of the failure. An open breaker asks nobody.",
    [*MODEL, "outcome"],
)
retries = Counter("mealquest_ai_retries", "Calls that were tried again.", MODEL)
seconds = Histogram(
    "mealquest_ai_call_duration_seconds",
    "Time of one call that went out, whatever came of it.",
    MODEL,
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 45, 90),
)
tokens = Counter(
    "mealquest_ai_tokens",
    "Tokens of answered calls, as the model's server counts.",
    [*MODEL, "kind"],
)
turns = Gauge(
    "mealquest_ai_turns",
    "Turns that are with the model, and turns that wait for it.",
    ["state"],
    multiprocess_mode="mostrecent",
)
breaker_open = Gauge(
    "mealquest_ai_breaker_open",
    "1 while nobody asks the model because it failed too often.",
    MODEL,
    multiprocess_mode="mostrecent",
)
breaker_failures = Gauge(
    "mealquest_ai_breaker_failures",
    "Failed calls in a row.",
    MODEL,
    multiprocess_mode="mostrecent",
)


def called(config: ModelConfig, outcome: FailureCode | None, took_s: float) -> None:
    """One call: `outcome` is None when it was answered."""
    model = (config.provider.value, config.model)
    calls.labels(*model, outcome.value if outcome else ANSWERED).inc()
    if outcome not in {FailureCode.CIRCUIT_OPEN, FailureCode.NOT_CONFIGURED}:
        seconds.labels(*model).observe(took_s)


def tried_again(config: ModelConfig) -> None:
    retries.labels(config.provider.value, config.model).inc()


def used(config: ModelConfig, usage: Any) -> None:
    """Count the tokens of an answer's `usage`; what is no such object counts nothing."""
    said = usage if isinstance(usage, dict) else {}
    for kind in ("prompt", "completion"):
        number = said.get(f"{kind}_tokens")
        if type(number) is int and 0 < number <= TOKENS_MOST:
            tokens.labels(config.provider.value, config.model, kind).inc(number)


def look(config: ModelConfig, connection: "redis.Redis | None") -> None:
    """Set what the line and the breaker are like at this moment."""
    running, waiting = Gate.of(config, connection).look()
    turns.labels("running").set(running)
    turns.labels("waiting").set(waiting)
    state = Breaker(config, connection).look()
    model = (config.provider.value, config.model)
    breaker_open.labels(*model).set(int(state["remaining_ms"] > 0))
    breaker_failures.labels(*model).set(state.get("failures", 0))
