"""One HTTP request in, one answer out: keys, accounts, idempotency, bad days, the log."""

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mealquest.engines.stripe_sandbox import (  # noqa: F401 - the two fill the table of routes
    api,
    control,
    faults,
    objects,
    pages,
    platform_api,
)
from mealquest.engines.stripe_sandbox.errors import ApiError, OauthError
from mealquest.engines.stripe_sandbox.faults import Fault, Kind
from mealquest.engines.stripe_sandbox.forms import parse
from mealquest.engines.stripe_sandbox.routing import Call, answer
from mealquest.engines.stripe_sandbox.webhooks import Postman
from mealquest.engines.stripe_sandbox.world import Logged, World

Json = dict[str, Any]
LOCAL = {"127.0.0.1", "localhost", "[::1]"}
OF_STRIPE = ("/v1/", "/oauth/token", "/oauth/deauthorize")


@dataclass(frozen=True, slots=True)
class Request:
    """`headers` have lower-case names; `target` is path and query as sent."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> Json:
        return parse(urlsplit(self.target).query)

    @property
    def form(self) -> Json:
        return parse(self.body.decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Answer:
    """`is_silent`: the connection is closed and nothing is sent."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    is_silent: bool = False


SILENCE = Answer(0, is_silent=True)


@dataclass(frozen=True, slots=True)
class Front:
    world: World
    postman: Postman
    hurry: threading.Event

    def answer(self, request: Request) -> Answer:
        if request.headers.get("host", "").rpartition(":")[0] not in LOCAL:
            return _as_json(
                403, {"error": {"message": "This sandbox answers on this machine only."}}
            )
        if request.path.startswith(OF_STRIPE):
            return self._stripe(request)
        if request.path.startswith("/_sandbox/"):
            return self._control(request)
        status, headers, body = pages.answer(
            self.world, request.method, request.path, request.query, request.form, request.headers
        )
        return Answer(status, body, headers)

    def _control(self, request: Request) -> Answer:
        if _key_of(request) != self.world.key:
            return _as_json(401, {"error": {"message": "the sandbox's secret key is wanted"}})
        try:
            said = json.loads(request.body or b"{}")
            return _as_json(
                200, control.answer(self.world, self.postman, request.method, request.path, said)
            )
        except ApiError as refused:
            return _as_json(refused.status, refused.body)
        except (ValueError, TypeError, KeyError) as wrong:
            return _as_json(400, {"error": {"message": f"{type(wrong).__name__}: {wrong}"}})

    def _stripe(self, request: Request) -> Answer:
        met = self.world.faults.met_by(
            request.method, request.path, request.headers.get("stripe-account", "")
        )
        kinds = {fault.kind for fault in met}
        if Kind.RESET in kinds:
            return self._logged(request, SILENCE)
        try:
            made = self._executed(request, met)
        except ApiError as refused:
            headers = refused.headers | {"Stripe-Should-Retry": "false"} | refused.headers
            made = _as_json(refused.status, refused.body, headers)
        return self._logged(request, SILENCE if Kind.DROP in kinds else made)

    def _logged(self, request: Request, made: Answer) -> Answer:
        self.world.log.append(
            Logged(
                request.method,
                request.path,
                request.query,
                request.form,
                request.headers,
                made.status,
            )
        )
        return made

    def _executed(self, request: Request, met: list[Fault]) -> Answer:
        call = self._call(request)
        key = request.headers.get("idempotency-key", "")
        if request.method != "POST" or not key:
            return self._run(call, met)
        scope = f"{call.account}/{self.world.owner_of(_key_of(request))}"
        earlier = self._begin(scope, key, _print_of(request))
        if earlier:
            return earlier
        try:
            made = self._run(call, met)
        except ApiError as refused:
            self._end(scope, key, refused.status, refused.body if refused.is_final else None)
            raise
        except BaseException:
            self._end(scope, key, 0, None)
            raise
        self._end(scope, key, made.status, json.loads(made.body))
        return made

    def _call(self, request: Request) -> Call:
        key = _key_of(request)
        account = request.headers.get("stripe-account", "")
        if not key or not self.world.knows_key(key, account):
            if request.path.startswith("/oauth/"):
                raise OauthError(401, "invalid_client", "Invalid API Key provided.")
            shown = f"{key[:8]}****" if key else "none"
            raise ApiError(401, f"Invalid API Key provided: {shown}")
        account = account or self.world.owner_of(key)
        if account:
            self.world.require_access(account)
        return Call(
            self.world,
            request.method,
            request.path,
            request.query,
            request.form,
            account,
            request.headers.get("idempotency-key", ""),
        )

    def _run(self, call: Call, met: list[Fault]) -> Answer:
        for fault in met:
            if fault.kind is Kind.DELAY:
                self.hurry.wait(fault.seconds)
            faults.refuse(fault, call.path, self.world.shown_key, call.account)
        kept: ApiError | None = None
        with self.world.store.change():
            try:
                made = answer(call)
            except ApiError as refused:
                if not refused.is_final:
                    raise
                kept = refused  # a declined card has changed the invoice, and that stays
        if kept:
            raise kept
        for fault in met:
            made = made | fault.patch
        return _as_json(200, made)

    def _begin(self, scope: str, key: str, print_: str) -> Answer | None:
        """The stored answer of that key; None when the key is new and now ours."""
        store = self.world.store
        with store.change():
            rows = store.run(
                "SELECT print, status, body FROM answers WHERE scope = ? AND key = ?", scope, key
            )
            if not rows:
                store.run(
                    "INSERT INTO answers (scope, key, print) VALUES (?, ?, ?)", scope, key, print_
                )
                return None
        known, status, body = rows[0]
        if status is None:
            raise faults.in_use()
        if known != print_:
            raise ApiError(
                400,
                "Keys for idempotent requests can only be used with the same parameters they were"
                f" first used with. Try using a key other than '{key}' if you meant to execute a"
                " different request.",
                kind="idempotency_error",
            )
        return _as_json(status, json.loads(body), {"Idempotent-Replayed": "true"})

    def _end(self, scope: str, key: str, status: int, body: Json | None) -> None:
        """Keep the answer; without one the key is free again."""
        if body is None:
            self.world.store.run("DELETE FROM answers WHERE scope = ? AND key = ?", scope, key)
            return
        self.world.store.run(
            "UPDATE answers SET status = ?, body = ? WHERE scope = ? AND key = ?",
            status,
            json.dumps(body),
            scope,
            key,
        )


def _key_of(request: Request) -> str:
    """Of `Authorization: Bearer …`, or the user name of Basic; `client_secret` for OAuth."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except ValueError:
            return ""
    if request.path.startswith("/oauth/"):
        return str(request.form.get("client_secret", ""))
    return ""


def _print_of(request: Request) -> str:
    asked = json.dumps([request.method, request.path, request.form], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


def _as_json(status: int, body: Json, headers: dict[str, str] | None = None) -> Answer:
    named = {
        "Content-Type": "application/json",
        "Request-Id": objects.new_id("req"),
        "Stripe-Version": objects.API_VERSION,
    }
    return Answer(status, json.dumps(body, indent=2).encode(), named | (headers or {}))
