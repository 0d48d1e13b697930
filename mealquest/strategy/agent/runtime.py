"""How the strategist stands, in the contract's words. For pages and metrics; asks no model."""

from datetime import UTC, datetime
from typing import Any

import redis
from flask import current_app

from mealquest.core.clock import iso_millis
from mealquest.strategy.agent import figures
from mealquest.strategy.agent.breaker import Breaker
from mealquest.strategy.agent.config import ModelConfig
from mealquest.strategy.agent.gate import Gate


def config() -> ModelConfig:
    return ModelConfig.of(current_app.config["SETTINGS"])


def shared_by_all() -> "redis.Redis":
    connection: redis.Redis = current_app.extensions["bells"].connection
    return connection


def measure() -> None:
    """Bring the figures of the line and the breaker up to date, for metrics."""
    figures.look(config(), shared_by_all())


def ai_runtime() -> dict[str, Any]:
    """`aiRuntime` of the strategy library. What Redis cannot tell reads as nothing going on."""
    asked = config()
    active, pending = Gate.of(asked, shared_by_all()).look()
    return {
        "provider": asked.provider.value,
        "model": asked.model,
        "baseUrl": asked.shown_url,
        "configured": True,
        "remoteEnabled": asked.is_remote,
        "remoteConfigured": asked.is_configured and asked.is_remote,
        "plannerEngine": "langgraph",
        "maxConcurrency": asked.concurrency,
        "queueActive": active,
        "queuePending": pending,
        "retryPolicy": {"maxAttempts": asked.attempts, "backoffMs": asked.backoff_ms},
        "circuitBreaker": _breaker(asked),
    }


def _breaker(asked: ModelConfig) -> dict[str, Any]:
    state = Breaker(asked, shared_by_all()).look()
    return {
        "failureThreshold": asked.threshold,
        "cooldownMs": asked.cooldown_ms,
        "isOpen": state["remaining_ms"] > 0,
        "remainingMs": state["remaining_ms"],
        "consecutiveFailures": state.get("failures", 0),
        "totalFailures": state.get("all_failures", 0),
        "totalSuccess": state.get("all_success", 0),
        "lastError": state.get("last_error"),
        "openedAt": _time(state.get("opened_at")),
        "openedUntil": _time(state.get("until")),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else iso_millis(datetime.fromtimestamp(seconds, UTC))
