"""Where merchants' rows lie: at home, in the database that all share, or in one of their own.

`placements` at home says which. A process remembers what it read; a merchant that was moved since
is refused by the database it left (`enter_merchants`), and then the process reads again.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from mealquest.core.errors import MerchantUnavailable, Unavailable

HOME = "home"
DOWN_S = 1.0  # how long a database that did not answer is left alone

_AS_APPLICATION = text("SELECT set_config('role', 'mealquest_app', true)")
_PLACEMENTS = text("SELECT merchant_id, place FROM placements")

log = structlog.get_logger(__name__)

_here: ContextVar[str | None] = ContextVar("place", default=None)


class Elsewhere(RuntimeError):
    """The named merchants do not lie in one database, and a transaction is of one."""


@dataclass(slots=True)
class Place:
    """A database. Its name is a merchant's id, or `home`; several names may be one address."""

    name: str
    engine: Engine
    down_until: float = field(default=0.0)

    @property
    def is_home(self) -> bool:
        return self.name == HOME

    @property
    def address(self) -> str:
        """For people: server and database, without a password."""
        url = self.engine.url
        return f"{url.host or 'local'}:{url.port or 5432}/{url.database}"


class Places:
    """The databases of this process, each with a pool of its own that is bounded.

    `urls` are the databases of merchants' own by merchant id, in SQLAlchemy's writing.
    `options` are those of every engine; pools outside home hold at most `pool_size` connections.
    """

    def __init__(
        self,
        home: Callable[[], Engine],
        urls: dict[str, str],
        options: dict[str, Any],
        pool_size: int,
    ) -> None:
        self._home = home
        self._urls = urls
        self._options = options | {"pool_size": pool_size}
        self._places: dict[str, Place] = {}
        self._by_url: dict[str, Place] = {}
        self._routes: dict[str, str] | None = None
        self._lock = threading.RLock()

    # --- which -------------------------------------------------------------------------------

    def home(self) -> Place:
        with self._lock:
            if HOME not in self._places:
                self._places[HOME] = Place(HOME, self._home())
            return self._places[HOME]

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
            self._by_url[key] = Place(name, create_engine(url, **self._options))
        return self._by_url[key]

    # --- what is remembered --------------------------------------------------------------------

    def read_again(self) -> dict[str, str]:
        """Placements as home has them now; those known before, while home is away."""
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
        """Close every connection outside home's pool."""
        with self._lock:
            for place in self._by_url.values():
                place.engine.dispose()


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
    """MerchantUnavailable, at once, while a database did not answer a moment ago."""
    if not place.is_home and time.monotonic() < place.down_until:
        raise MerchantUnavailable


def did_not_answer(place: Place, failure: DBAPIError | PoolTimeout) -> Unavailable | None:
    """What to raise instead when another database than home is away; None: it is something else.

    Home's own failures stay as they are: `web.problems` words them.
    """
    if place.is_home or not isinstance(failure, OperationalError | PoolTimeout):
        return None
    if isinstance(failure, OperationalError) and not _is_away(failure):
        return None
    place.down_until = time.monotonic() + DOWN_S
    log.warning("database does not answer", place=place.name, address=place.address)
    return MerchantUnavailable()


def _is_away(failure: OperationalError) -> bool:
    return failure.connection_invalidated or getattr(failure.orig, "sqlstate", None) is None
