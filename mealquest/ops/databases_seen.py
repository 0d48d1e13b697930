"""The databases as monitors and operators see them; nobody waits for one that does not answer."""

from typing import Literal

import structlog
from prometheus_client import Gauge
from sqlalchemy.exc import SQLAlchemyError

from mealquest.core.db import databases
from mealquest.core.errors import Unavailable
from mealquest.core.places import Place
from mealquest.core.watch import Watch
from mealquest.ops.replies import DatabaseHealth, DatabaseView

up = Gauge(
    "mealquest_database_up",
    "1 while a database answers and is migrated far enough, else 0.",
    ["place"],
    multiprocess_mode="mostrecent",
)

log = structlog.get_logger(__name__)


def known() -> list[DatabaseHealth]:
    """Merchants' own databases, as they were when they were looked at last; they are again now."""
    return [
        DatabaseHealth(name=place.name, status=_status(place.watch))
        for place in _looked_at()
        if place.watch
    ]


def _status(watch: Watch) -> Literal["connected", "degraded", "unknown"]:
    if not watch.is_known:
        return "unknown"
    return "connected" if watch.is_up else "degraded"


def measure() -> None:
    """While home does not say which databases there are, they stay as they were."""
    home = up.labels(databases().home().name)
    try:
        others = _looked_at()
    except (SQLAlchemyError, Unavailable) as away:
        log.warning("databases not measured", error=type(away).__name__)
        home.set(0)
        return
    home.set(1)
    for place in others:
        up.labels(place.name).set(place.is_up)


def shown() -> list[DatabaseView]:
    """All of them, home first."""
    _looked_at()
    return [
        DatabaseView(
            name=place.name,
            address=place.address,
            why_not=place.watch.why_not if place.watch else None,
            in_use=place.in_use,
        )
        for place in databases().all()
    ]


def _looked_at() -> list[Place]:
    others = [place for place in databases().all() if place.watch]
    for place in others:
        if place.watch:
            place.watch.suspect()
    return others
