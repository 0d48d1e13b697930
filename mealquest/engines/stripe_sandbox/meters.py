"""Metered usage: events, once per identifier, and their sums."""

import re
from typing import Any

from mealquest.engines.stripe_sandbox import objects
from mealquest.engines.stripe_sandbox.errors import bad
from mealquest.engines.stripe_sandbox.forms import inner, number, optional, text
from mealquest.engines.stripe_sandbox.world import World

Json = dict[str, Any]
OLDEST_S = 35 * 86_400
NEWEST_S = 300
IDENTIFIER_LIVES_S = 86_400


def meter_of(world: World, account: str, event_name: str) -> Json:
    """The meter of that event; made at its first event."""
    known = world.store.find(account, "billing.meter", {"$.event_name": event_name}, limit=1)
    if known:
        return known[0]
    made = objects.base("billing.meter", "mtr", world.now, event_name=event_name)
    del made["metadata"]
    return world.keep(
        account,
        made
        | {
            "display_name": event_name,
            "default_aggregation": {"formula": "sum"},
            "customer_mapping": {"event_payload_key": "stripe_customer_id", "type": "by_id"},
            "value_settings": {"event_payload_key": "value"},
            "event_time_window": None,
            "status": "active",
            "status_transitions": {"deactivated_at": None},
            "updated": world.now,
        },
    )


def record(world: World, account: str, form: Json) -> Json:
    """400 for a second event with an identifier of the last day, and for wrong times and values."""
    name = text(form, "event_name")
    payload = inner(form, "payload")
    payer = text(payload, "stripe_customer_id")
    if not re.fullmatch(r"\d{1,15}", str(payload.get("value", ""))):
        raise bad("The value must be a non-negative whole number.", param="payload[value]")
    if world.store.get(account, "customer", payer) is None:
        raise bad(f"No such customer: '{payer}'", code="resource_missing", param="payload")
    at = number(form, "timestamp", world.now)
    if at < world.now - OLDEST_S:
        raise bad("The timestamp is too far in the past.", code="timestamp_too_far_in_past")
    if at > world.now + NEWEST_S:
        raise bad("The timestamp is in the future.", code="timestamp_in_future")
    identifier = optional(form, "identifier") or objects.new_id("mei")
    earlier = world.store.get(account, "billing.meter_event", identifier)
    if earlier and earlier["created"] > world.now - IDENTIFIER_LIVES_S:
        raise bad(f"An event already exists with identifier {identifier}.")
    meter_of(world, account, name)
    made = {"object": "billing.meter_event", "created": world.now, "livemode": False}
    made |= {"event_name": name, "identifier": identifier, "payload": payload, "timestamp": at}
    world.store.put(account, made | {"id": identifier})
    return made


def summaries(world: World, account: str, meter: Json, query: Json) -> Json:
    """One sum of a customer's events in `start_time` up to and without `end_time`."""
    payer = text(query, "customer")
    start, end = number(query, "start_time"), number(query, "end_time")
    conditions = {
        "$.event_name": meter["event_name"],
        "$.payload.stripe_customer_id": payer,
        "$.timestamp >=": start,
        "$.timestamp <": end,
    }
    found = world.store.find(account, "billing.meter_event", conditions)
    summary = {
        "id": objects.new_id("mtrsum"),
        "object": "billing.meter_event_summary",
        "aggregated_value": float(sum(int(event["payload"]["value"]) for event in found)),
        "start_time": start,
        "end_time": end,
        "livemode": False,
        "meter": meter["id"],
    }
    url = f"/v1/billing/meters/{meter['id']}/event_summaries"
    return objects.listing(url, [summary] if found else [])
