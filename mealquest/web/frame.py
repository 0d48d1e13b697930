"""One declaration registers a handler's page and its JSON route; one function serves both.

    feature = Feature("payments")

    @feature.post(api="/api/payment/verify", page="/console/payments", roles=CASHIER,
                  scope=Scope.PINNED, gate=Operation.PAYMENT_VERIFY, idempotent=True, ...)
    def verify(call: Call, form: VerifyForm) -> VerifyView:
        return service.verify(call.merchant_id, form, by=call.principal, request=call.keyed)

The handler parses nothing and knows no HTTP: its annotations name the input and the answer.
`web.pipeline` does the rest, in the order written there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, get_args, get_type_hints

from mealquest.core.idempotency import KeyedRequest
from mealquest.core.principal import Principal, Role
from mealquest.core.wire import Input, NoInput, View
from mealquest.tenancy.service import Operation as Operation  # also for views that stand before it
from mealquest.web.throttle import Throttle

SAFE = frozenset({"GET", "HEAD"})


class Face(Enum):
    """Which URL was asked for. A page may still be answered as a fragment of itself."""

    API = "api"
    PAGE = "page"


class Scope(Enum):
    """Where the merchant of a request comes from (rules Q, B and P of the wire contract)."""

    NONE = "none"
    QUERY = "query"  # ?merchantId or the token's; a different one is refused
    BODY = "body"  # the token's, else the body's; a different one in the body is ignored
    PINNED = "pinned"  # as BODY, for routes that money moves through
    NAMED = "named"  # the token's; another is not found. An operator names one, or none for all


@dataclass(frozen=True, slots=True)
class Signature:
    """How a message proves who sent it: `prove` raises Unauthenticated for body and header.

    `is_first`: nothing looks into the body before; the handler reads it by itself.
    """

    header: str
    prove: Callable[[bytes, str], None]
    is_first: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """What the frame has established before a handler runs."""

    principal: Principal
    merchant_id: str
    face: Face
    key: KeyedRequest | None = None

    @property
    def keyed(self) -> KeyedRequest:
        if self.key is None:
            raise RuntimeError("only a route declared idempotent has a key")
        return self.key


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with another status than 200, or one that says where a page goes next."""

    view: View
    status: int = 200
    see_other: str | None = None


Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One handler with everything the frame needs to know about it.

    Attributes:
        roles: who may call it; None for everybody, signed in or not.
        gate: the tenant-policy operation. A mutating route without one says why in `ungated`.
        action: the audit action of its refusals and failures.
        template: `feature/name`; the page is `feature/name.html`, its fragment
            `feature/_name.html`.
        again: the page shown again, with the input kept, when the input is refused.
        on_page: called with the view when a page (not an app) asked, before it is answered.
        key_optional: an idempotent route that also works without a key.
        own_user: `userId` of a customer's request is their own, whatever it says or leaves out.
        also: other statuses of success.
        media: what a handler answers that builds its own response.
        presented: reads the credential where it does not come in a header or the cookie.
        signed: what a message that moves money of the past is proved by. It needs nobody signed
            in, is never throttled, and may be twice as long.
        by_link: its address is the whole credential, so a form there needs no token of a session:
            who cannot know the address cannot forge the form, and mail programs have no session.
        kept: keeps the act of somebody whose token says who they are while their merchant is
            closed for a moment, to be done later; its view is answered with 202.
        for_monitors: answers with nothing else working: no credential is read, nothing counted.
        sign_in: the page that somebody who is not signed in is sent to.
    """

    feature: str
    name: str
    method: str
    handler: Handler
    input: type[Input]
    output: Any
    api: str | None = None
    page: str | None = None
    roles: frozenset[Role] | None = None
    scope: Scope = Scope.NONE
    gate: Operation | None = None
    ungated: str = ""
    action: str | None = None
    idempotent: bool = False
    key_optional: bool = False
    own_user: bool = False
    template: str | None = None
    again: str | None = None
    see_other: Callable[[Any], str] | None = None
    flash: Callable[[Any], str] | None = None
    on_page: Callable[[Any], None] | None = None
    throttles: tuple[Throttle, ...] = ()
    presented: Callable[[], Any] | None = None
    signed: Signature | None = None
    by_link: bool = False
    kept: Callable[[Call, Any, Any], View] | None = None
    for_monitors: bool = False
    sign_in: str = "identity.sign_in_page"
    status: int = 200
    also: tuple[int, ...] = ()
    media: str = "text/html"

    @property
    def full_name(self) -> str:
        return f"{self.feature}.{self.name}"

    @property
    def mutates(self) -> bool:
        return self.method not in SAFE

    @property
    def answer(self) -> type[View] | None:
        """The view it answers, however a Reply may wrap it; None when it builds a response."""
        kinds = get_args(self.output) or (self.output,)
        return next((k for k in kinds if isinstance(k, type) and issubclass(k, View)), None)

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.handler) or self.name.replace("_", " ")).split("\n")[0]

    @property
    def urls(self) -> Iterator[tuple[Face, str]]:
        if self.api:
            yield Face.API, self.api
        if self.page:
            yield Face.PAGE, self.page


@dataclass
class Feature:
    """The declarations of one feature's `views.py`."""

    name: str
    endpoints: list[Endpoint] = field(default_factory=list)
    words: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def word(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Give templates a function of this feature by its name."""
        self.words[function.__name__] = function
        return function

    def get(self, **options: Any) -> Callable[[Handler], Handler]:
        return self._declare("GET", options)

    def post(self, **options: Any) -> Callable[[Handler], Handler]:
        return self._declare("POST", options)

    def patch(self, **options: Any) -> Callable[[Handler], Handler]:
        return self._declare("PATCH", options)

    def delete(self, **options: Any) -> Callable[[Handler], Handler]:
        return self._declare("DELETE", options)

    def _declare(self, method: str, options: dict[str, Any]) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            hints = get_type_hints(handler)
            gate = options.get("gate")
            action = gate.value if gate and method not in SAFE else None
            defaults: dict[str, Any] = {"action": action}
            self.endpoints.append(
                Endpoint(
                    feature=self.name,
                    name=handler.__name__,
                    method=method,
                    handler=handler,
                    input=hints.get("form", NoInput),
                    output=hints.get("return"),
                    **(defaults | options),
                )
            )
            return handler

        return register
