"""Whether the product works, in the form a load balancer and a metrics collector read it."""

from prometheus_client import generate_latest

from mealquest.core import messages, telemetry, waiting_figures
from mealquest.core.clock import utc_now
from mealquest.core.everywhere import everywhere
from mealquest.ops import databases_seen, figures
from mealquest.ops.replies import (
    Alive,
    Healthy,
    HealthyWithOthers,
    OutboxItem,
    OutboxItems,
)
from mealquest.recovery import service as recovery
from mealquest.strategy import service as strategy

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def alive() -> Alive:
    return Alive(now=utc_now())


def healthy() -> Healthy:
    """Proves home by a query; a home that is away raises, which answers 503.

    Of other databases it says what is known: one that is down fails only its merchants.
    """
    pending, running = recovery.counts()
    others = databases_seen.known()
    if not others:
        return Healthy(pending_tasks=pending, running_tasks=running)
    return HealthyWithOthers(pending_tasks=pending, running_tasks=running, databases=others)


def metrics() -> bytes:
    """The figures of all web processes together when they share a directory, else this one's."""
    strategy.measure()
    recovery.measure()
    waiting_figures.measure()
    databases_seen.measure()
    figures.measure()
    return generate_latest(telemetry.registry())


def development_outbox() -> OutboxItems:
    found = [stored for some in everywhere(messages.newest) for stored in some]
    found.sort(key=lambda stored: (stored.created_at, stored.id), reverse=True)
    return OutboxItems(items=[OutboxItem.of(stored) for stored in found])
