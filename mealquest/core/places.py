"""Where merchants' rows lie: at home, in the database that all share, or in one of their own.

`placements` at home says which. A process remembers what it read; a merchant that was moved since
is refused by the database it left (`enter_merchants`), and then the process reads again.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from psycopg.errors import ConnectionTimeout
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from mealquest.core.errors import MerchantUnavailable, Unavailable
from mealquest.core.watch import Watch, revision_of

HOME = "home"
FOLLOW_EVERY_S = 1.0  # how often placements are read again because a database is down
# A database that falls silent costs whoever is inside seconds, not half a minute as home may.
IMPATIENT = {
    "connect_timeout": 2,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5_000,
}
POOL_WAIT_S = 3.0  # for a connection of a pool outside home

_AS_APPLICATION = text("SELECT set_config('role', 'mealquest_app', true)")
_PLACEMENTS = text("SELECT merchant_id, place FROM placements")
# The same of two addresses: they are one database.
_IDENTITY = text(
    "SELECT pg_postmaster_start_time()::text || ' ' || oid FROM pg_database"
    " WHERE datname = current_database()"
)

log = structlog.get_logger(__name__)

_here: ContextVar[str | None] = ContextVar("place", default=None)


class Elsewhere(RuntimeError):
    """The named merchants do not lie in one database, and a transaction is of one."""


@dataclass(slots=True)
class Place:
    """A database. Its name is a merchant's id, or `home`; several names may be one address.

    `watch` knows whether it answers; home has none, for without it nothing works.
    """

    name: str
    engine: Engine
    watch: Watch | None = field(default=None)

    @property
    def is_home(self) -> bool:
        return self.name == HOME

    @property
    def is_up(self) -> bool:
        """As far as this process knows."""
        return self.watch is None or self.watch.is_up

    @property
    def in_use(self) -> int:
        """Connections that this process works with at the moment."""
        pool: Any = self.engine.pool
        return int(pool.checkedout())

    @property
    def address(self) -> str:
        """For people: server and database, without a password."""
        return shown(self.engine.url.render_as_string(hide_password=False))


def shown(url: str) -> str:
    """Server and database of a URL."""
    found = make_url(url)
    return f"{found.host or 'local'}:{found.port or 5432}/{found.database}"


class Places:
    """The databases of this process, each with a pool of its own that is bounded.

    `urls` are the databases of merchants' own by merchant id, in SQLAlchemy's writing; those of
    `pooled` lead through a pooler that lends connections for a transaction each.
    `options` are those of every engine; pools outside home hold at most `pool_size` connections.
    """

    def __init__(
        self,
        home: Callable[[], Engine],
        urls: dict[str, str],
        pooled: frozenset[str],
        options: dict[str, Any],
        pool_size: int,
        migrations: Path,
    ) -> None:
        self._home = home
        self._urls, self._pooled = urls, pooled
        self._connecting = options["connect_args"] | IMPATIENT
        self._options = options | {
            "pool_size": pool_size,
            "pool_timeout": POOL_WAIT_S,
        }
        self._revisions = sorted(path.stem for path in (migrations / "versions").glob("*.py"))
        self._places: dict[str, Place] = {}
        self._by_url: dict[str, Place] = {}
        self._routes: dict[str, str] | None = None
        self._read_at = 0.0
        self._apart: set[str] = set()  # addresses that were seen to be another database than home
        self._lock = threading.RLock()  # guards what is above; nothing slow is done under it
        self._reading = threading.Lock()  # of many that want to read again, one does

    # --- which -------------------------------------------------------------------------------

    def home(self) -> Place:
        if found := self._places.get(HOME):
            return found
        with self._lock:
            return self._places.setdefault(HOME, Place(HOME, self._home()))

    def of(self, merchant_ids: Iterable[str]) -> Place:
        """The one database of all the named merchants; Elsewhere when there is none."""
        names = {self.name_of(merchant_id) for merchant_id in merchant_ids}
        found = {id(place): place for place in map(self.named, names)}
        if len(found) > 1:
            raise Elsewhere("merchants of different databases")
        return next(iter(found.values()))

    def name_of(self, merchant_id: str) -> str:
        """`home`, or the merchant's id when it has a database of its own."""
        routes = self._routes
        if routes is None:
            routes = self.read_again()
        return routes.get(merchant_id, HOME)

    def named(self, name: str) -> Place:
        """The database of that name; its engine is made at its first use."""
        if found := self._places.get(name):
            return found
        if name == HOME:
            return self.home()
        with self._lock:
            if name not in self._places:
                self._places[name] = self._at(name, self.url_of(name))
            return self._places[name]

    def url_of(self, merchant_id: str) -> str:
        """Where the merchant's own database is, or would be: as configured, else beside home."""
        if merchant_id in self._urls:
            return self._urls[merchant_id]
        home = self.home().engine.url
        own = home.set(database=f"{home.database}_{merchant_id}")
        return own.render_as_string(hide_password=False)

    def all(self) -> list[Place]:
        """Home first, then every other database that a placement or the settings name."""
        routes = self._routes or self.read_again()
        names = {name for name in routes.values() if name != HOME} | self._urls.keys()
        found = [self.home(), *(self.named(name) for name in sorted(names))]
        return list({id(place): place for place in found}.values())

    def has_one_of_its_own(self, merchant_id: str) -> bool:
        """Whether the settings name a database for this merchant."""
        return merchant_id in self._urls

    def _at(self, name: str, url: str) -> Place:
        """Two merchants in one database share its pool; one at home's address is at home."""
        key = make_url(url).render_as_string(hide_password=False)
        if key == self.home().engine.url.render_as_string(hide_password=False):
            return self.home()
        if key not in self._by_url:
            connecting = self._connecting
            if name in self._pooled:  # the next transaction may be where nothing was prepared
                connecting = connecting | {"prepare_threshold": None}
            place = Place(name, create_engine(url, **self._options | {"connect_args": connecting}))
            place.watch = Watch(name, place.address, place.engine, connecting, self._why_not)
            self._by_url[key] = place
        return self._by_url[key]

    def _why_not(self, connection: Connection) -> str | None:
        """Why a database that answers is not worked with all the same."""
        there = revision_of(connection)
        if there is None or there in self._revisions[:-1]:  # one unknown here is newer
            return f"it is migrated up to {there}, this version needs {self._revisions[-1]}"
        if self._is_home(connection):
            return "it is home under another address; name home's own, or leave it out"
        return None

    def _is_home(self, connection: Connection) -> bool:
        """Asked until it is known: a database does not become another one."""
        address = str(connection.engine.url)
        if address not in self._apart:
            try:
                with self.home().engine.begin() as at_home:
                    home = at_home.scalar(_IDENTITY)
            except (OperationalError, PoolTimeout):
                return False
            if home == connection.scalar(_IDENTITY):
                return True
            self._apart.add(address)
        return False

    # --- what is remembered --------------------------------------------------------------------

    def follow(self, merchant_ids: Iterable[str], place: Place) -> bool:
        """Whether the merchants of a place that is down have left it meanwhile."""
        with self._reading:
            if time.monotonic() - self._read_at > FOLLOW_EVERY_S:
                self.read_again()
        return self.of(merchant_ids) is not place

    def read_newer(self, known: Mapping[str, str] | None) -> None:
        """Read placements again, unless another thread has since `known` was read."""
        with self._reading:
            if self._routes is known:
                self.read_again()

    @property
    def routes(self) -> Mapping[str, str] | None:
        """What was read last."""
        return self._routes

    def read_again(self) -> dict[str, str]:
        """Placements as home has them now; those known before, while home is away."""
        self._read_at = time.monotonic()
        try:
            with self.home().engine.begin() as connection:
                connection.execute(_AS_APPLICATION)
                rows = connection.execute(_PLACEMENTS).all()
        except (OperationalError, PoolTimeout):
            if self._routes is None:
                raise
            log.warning("placements as known before: home does not answer")
        else:
            self._routes = {row.merchant_id: row.place for row in rows}
        return self._routes

    def end(self) -> None:
        """Close every connection outside home's pool, and look at nothing any more."""
        with self._lock:
            for place in self._by_url.values():
                if place.watch:
                    place.watch.end()
                place.engine.dispose()
            self._by_url.clear()
            self._places.clear()


def here(places: Places) -> Place:
    """Where a transaction that names no merchant works: home, unless `at` says otherwise."""
    return places.named(_here.get() or HOME)


@contextmanager
def at(place: Place) -> Iterator[None]:
    """Work there with transactions that name no merchant: jobs look into every database in turn."""
    token = _here.set(place.name)
    try:
        yield
    finally:
        _here.reset(token)


def require_up(place: Place) -> None:
    """MerchantUnavailable, at once, while a database does not answer."""
    if place.watch:
        place.watch.require_up()


def did_not_answer(place: Place, failure: DBAPIError | PoolTimeout) -> Unavailable | None:
    """What to raise instead when another database than home is away; None: it is something else.

    Home's own failures stay as they are: `web.problems` words them.
    """
    if place.watch is None or not isinstance(failure, OperationalError | PoolTimeout):
        return None
    if (
        isinstance(failure, PoolTimeout)
        or failure.connection_invalidated
        or isinstance(failure.orig, ConnectionTimeout)
    ):
        place.watch.suspect()
    elif getattr(failure.orig, "sqlstate", None) is None:
        place.watch.did_not_answer(str(failure.orig).strip().partition("\n")[0])
    else:
        return None
    return MerchantUnavailable()
