"""The sandbox's own levers, for tests and for the product's development page. Wants the key."""

from dataclasses import asdict
from typing import Any

from mealquest.engines.stripe_sandbox import billing, oauth, objects, scenes
from mealquest.engines.stripe_sandbox.errors import ApiError
from mealquest.engines.stripe_sandbox.faults import Fault, Kind
from mealquest.engines.stripe_sandbox.routing import clean
from mealquest.engines.stripe_sandbox.webhooks import Postman, Weather
from mealquest.engines.stripe_sandbox.world import World

Json = dict[str, Any]
SHOWN = 20


def answer(world: World, postman: Postman, method: str, path: str, said: Json) -> Json:
    """404 for what is no lever; ValueError, TypeError, KeyError for a wrong body."""
    parts = path.removeprefix("/_sandbox/").split("/")
    if parts[0] in _OF_DELIVERIES:
        return _OF_DELIVERIES[parts[0]](world, postman, said)
    lever = _LEVERS.get((method, parts[0], len(parts)))
    if lever is None:
        raise ApiError(404, f"the sandbox has no {method} {path}")
    with world.store.change():
        made: Json = clean(lever(world, *parts[1:], said))
    return made


def _account(name: str) -> str:
    return "" if name == "platform" else name


def _health(world: World, said: Json) -> Json:
    return {"status": "ok", "now": world.now, "version": objects.API_VERSION}


def _configure(world: World, said: Json) -> Json:
    """`webhookUrl`: where events go; `redirectUri`: where Connect sends browsers back to."""
    if "webhookUrl" in said:
        world.deliver_to(str(said["webhookUrl"]))
    if "redirectUri" in said:
        world.store.write_note("redirect_uri", str(said["redirectUri"]))
    return {"ok": True}


def _open(world: World, said: Json) -> Json:
    return world.open_account(str(said["name"]), str(said.get("email", "")))


def _withdraw(world: World, account: str, said: Json) -> Json:
    oauth.withdraw(world, account)
    return {"ok": True}


def _grant(world: World, account: str, said: Json) -> Json:
    return {"code": oauth.grant(world, account)}


def _simulate(world: World, said: Json) -> Json:
    return scenes.failed_payment(world, scenes.Wish(**said))


def _invoices(world: World, account: str, said: Json) -> Json:
    """The newest bills of an account that were not a subscription's first."""
    reasons = {"$.billing_reason <>": "subscription_create"}
    found = world.store.find(_account(account), "invoice", reasons, limit=SHOWN)
    return {"data": [_with_decline(world, _account(account), bill) for bill in found]}


def _with_decline(world: World, account: str, bill: Json) -> Json:
    error = billing.paying_of(world, account, bill["id"])[0]["last_payment_error"] or {}
    return bill | {"decline_code": error.get("decline_code")}


def _retry(world: World, account: str, invoice: str, said: Json) -> Json:
    found = world.take(_account(account), "invoice", invoice)
    if found["status"] != "open":
        raise ApiError(400, f"The invoice is {found['status']}.", code="invoice_not_open")
    return billing.attempt(world, _account(account), invoice)


def _pay(world: World, account: str, invoice: str, said: Json) -> Json:
    return scenes.pay_by_payer(world, _account(account), invoice, str(said.get("card", "")))


def _renew(world: World, account: str, subscription: str, said: Json) -> Json:
    found = world.take(_account(account), "subscription", subscription)
    return billing.renew(world, _account(account), found)


def _clock(world: World, said: Json) -> Json:
    """Put the clock forward, and do what falls due by itself."""
    world.put_forward(float(said["seconds"]))
    return {"now": world.now, "done": billing.tick(world)}


def _fault(world: World, said: Json) -> Json:
    fault = Fault(**said | {"kind": Kind(said["kind"])})
    world.faults.add(fault)
    return asdict(fault)


def _no_faults(world: World, said: Json) -> Json:
    world.faults.clear()
    return {"ok": True}


def _requests(world: World, said: Json) -> Json:
    return {"data": [asdict(one) for one in list(world.log)]}


def _no_requests(world: World, said: Json) -> Json:
    world.log.clear()
    return {"ok": True}


def _weather(world: World, postman: Postman, said: Json) -> Json:
    postman.weather = Weather(**said)
    return asdict(postman.weather)


def _release(world: World, postman: Postman, said: Json) -> Json:
    return {"delivered": postman.release()}


def _deliver(world: World, postman: Postman, said: Json) -> Json:
    return {"delivered": postman.deliver_due()}


def _deliveries(world: World, postman: Postman, said: Json) -> Json:
    rows = world.store.run(
        "SELECT event, account, endpoint, tries, state, said FROM deliveries ORDER BY id"
    )
    names = ("event", "account", "endpoint", "tries", "state", "said")
    return {"data": [dict(zip(names, row, strict=True)) for row in rows]}


def _resend(world: World, account: str, event: str, said: Json) -> Json:
    found = world.take(_account(account), "event", event)
    for endpoint in world.endpoints():
        if endpoint["x_connect"] == bool(_account(account)):
            world.plan(found, endpoint["id"], world.exact_now)
    return found


_OF_DELIVERIES = {
    "weather": _weather,
    "release": _release,
    "deliver": _deliver,
    "deliveries": _deliveries,
}
_LEVERS: dict[tuple[str, str, int], Any] = {
    ("GET", "health", 1): _health,
    ("POST", "config", 1): _configure,
    ("POST", "accounts", 1): _open,
    ("POST", "withdraw", 2): _withdraw,
    ("POST", "grant", 2): _grant,
    ("POST", "simulate", 1): _simulate,
    ("GET", "invoices", 2): _invoices,
    ("POST", "retry", 3): _retry,
    ("POST", "pay", 3): _pay,
    ("POST", "renew", 3): _renew,
    ("POST", "clock", 1): _clock,
    ("POST", "faults", 1): _fault,
    ("DELETE", "faults", 1): _no_faults,
    ("GET", "requests", 1): _requests,
    ("DELETE", "requests", 1): _no_requests,
    ("POST", "resend", 3): _resend,
}
