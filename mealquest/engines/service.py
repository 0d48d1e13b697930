"""Attach to the engines of a data directory, or start them: what the rest of MealQuest uses.

Every user holds a shared lock on ``users.lock``. Who leaves tries to get it alone: then nobody
else is left, and the engines are stopped while a newcomer waits for its share. ``start.lock``
is for newcomers: one at a time looks what is up and starts the rest. The kernel drops the locks
of a killed process; its engines go on, and are the next user's to stop.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mealquest.engines.endpoints_file import read_endpoints, remove_endpoints, write_endpoints
from mealquest.engines.errors import EngineError, EngineFailed, EnginesNotRunning
from mealquest.engines.files import FileLock
from mealquest.engines.postgres import Postgres
from mealquest.engines.secrets_file import Secrets, is_installation
from mealquest.engines.stripe import SandboxStripe, StripeSandbox
from mealquest.engines.valkey import Valkey

__all__ = [
    "Endpoints",
    "EngineError",
    "EngineFailed",
    "EnginesNotRunning",
    "SandboxStripe",
    "read_endpoints",
    "remove_endpoints",
    "running",
    "superuser_login",
    "write_endpoints",
]

TURN_SECONDS = 150  # longer than a start that ends in an error


@dataclass(frozen=True, slots=True, repr=False)
class Endpoints:
    """Where the engines answer; None for one that was not wanted. Holds passwords: no repr."""

    db_url: str | None  # mealquest_app: row-level security applies to it
    admin_db_url: str | None  # mealquest_owner: owns the database and migrates; no superuser
    redis_url: str | None
    stripe: SandboxStripe | None = None


@contextmanager
def running(
    data_dir: Path,
    *,
    start: bool = True,
    postgres: bool = True,
    valkey: bool = True,
    stripe: bool = False,
    fast: bool = False,
) -> Iterator[Endpoints]:
    """Keep the engines of ``data_dir`` up for the time of the block.

    Attaches to engines that run and starts those that do not; at the end stops both when no
    other process, thread or block uses them. A fork is no user of its own: it shares its
    parent's use and never stops anything. Entering it again also restarts an engine that died
    under its users, on the old port if that is still free.

    Args:
        data_dir: one directory is one installation; created when missing.
        start: False attaches only.
        postgres, valkey, stripe: which engines are wanted; with none, nothing is touched. Who
            only attaches finds the sandbox Stripe, or does without.
        fast: gives up crash safety for speed; for throw-away data.

    Raises:
        EnginesNotRunning: ``start`` is False and a wanted engine is not up.
        EngineFailed: an engine did not start within 60 seconds; quotes the end of its log.
    """
    if not (postgres or valkey or stripe):
        yield Endpoints(None, None, None)
        return
    if not start and not (postgres or valkey) and not is_installation(data_dir):
        yield Endpoints(None, None, None)
        return
    home = _home_of(data_dir, create=start)
    with FileLock(home / "start.lock") as turn, FileLock(home / "users.lock") as use:
        if not turn.exclusive(seconds=TURN_SECONDS):
            raise _busy(home)
        use.share()
        engines = _Engines.of(home)
        try:
            found = engines.sandbox(start=start) if stripe else None
            endpoints = engines.bring_up(
                start=start, postgres=postgres, valkey=valkey, fast=fast, stripe=found
            )
            turn.release()
            yield endpoints
        finally:
            if use.is_ours() and use.try_exclusive():
                engines.stop()


def superuser_login(data_dir: Path, url: str) -> str | None:
    """How the superuser of the embedded PostgreSQL that `url` is of comes in, on this machine.

    By the private socket, which only the account of this process may use. None: `url` is of
    another server than the one of `data_dir`.
    """
    home = Path(os.path.realpath(data_dir))
    if not is_installation(home):
        return None
    return Postgres(home, Secrets.of(home)).superuser_login(url)


@dataclass(frozen=True, slots=True)
class _Engines:
    """The engines of one installation; their callers hold the start lock."""

    home: Path
    postgres: Postgres
    valkey: Valkey
    stripe: StripeSandbox

    @classmethod
    def of(cls, home: Path) -> "_Engines":
        secrets = Secrets.of(home)
        places = Postgres(home, secrets), Valkey(home, secrets), StripeSandbox(home, secrets)
        return cls(home, *places)

    def sandbox(self, *, start: bool) -> SandboxStripe | None:
        if start:
            self.stripe.ensure()
        return self.stripe.access if start or self.stripe.is_up() else None

    def bring_up(
        self,
        *,
        start: bool,
        postgres: bool,
        valkey: bool,
        fast: bool,
        stripe: SandboxStripe | None,
    ) -> Endpoints:
        wanted = [self.postgres] * postgres + [self.valkey] * valkey
        for engine in wanted:
            if start:
                engine.ensure(fast=fast)
            elif not engine.is_up():
                raise _not_running(self.home)
        return Endpoints(
            db_url=self.postgres.app_url if postgres else None,
            admin_db_url=self.postgres.owner_url if postgres else None,
            redis_url=self.valkey.url if valkey else None,
            stripe=stripe,
        )

    def stop(self) -> None:
        try:
            self.stripe.stop()
        finally:
            try:
                self.postgres.stop()
            finally:
                self.valkey.stop()


def _home_of(data_dir: Path, *, create: bool) -> Path:
    home = Path(os.path.realpath(data_dir))
    if create:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    elif not is_installation(home):
        raise _not_running(home)
    return home


def _busy(home: Path) -> EngineFailed:
    return EngineFailed(
        f"another process has been starting or stopping the engines of {home} for "
        f"{TURN_SECONDS} seconds; to see which one: fuser '{home}/start.lock'"
    )


def _not_running(home: Path) -> EnginesNotRunning:
    return EnginesNotRunning(
        f"the database and the queue of {home} are not running. Start MealQuest there first "
        "(python app.py), or set MQ_DB_URL and MQ_REDIS_URL to servers of your own."
    )
