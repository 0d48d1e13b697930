"""Requests, the table of routes, lists with cursors, and `expand`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mealquest.engines.stripe_sandbox.errors import ApiError, bad, missing
from mealquest.engines.stripe_sandbox.forms import inner, many, number, optional
from mealquest.engines.stripe_sandbox.objects import listing, shown
from mealquest.engines.stripe_sandbox.world import World

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One API request. `account` is empty for the platform itself."""

    world: World
    method: str
    path: str
    query: Json
    form: Json
    account: str
    key: str

    @property
    def asked(self) -> Json:
        return self.query | self.form

    def take(self, kind: str, name: str, param: str = "id") -> Json:
        return self.world.take(self.account, kind, name, param)

    def keep(self, found: Json) -> Json:
        return self.world.keep(self.account, found)


Handler = Callable[..., Json]
ROUTES: list[tuple[str, re.Pattern[str], Handler, frozenset[str]]] = []
# By which prefix an id is known, for `expand`.
KINDS = {
    "cus": "customer",
    "pm": "payment_method",
    "prod": "product",
    "price": "price",
    "sub": "subscription",
    "in": "invoice",
    "pi": "payment_intent",
    "ch": "charge",
}


def route(method: str, path: str, takes: str = "") -> Callable[[Handler], Handler]:
    """`/v1/invoices/<id>/pay`: parts in angle brackets are arguments.

    `takes` names all parameters that there are; others are refused, as Stripe does.
    """
    pattern = re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", path) + r"\Z")

    def register(handler: Handler) -> Handler:
        ROUTES.append((method, pattern, handler, frozenset(takes.split())))
        return handler

    return register


def answer(call: Call) -> Json:
    """Run the handler of a route and show what it returns. ApiError."""
    for method, pattern, handler, known in ROUTES:
        found = pattern.match(call.path)
        if found and method == call.method:
            if known:
                _refuse_unknown(call.form, known | {"expand"})
            made = handler(call, **found.groupdict())
            return _expanded(call, made)
    message = f"Unrecognized request URL ({call.method}: {call.path})."
    raise ApiError(404, message)


def _refuse_unknown(form: Json, known: frozenset[str]) -> None:
    for name in form.keys() - known:
        raise bad(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def page(call: Call, kind: str, conditions: Json | None = None) -> Json:
    """A list of that kind: newest first, `limit`, `starting_after`, `ending_before`, `created`."""
    query = call.asked
    limit = number(query, "limit", 10)
    if not 1 <= limit <= 100:
        raise bad("Invalid integer: limit must be between 1 and 100.", param="limit")
    conditions = dict(conditions or {}) | _created(query)
    older, newer = (_place(call, kind, query, n) for n in ("starting_after", "ending_before"))
    found = call.world.store.find(
        call.account, kind, conditions, limit=limit + 1, older_than=older, newer_than=newer
    )
    more = len(found) > limit
    kept = found[-limit:] if newer is not None and more else found[:limit]
    return listing(call.path, kept, has_more=more)


def _created(query: Json) -> Json:
    at = query.get("created")
    if isinstance(at, str):
        return {"$.created": number(query, "created")}
    signs = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}
    known = inner(query, "created")
    return {f"$.created {signs[n]}": number(known, n) for n in known if n in signs}


def _place(call: Call, kind: str, query: Json, param: str) -> int | None:
    name = optional(query, param)
    if name is None:
        return None
    found = call.world.store.place_of(call.account, kind, name)
    if found is None:
        raise missing(kind, name, param)
    return found


def only(query: Json, **paths: str) -> Json:
    """Conditions for those parameters that were given: `customer="$.customer"`."""
    return {path: query[name] for name, path in paths.items() if query.get(name)}


def _expanded(call: Call, made: Json) -> Json:
    paths = [path for path in many(call.asked, "expand") if isinstance(path, str)]
    wants_payments = any(path.split(".")[0] == "payments" for path in paths) or any(
        path.startswith("data.payments") for path in paths
    )
    whole: Json = clean(made)
    rows = whole["data"] if whole.get("object") == "list" else [whole]
    for row in rows:
        if isinstance(row, dict) and row.get("object") == "invoice" and wants_payments:
            row["payments"] = _payments(call, row["id"])
    for path in paths:
        _expand(call, whole, path.split("."))
    return whole


def _payments(call: Call, invoice_id: str) -> Json:
    found = call.world.store.find(call.account, "invoice_payment", {"$.invoice": invoice_id})
    return listing(f"/v1/invoice_payments?invoice={invoice_id}", [clean(one) for one in found])


def _expand(call: Call, place: Any, path: list[str]) -> None:
    if isinstance(place, list):
        for item in place:
            _expand(call, item, path)
        return
    if not isinstance(place, dict) or path[0] not in place:
        return
    value = place[path[0]]
    if isinstance(value, str) and value.partition("_")[0] in KINDS:
        kind = KINDS[value.partition("_")[0]]
        found = call.world.store.get(call.account, kind, value)
        if found:
            place[path[0]] = value = clean(found)
    if len(path) > 1:
        _expand(call, value, path[1:])


def clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: clean(item) for name, item in shown(value).items()}
    return [clean(item) for item in value] if isinstance(value, list) else value


def deleted(kind: str, name: str) -> Json:
    return {"id": name, "object": kind, "deleted": True}
