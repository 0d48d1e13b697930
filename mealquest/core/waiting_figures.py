"""How many acts wait for a merchant that is closed, for a metrics collector."""

import time

import structlog
from prometheus_client import Gauge
from sqlalchemy.exc import SQLAlchemyError

from mealquest.core import waiting

EVERY_S = 5.0  # a process looks at most this often

waiting_now = Gauge(
    "mealquest_waiting_callbacks",
    "Words of gateways, and kill switches, that wait for a merchant that is closed.",
    multiprocess_mode="mostrecent",
)
oldest = Gauge(
    "mealquest_waiting_callbacks_oldest_seconds",
    "For how long the oldest of them has waited; 0 when none does.",
    multiprocess_mode="mostrecent",
)

log = structlog.get_logger(__name__)
_next_look = 0.0


def measure() -> None:
    """Bring the figures up to date. While the database is away they stay as they were."""
    global _next_look
    now = time.monotonic()
    if now < _next_look:
        return
    _next_look = now + EVERY_S
    try:
        found = waiting.figures()
    except SQLAlchemyError as away:
        log.warning("waiting acts not counted", error=type(away).__name__)
        return
    waiting_now.set(found.count)
    oldest.set(found.oldest_s)
