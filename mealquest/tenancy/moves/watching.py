"""What is looked after when nobody looks: moves that stand still, and what ended moves left."""

import psycopg
from prometheus_client import Gauge
from sqlalchemy import text

from mealquest.core.checks import Check, Finding
from mealquest.core.db import databases, transaction
from mealquest.core.places import HOME
from mealquest.tenancy.moves import records, servers
from mealquest.tenancy.moves.domain import NEXT
from mealquest.tenancy.moves.logins import connect, login_at
from mealquest.tenancy.moves.server_checks import slots_of_ours

moves = Gauge(
    "mealquest_moves",
    "Moves of merchants between databases that have not ended, by state.",
    ["state"],
    multiprocess_mode="mostrecent",
)
oldest = Gauge(
    "mealquest_move_oldest_seconds",
    "For how long the oldest move has been in its state; 0 when none is under way.",
    multiprocess_mode="mostrecent",
)
failing = Gauge(
    "mealquest_moves_failing",
    "Moves that cannot go on at the moment.",
    multiprocess_mode="mostrecent",
)
lag = Gauge(
    "mealquest_move_lag_bytes",
    "Log that the most backward follower of a moved or moving merchant has yet to confirm.",
    multiprocess_mode="mostrecent",
)
orphans = Gauge(
    "mealquest_move_slots_orphaned",
    "Replication slots of moves at home whose move has ended: they hold log for nobody.",
    multiprocess_mode="mostrecent",
)

_STATES = text(
    """
    SELECT state, count(*) AS moves, count(error) AS failing,
           coalesce(extract(epoch FROM now() - min(updated_at)), 0) AS age,
           coalesce(max(CAST(figures ->> 'lagBytes' AS bigint)), 0) AS lag
      FROM tenant_moves WHERE ended_at IS NULL GROUP BY state
    """
)
_ORPHANS = text(
    """
    SELECT count(*) FROM pg_replication_slots s
     WHERE s.database = current_database() AND s.slot_name ~ '^mq_(move|back)_'
       AND NOT EXISTS (SELECT FROM tenant_moves m WHERE m.ended_at IS NULL
                        AND right(s.slot_name, 26) = lower(right(m.id, 26)))
    """
)
_STUCK = text(
    """
    SELECT merchant_id, id, state || coalesce(': ' || error, '') AS said
      FROM tenant_moves
     WHERE ended_at IS NULL
       AND (state IN ('cutting', 'rolling_back') AND updated_at < now() - interval '1 minute'
            OR due_at < now() - interval '10 minutes'
            OR error IS NOT NULL AND started_at < now() - interval '10 minutes')
     ORDER BY started_at
    """
)


def measure() -> None:
    """Bring the gauges up to date, from what is written down at home."""
    with transaction() as session:
        rows = session.execute(_STATES).all()
        left = int(session.execute(_ORPHANS).scalar_one())
    count = {row.state: row.moves for row in rows}
    for state in NEXT:
        moves.labels(state.value).set(count.get(state.value, 0))
    oldest.set(max((float(row.age) for row in rows), default=0.0))
    failing.set(sum(row.failing for row in rows))
    lag.set(max((row.lag for row in rows), default=0))
    orphans.set(left)


def _stuck(_: str) -> list[Finding]:
    with transaction() as session:
        return [Finding(*row) for row in session.execute(_STUCK)]


def _left(_: str) -> list[Finding]:
    """In every database that answers; one that does not is found wrong elsewhere."""
    with connect(login_at(HOME)) as home:
        live = list(records.every_live(home))
    wanted = {name for move in live for name in (move.forward, move.backward)}
    found = []
    for place in databases().all():
        try:
            with connect(login_at(place.name)) as connection:
                slots = slots_of_ours(connection)
        except psycopg.OperationalError:
            continue
        found += [
            Finding("", f"{place.name} {slot}", "holds log for a move that has ended")
            for slot in slots
            if slot not in wanted
        ]
    return found


def _drop(finding: Finding) -> str:
    place, _, slot = finding.about.rpartition(" ")
    with connect(login_at(place)) as connection:
        servers.drop_slot(connection, slot)
    return "dropped"


CHECKS = (
    Check("moves", "every move of a merchant goes on", _stuck),
    Check("move_slots", "no slot is left of a move that has ended", _left, fix=_drop),
)
