"""Whether a database of merchants' own answers, looked at aside so that no request waits for it.

A thread of each process asks a database that is down, or that keeps somebody waiting, once a
second. While it is down whoever wants it is refused at once; when it falls silent, the connections
in use are cut, so that nobody waits for it any longer.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from prometheus_client import Gauge
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError

from mealquest.core.errors import MerchantUnavailable

LOOK_EVERY_S = 1.0
CONNECT_S = 4  # more than others wait: a database that is only slow is not taken for one away
LOOK_S = 5.0  # how long one look may take
SILENT_S = 3.5  # a refusal comes sooner; who waits longer talks to nobody
HANGS_S = 3.0  # a transaction that takes longer is reason enough to look
TELL_EVERY_S = 60.0

in_use = Gauge(
    "mealquest_database_connections_in_use",
    "Connections to a merchant's own database that are worked with.",
    ["place"],
    multiprocess_mode="livesum",
)

# None: it may be worked with; else why not, without a password.
Judge = Callable[[Connection], str | None]

log = structlog.get_logger(__name__)


class Watch:
    """Looks after the database of `engine`. `judge` is asked about one that answers."""

    def __init__(self, name: str, address: str, engine: Engine, options: Any, judge: Judge) -> None:
        self.why_not: str | None = None  # why nobody is let in; None: it answers
        self.is_known = False  # looked at once
        self._name, self._address, self._judge = name, address, judge
        self._engine = engine
        self._aside = create_engine(
            engine.url,
            poolclass=NullPool,
            connect_args=options | {"connect_timeout": CONNECT_S},
            isolation_level="AUTOCOMMIT",
        )
        self._out: dict[Any, tuple[Any, float]] = {}  # connections in use, and since when
        self._guard = threading.Lock()
        self._first = threading.Lock()
        self._suspected, self._over = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._tell_at = 0.0
        event.listen(engine, "checkout", self._taken)
        event.listen(engine, "checkin", self._returned)

    @property
    def is_up(self) -> bool:
        return self.why_not is None

    def require_up(self) -> None:
        """MerchantUnavailable while the database is down. The first caller looks itself."""
        if not self.is_known:
            with self._first:
                if not self.is_known:
                    self.look()
        self._start()
        if self.why_not is not None:
            raise MerchantUnavailable

    def look(self) -> str | None:
        """Ask the database now; why it cannot be worked with, or None."""
        self._judged(self._ask())
        return self.why_not

    def suspect(self) -> None:
        """Somebody lost a connection, or got none in time: look, without waiting for it."""
        self._start()
        self._suspected.set()

    def did_not_answer(self, why: str) -> None:
        """Somebody was refused a connection."""
        self._judged(why)
        self._start()

    def end(self) -> None:
        self._over.set()
        self._suspected.set()
        if self._thread:
            self._thread.join(LOOK_S)
        self._aside.dispose()

    # --- the thread --------------------------------------------------------------------------

    def _start(self) -> None:
        """A process that was forked has none of its parent's threads."""
        if self._thread and self._thread.is_alive():
            return
        with self._guard:
            if not (self._thread and self._thread.is_alive()):
                self._thread = threading.Thread(
                    target=self._watch, name=f"watch {self._name}", daemon=True
                )
                self._thread.start()

    def _watch(self) -> None:
        while not self._over.is_set():
            suspected = self._suspected.wait(LOOK_EVERY_S)
            self._suspected.clear()
            if self._over.is_set():
                return
            if suspected or self.why_not is not None or self._keeps_somebody_waiting():
                self.look()
                if suspected:
                    self._over.wait(LOOK_EVERY_S / 10)

    def _ask(self) -> str | None:
        held: list[Any] = []
        late = threading.Timer(LOOK_S, lambda: _cut(*held))
        began = time.monotonic()
        try:
            with self._aside.connect() as connection:
                held.append(connection.connection.driver_connection)
                late.start()
                return self._judge(connection)
        except SQLAlchemyError as failure:
            if time.monotonic() - began > SILENT_S:
                self._let_go()
            return str(getattr(failure, "orig", None) or failure).strip().partition("\n")[0]
        finally:
            late.cancel()

    def _let_go(self) -> None:
        """It says nothing at all: who waits for it would wait for long."""
        with self._guard:
            _cut(*(connection for connection, _ in self._out.values()))
        self._engine.dispose()  # what lies in the pool may be dead without a sign

    def _judged(self, why_not: str | None) -> None:
        was, self.why_not, self.is_known = self.why_not, why_not, True
        if why_not is None:
            if was is not None:
                log.info("database answers again", place=self._name)
            return
        if was is None or time.monotonic() > self._tell_at:
            self._tell_at = time.monotonic() + TELL_EVERY_S
            log.warning(
                "database cannot be worked with",
                place=self._name,
                address=self._address,
                error=why_not,
            )

    # --- connections in use ------------------------------------------------------------------

    def _taken(self, connection: Any, record: object, _proxy: object) -> None:
        with self._guard:
            self._out[record] = connection, time.monotonic()
            in_use.labels(self._name).set(len(self._out))

    def _returned(self, _connection: Any, record: object) -> None:
        """One that was lost comes back as None, with its record."""
        with self._guard:
            self._out.pop(record, None)
            in_use.labels(self._name).set(len(self._out))

    def _keeps_somebody_waiting(self) -> bool:
        with self._guard:
            oldest = min((since for _, since in self._out.values()), default=None)
        return oldest is not None and time.monotonic() - oldest > HANGS_S


def revision_of(connection: Connection) -> str | None:
    """Up to where a database is migrated; None: not at all."""
    there = connection.scalar(text("SELECT to_regclass('alembic_version')"))
    return connection.scalar(text("SELECT version_num FROM alembic_version")) if there else None


def _cut(*connections: Any) -> None:
    """End connections under whoever waits for them: their next look at the socket fails."""
    for connection in connections:
        try:
            with socket.socket(fileno=os.dup(connection.pgconn.socket)) as line:
                line.shutdown(socket.SHUT_RDWR)
        except Exception as gone:  # noqa: BLE001 - it has ended by itself meanwhile
            log.debug("connection had ended", error=repr(gone))
