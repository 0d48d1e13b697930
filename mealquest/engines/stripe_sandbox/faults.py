"""Bad days on demand: which requests meet them, how often, and what happens then."""

import fnmatch
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mealquest.engines.stripe_sandbox.errors import ApiError, missing

Json = dict[str, Any]


class Kind(StrEnum):
    DELAY = "delay"  # answers `seconds` late
    DROP = "drop"  # does what was asked, and closes the connection without an answer
    RESET = "reset"  # closes the connection before anything is done
    RATE_LIMIT = "rate_limit"  # 429, with Retry-After: `seconds` when given
    BROKEN = "broken"  # 500; under an idempotency key it is what every repeat gets too
    UNAVAILABLE = "unavailable"  # 503, remembered under no key
    UNAUTHORIZED = "unauthorized"  # 401
    FORBIDDEN = "forbidden"  # 403, as for an account that withdrew
    NOT_FOUND = "not_found"  # 404
    CONFLICT = "conflict"  # 409 idempotency_key_in_use
    PATCH = "patch"  # the usual answer with `patch` written over it
    REFUSE = "refuse"  # `status` and `error` as given


@dataclass(slots=True)
class Fault:
    """Meets requests whose method, path (with `*`) and account agree; empty agrees with all.

    The first `skip` of them pass, the next `times` meet it; None: for ever.
    """

    kind: Kind
    path: str = "*"
    method: str = ""
    account: str = ""
    skip: int = 0
    times: int | None = 1
    seconds: float = 0.0
    status: int = 400
    error: Json = field(default_factory=dict)
    patch: Json = field(default_factory=dict)

    def agrees(self, method: str, path: str, account: str) -> bool:
        return (
            self.method in {"", method}
            and self.account in {"", account}
            and fnmatch.fnmatchcase(path, self.path)
        )


class Faults:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: list[Fault] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._known.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._known.clear()

    def met_by(self, method: str, path: str, account: str) -> list[Fault]:
        """Those that this request meets; each is used up by one."""
        met = []
        with self._lock:
            for fault in self._known:
                if not fault.agrees(method, path, account) or fault.times == 0:
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times = None if fault.times is None else fault.times - 1
                met.append(fault)
        return met


def refuse(fault: Fault, path: str, key: str, account: str) -> None:
    """Raise what stands in for the answer, if it is of that kind."""
    name = path.rsplit("/", 1)[-1]
    if fault.kind is Kind.RATE_LIMIT:
        headers = {"Stripe-Should-Retry": "true"}
        if fault.seconds:
            headers["Retry-After"] = f"{fault.seconds:.0f}"
        raise ApiError(429, "Too many requests", code="rate_limit", headers=headers)
    if fault.kind is Kind.BROKEN:
        message = "An unknown error occurred"
        raise ApiError(500, message, kind="api_error", may_repeat=True)
    if fault.kind is Kind.UNAVAILABLE:
        raise ApiError(503, "The service is unavailable", kind="api_error")
    if fault.kind is Kind.UNAUTHORIZED:
        raise ApiError(401, f"Invalid API Key provided: {key[:8]}****")
    if fault.kind is Kind.FORBIDDEN:
        message = f"The provided key does not have access to account '{account}'"
        raise ApiError(403, message, code="account_invalid")
    if fault.kind is Kind.NOT_FOUND:
        raise missing("object", name)
    if fault.kind is Kind.CONFLICT:
        raise in_use()
    if fault.kind is Kind.REFUSE:
        said = dict(fault.error)
        kind = str(said.pop("type", "invalid_request_error"))
        raise ApiError(fault.status, str(said.pop("message", "Refused")), kind=kind, **said)


def in_use() -> ApiError:
    return ApiError(
        409,
        "There is currently another in-progress request using this Idempotent Key (that probably"
        " means you submitted twice, and the other request is still going through).",
        code="idempotency_key_in_use",
        headers={"Stripe-Should-Retry": "true"},
    )
