"""Leave a model alone that fails again and again, and try it with one call before all return."""

import hashlib
from dataclasses import dataclass
from typing import Any

import redis

from mealquest.strategy.agent.config import ModelConfig
from mealquest.strategy.agent.domain import shortened
from mealquest.strategy.agent.shared import Json, Shared

MARGIN_S = 5.0  # a trial whose process died is taken as lost after its time-out and this
ERROR = 180


class CircuitOpen(Exception):
    """Nobody asked the model. Never retried, and no failure of the model's."""

    def __init__(self, remaining_ms: int) -> None:
        super().__init__(f"circuit breaker is open for another {remaining_ms} ms")
        self.remaining_ms = remaining_ms


@dataclass(frozen=True, slots=True)
class Limits:
    """`threshold` failures in a row open it for `cooldown_s`; a trial lasts `trial_s` at most."""

    threshold: int
    cooldown_s: float
    trial_s: float


def admitted(state: Json, now: float, limits: Limits) -> tuple[Json, int | None]:
    """None for a call that may go out, else the milliseconds until one may.

    After the cooldown one call goes out as the trial; others wait for what becomes of it.
    """
    until = state.get("until")
    if until is None:
        return state, None
    blocked = max(until, state.get("trial_until") or 0.0)
    if now < blocked:
        return state, max(1, round((blocked - now) * 1000))
    return state | {"trial_until": now + limits.trial_s}, None


def failed(state: Json, now: float, limits: Limits, error: str) -> tuple[Json, None]:
    in_a_row = state.get("failures", 0) + 1
    after = state | {
        "failures": in_a_row,
        "all_failures": state.get("all_failures", 0) + 1,
        "last_error": shortened(error, ERROR),
        "trial_until": None,
    }
    stays_open = now < (state.get("until") or 0.0)
    if in_a_row >= limits.threshold and not stays_open:
        after |= {"opened_at": now, "until": now + limits.cooldown_s}
    return after, None


def answered(state: Json, *, usable: bool) -> tuple[Json, None]:
    """The model can be reached, whatever it said: closed. Only a usable answer is a success."""
    closed = {"failures": 0, "until": None, "opened_at": None, "trial_until": None}
    return state | closed | {"all_success": state.get("all_success", 0) + usable}, None


class Breaker:
    """One for each model, shared by all workers."""

    def __init__(self, config: ModelConfig, connection: "redis.Redis | None") -> None:
        self._limits = Limits(
            config.threshold,
            config.cooldown_ms / 1000,
            config.timeout_ms / 1000 + MARGIN_S,
        )
        which = hashlib.sha256(f"{config.base_url} {config.model}".encode()).hexdigest()[:12]
        self._shared = Shared(connection, f"breaker:{which}")

    def require_closed(self) -> None:
        """CircuitOpen unless this call may go out; `fail` or `answer` says what became of it."""
        wait_ms = self._shared.change(lambda state, now: admitted(state, now, self._limits))
        if wait_ms is not None:
            raise CircuitOpen(wait_ms)

    def fail(self, error: str) -> None:
        self._shared.change(lambda state, now: failed(state, now, self._limits, error))

    def answer(self, *, usable: bool) -> None:
        self._shared.change(lambda state, _now: answered(state, usable=usable))

    def look(self) -> dict[str, Any]:
        """Failures, totals, times (seconds since 1970, None while closed) and `remaining_ms`."""

        def step(state: Json, now: float) -> tuple[Json, dict[str, Any]]:
            until = state.get("until")
            remaining = max(0, round((until - now) * 1000)) if until else 0
            return state, state | {"remaining_ms": remaining}

        return self._shared.change(step)
