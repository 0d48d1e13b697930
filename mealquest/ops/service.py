"""Whether the product works, in the form a load balancer and a metrics collector read it."""

import os

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from mealquest.core import messages
from mealquest.core.clock import utc_now
from mealquest.ops.replies import Alive, Healthy, OutboxItem, OutboxItems
from mealquest.recovery import service as recovery
from mealquest.strategy import service as strategy

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def alive() -> Alive:
    return Alive(now=utc_now())


def healthy() -> Healthy:
    """Proves the database by a query; a database that is away raises, which answers 503."""
    pending, running = recovery.counts()
    return Healthy(pending_tasks=pending, running_tasks=running)


def metrics() -> bytes:
    """The figures of all web processes together when they share a directory, else this one's."""
    strategy.measure()
    recovery.measure()
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def development_outbox() -> OutboxItems:
    return OutboxItems(items=[OutboxItem.of(stored) for stored in messages.newest()])
