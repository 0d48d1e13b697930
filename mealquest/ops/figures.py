"""Figures that operators are woken by, looked up when a collector of metrics asks.

How long the oldest piece of work waits, what replication holds back, how full the disk is, how old
the newest backup. While the database is away they stay as they were.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import structlog
from flask import current_app
from prometheus_client import Gauge
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from mealquest.core.db import platform_transaction
from mealquest.core.errors import Unavailable
from mealquest.core.everywhere import everywhere
from mealquest.tenancy import service as tenancy

EVERY_S = 10.0  # a process looks at most this often
NEWEST = "newest"  # scripts/backup writes the second of its last success there

outbox_oldest = Gauge(
    "mealquest_outbox_oldest_seconds",
    "For how long the oldest event that was not handed on has waited; 0 when none does.",
    multiprocess_mode="mostrecent",
)
messages_oldest = Gauge(
    "mealquest_messages_oldest_seconds",
    "For how long the most overdue message has been due; 0 when none is.",
    multiprocess_mode="mostrecent",
)
audit_unsealed = Gauge(
    "mealquest_audit_unsealed_seconds",
    "Age of the oldest row of the audit that has no seal; 0 when all have one.",
    multiprocess_mode="mostrecent",
)
slots = Gauge(
    "mealquest_replication_slots",
    "Replication slots, by whether somebody reads from them.",
    ["state"],
    multiprocess_mode="mostrecent",
)
slot_retained = Gauge(
    "mealquest_replication_retained_bytes",
    "Log that the most backward replication slot keeps from being thrown away.",
    multiprocess_mode="mostrecent",
)
disk_free = Gauge(
    "mealquest_disk_free_ratio",
    "Free share of the disk with MQ_DATA_DIR, where the web server runs.",
    ["directory"],  # so that a process that never looked says nothing, and not 0
    multiprocess_mode="mostrecent",
)
backup_age = Gauge(
    "mealquest_backup_age_seconds",
    "Age of the newest backup in MQ_BACKUP_DIR; infinite while there is none.",
    multiprocess_mode="mostrecent",
)

_WAITING = text(
    """
    SELECT coalesce((SELECT extract(epoch FROM now() - min(created_at))
                       FROM outbox_events WHERE delivered_at IS NULL), 0) AS outbox,
           coalesce((SELECT extract(epoch FROM now() - min(run_at))
                       FROM outbound_messages
                      WHERE state = 'queued' AND run_at < now()), 0) AS messages,
           coalesce((SELECT max(extract(epoch FROM now() - first.occurred_at))
                       FROM merchants m
                       LEFT JOIN audit_chains c ON c.merchant_id = m.id
                      CROSS JOIN LATERAL (
                            SELECT a.occurred_at FROM audit_log a
                             WHERE a.merchant_id = m.id
                               AND (a.xact, a.id)
                                   > (coalesce(c.sealed_xact, -1), coalesce(c.sealed_id, ''))
                               AND a.xact < CAST(CAST(pg_snapshot_xmax(pg_current_snapshot())
                                                      AS text) AS bigint)
                             ORDER BY a.xact, a.id LIMIT 1) AS first), 0) AS unsealed,
           (SELECT count(*) FROM pg_replication_slots WHERE active) AS active,
           (SELECT count(*) FROM pg_replication_slots WHERE NOT active) AS inactive,
           coalesce((SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn))
                       FROM pg_replication_slots), 0) AS retained
    """
)

log = structlog.get_logger(__name__)
_next_look = 0.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Of one database. Seconds, slots, bytes."""

    outbox: float
    messages: float
    unsealed: float
    active: int
    inactive: int
    retained: float


def measure() -> None:
    """Bring the figures up to date."""
    global _next_look
    now = time.monotonic()
    if now < _next_look:
        return
    _next_look = now + EVERY_S
    settings = current_app.config["SETTINGS"]
    if settings.data_dir.exists():
        usage = shutil.disk_usage(settings.data_dir)
        disk_free.labels("data").set(usage.free / usage.total)
    if settings.backup_dir:
        backup_age.set(_age_of_backup(settings.backup_dir))
    try:
        tenancy.measure_moves()
        found = everywhere(_waiting)
    except (SQLAlchemyError, Unavailable) as away:
        log.warning("waiting work not measured", error=type(away).__name__)
        return
    outbox_oldest.set(max(each.outbox for each in found))
    messages_oldest.set(max(each.messages for each in found))
    audit_unsealed.set(max(each.unsealed for each in found))
    slots.labels("active").set(sum(each.active for each in found))
    slots.labels("inactive").set(sum(each.inactive for each in found))
    slot_retained.set(max(each.retained for each in found))


def _waiting() -> Waiting:
    with platform_transaction("a collector of metrics asks how long work waits") as session:
        return Waiting(*session.execute(_WAITING).one())


def _age_of_backup(directory: Path) -> float:
    try:
        made = float((directory / NEWEST).read_text())
    except (OSError, ValueError):
        return float("inf")
    return max(0.0, time.time() - made)
