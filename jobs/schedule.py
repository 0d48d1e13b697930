"""The tick: one leader looks for due rows and rings their bells, so that no lost ring matters."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from flask import Flask, current_app
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from jobs.messages import deliver_a_little
from jobs.outbox import relay_a_little
from mealquest.audit import service as audit
from mealquest.campaigns import service as campaigns
from mealquest.core import messages, outbox, waiting
from mealquest.core.bells import Bells
from mealquest.core.db import connect_directly
from mealquest.core.errors import Unavailable
from mealquest.core.everywhere import anywhere
from mealquest.payments import service as payments
from mealquest.privacy import service as privacy
from mealquest.recovery import service as recovery
from mealquest.strategy import service as strategy
from mealquest.tenancy import service as tenancy
from mealquest.wallet import service as wallet

TICK_S = 1.0
LEADER_LOCK = 7_230_002

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Duty:
    """A bell that is rung every `every_s` seconds, when `is_due` says there is work.

    While Redis is away nobody hears it; then `here` does a little of the work, if there is one.
    """

    bell: str
    every_s: float
    is_due: Callable[[], bool]
    here: Callable[[], object] | None = None
    next_at: float = 0.0


def duties(janitor_every_s: float = 600) -> list[Duty]:
    return [
        Duty("outbox", 1, outbox.has_due, here=relay_a_little),
        Duty("messages", 1, messages.has_due, here=deliver_a_little),
        Duty("payments", 2, payments.has_due),
        Duty("wallet-expiry", 30, wallet.has_due),
        Duty("settlement", 600, wallet.settlement_days.has_due),
        Duty("audit", 2, audit.has_due),
        Duty("doctor", 3600, lambda: True),
        Duty("privacy", 5, privacy.has_due),
        Duty("campaigns", 3600, campaigns.has_due),
        Duty("birthdays", 3600, campaigns.has_birthdays),
        Duty("strategy", 1, strategy.has_due),
        Duty("replays", 2, campaigns.has_due_replays),
        Duty("recovery", 1, recovery.has_due),
        Duty("recovery-janitor", janitor_every_s, lambda: True),
        Duty("waiting", 1, waiting.has_due),
        Duty("housekeeping", 3600, lambda: True),
        Duty("moves", 1, tenancy.tend_moves, here=tenancy.drive_moves),
    ]


def run(app: Flask) -> None:
    """Tick until SIGTERM or SIGINT. Any number may run; a lock in PostgreSQL lets one lead."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stands_by = False
    with app.app_context():
        while not stop.is_set():
            try:
                led = _lead(app.extensions["bells"], stop)
            except (SQLAlchemyError, Unavailable) as away:
                log.warning("tick waits for the database", error=type(away).__name__)
            else:
                if not led and not stands_by:
                    log.info("tick stands by, another process leads")
                stands_by = not led
            stop.wait(TICK_S)


def _lead(bells: Bells, stop: threading.Event) -> bool:
    """Tick for as long as this process holds the lock. False: another process holds it.

    The connection is of no pool, so that its end is the end of the lock.
    """
    with connect_directly() as connection:
        query = text("SELECT pg_try_advisory_lock(:key)")
        if not connection.scalar(query, {"key": LEADER_LOCK}):
            return False
        log.info("tick leads")
        pending = duties(current_app.config["SETTINGS"].janitor_interval_s)
        while not stop.wait(TICK_S):
            _prove_leadership(connection)
            tick(pending, bells)
    return True


def _prove_leadership(connection: Connection) -> None:
    """The lock lives as long as its connection: a dead one raises here."""
    connection.execute(text("SELECT 1"))


def tick(pending: list[Duty], bells: Bells) -> None:
    now = time.monotonic()
    for duty in pending:
        if now >= duty.next_at:
            duty.next_at = now + duty.every_s
            if anywhere(duty.is_due):
                bells.ring(duty.bell)
                if duty.here and bells.is_away:
                    duty.here()
