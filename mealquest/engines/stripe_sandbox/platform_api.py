"""The routes of a platform: accounts, Connect, webhook endpoints, events, meters."""

import secrets
from typing import Any

from mealquest.engines.stripe_sandbox import meters, oauth, objects
from mealquest.engines.stripe_sandbox.errors import ApiError, lacking, missing
from mealquest.engines.stripe_sandbox.forms import flag, inner, many, optional, text
from mealquest.engines.stripe_sandbox.routing import Call, deleted, only, page, route
from mealquest.engines.stripe_sandbox.world import EVENTS_LIVE_S

Json = dict[str, Any]
KIND = "webhook_endpoint"
MOST_ENDPOINTS = 16
ENDPOINT = "api_version connect description enabled_events metadata url"
USAGE = "event_name identifier payload timestamp"


@route("POST", "/oauth/token")
def token(call: Call) -> Json:
    return oauth.token(call.world, call.form)


@route("POST", "/oauth/deauthorize")
def deauthorize(call: Call) -> Json:
    return oauth.deauthorize(call.world, call.form)


@route("GET", "/v1/account")
def own_account(call: Call) -> Json:
    if call.account:
        return call.world.take("", "account", call.account)
    email, name = "platform@example.com", "The platform"
    return objects.account(call.world.now, name, email) | {"id": "acct_sandboxplatform"}


@route("GET", "/v1/accounts/<name>")
def account(call: Call, name: str) -> Json:
    call.world.require_access(name)
    return call.world.take("", "account", name)


@route("POST", "/v1/webhook_endpoints", ENDPOINT)
def create_endpoint(call: Call) -> Json:
    """The secret is in this answer and in no other."""
    text(call.form, "url")
    if not many(call.form, "enabled_events"):
        raise lacking("enabled_events")
    if len(call.world.store.find(call.account, KIND)) >= MOST_ENDPOINTS:
        raise ApiError(400, "You have reached the maximum of 16 test webhook endpoints.")
    secret = f"whsec_{secrets.token_urlsafe(24)}"
    connect = flag(call.form, "connect")
    return call.keep(
        objects.webhook_endpoint(call.world.now, call.form, connect=connect, secret=secret)
    )


@route("GET", "/v1/webhook_endpoints")
def endpoints(call: Call) -> Json:
    found = page(call, KIND)
    return found | {"data": [_without_secret(one) for one in found["data"]]}


@route("GET", "/v1/webhook_endpoints/<name>")
def endpoint(call: Call, name: str) -> Json:
    return _without_secret(call.take(KIND, name))


@route("POST", "/v1/webhook_endpoints/<name>")
def change_endpoint(call: Call, name: str) -> Json:
    found = call.take(KIND, name)
    if optional(call.form, "url"):
        found["url"] = call.form["url"]
    if many(call.form, "enabled_events"):
        found["enabled_events"] = many(call.form, "enabled_events")
    if "disabled" in call.form:
        found["status"] = "disabled" if flag(call.form, "disabled") else "enabled"
    found["metadata"] |= inner(call.form, "metadata")
    return _without_secret(call.keep(found))


@route("DELETE", "/v1/webhook_endpoints/<name>")
def delete_endpoint(call: Call, name: str) -> Json:
    call.take(KIND, name)
    call.world.store.drop(call.account, KIND, name)
    return deleted(KIND, name)


def _without_secret(found: Json) -> Json:
    return {name: value for name, value in found.items() if name != "secret"}


@route("GET", "/v1/events")
def events(call: Call) -> Json:
    """Of the last thirty days; `type` may end with `*`, `types` is a list."""
    conditions: Json = {"$.created >": call.world.now - EVENTS_LIVE_S}
    wanted = optional(call.query, "type")
    if wanted and wanted.endswith("*"):
        conditions["$.type GLOB"] = wanted
    elif wanted:
        conditions["$.type"] = wanted
    if many(call.query, "types"):
        conditions["$.type"] = many(call.query, "types")
    return page(call, "event", conditions)


@route("GET", "/v1/events/<name>")
def event(call: Call, name: str) -> Json:
    found = call.take("event", name)
    if found["created"] <= call.world.now - EVENTS_LIVE_S:
        raise missing("event", name)
    return found


@route("POST", "/v1/billing/meter_events", USAGE)
def record_usage(call: Call) -> Json:
    return meters.record(call.world, call.account, call.form)


@route("GET", "/v1/billing/meters")
def known_meters(call: Call) -> Json:
    return page(call, "billing.meter", only(call.query, status="$.status"))


@route("POST", "/v1/billing/meters")
def create_meter(call: Call) -> Json:
    return meters.meter_of(call.world, call.account, text(call.form, "event_name"))


@route("GET", "/v1/billing/meters/<name>")
def meter(call: Call, name: str) -> Json:
    return call.take("billing.meter", name)


@route("GET", "/v1/billing/meters/<name>/event_summaries")
def usage(call: Call, name: str) -> Json:
    found = call.take("billing.meter", name)
    return meters.summaries(call.world, call.account, found, call.query)
