"""The doctor: proves what must always be true, merchant by merchant, and repairs what is safe."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from prometheus_client import Gauge
from sqlalchemy import NullPool, create_engine, text

from mealquest.alliance import service as alliances
from mealquest.audit import service as audit
from mealquest.campaigns import service as campaigns
from mealquest.core import directory
from mealquest.core.checks import MOST_FINDINGS, Check, Finding
from mealquest.core.db import Base, TableKind, databases, platform_transaction, sqlalchemy_url
from mealquest.core.errors import MerchantUnavailable
from mealquest.core.everywhere import everywhere
from mealquest.core.places import HOME
from mealquest.invoices import service as invoices
from mealquest.payments import service as payments
from mealquest.recovery import service as recovery
from mealquest.tenancy import service as tenancy
from mealquest.wallet import service as wallets

JOB_S = 90  # the hourly run ends well before its job's time is up

disagreements = Gauge(
    "mealquest_disagreements",
    "What the doctor found wrong at its last run, by check.",
    ["check"],
    multiprocess_mode="mostrecent",
)

_LATE = text(
    """
    SELECT 'outbox', count(*) || ' events wait, the oldest since ' || min(created_at)
      FROM outbox_events
     WHERE delivered_at IS NULL AND created_at < now() - CAST('10 minutes' AS interval)
    HAVING count(*) > 0
     UNION ALL
    SELECT 'messages', count(*) || ' messages wait, the oldest since ' || min(created_at)
      FROM outbound_messages
     WHERE state = 'queued' AND run_at < now() - CAST('10 minutes' AS interval)
    HAVING count(*) > 0
    """
)
_OPEN_TABLES = text(
    """
    SELECT relname, 'row-level security is not forced' FROM pg_class
     WHERE relname = ANY (:tables) AND relkind = 'r'
       AND relnamespace = current_schema()::regnamespace
       AND NOT (relrowsecurity AND relforcerowsecurity)
    """
)


@dataclass(frozen=True, slots=True)
class Report:
    """What one check found over all merchants, and what was done about it."""

    check: Check
    findings: tuple[Finding, ...]
    repairs: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        return len(self.findings) == len(self.repairs)


def examine(*, fix: bool = False, only: str | None = None) -> Iterator[Report]:
    """Every check over every merchant, or over one. `fix` repairs what has a safe repair."""
    for check in INSTALLATION:
        yield _report(check, [""], fix)
    merchant_ids = [only] if only else _merchants()
    for check in EACH_MERCHANT:
        yield _report(check, merchant_ids, fix)


def watch() -> str:
    """Set the metric of every check that sums money; as many merchants as fit into the job."""
    until, seen = time.monotonic() + JOB_S, 0
    wrong: Counter[str] = Counter()
    for merchant_id in _merchants():
        if time.monotonic() > until:
            break
        for check in SUMS:
            wrong[check.name] += len(_found(check, merchant_id))
        seen += 1
    for check in SUMS:
        disagreements.labels(check.name).set(wrong[check.name])
    return f"{seen} merchants, {wrong.total()} disagreements"


def _report(check: Check, merchant_ids: list[str], fix: bool) -> Report:
    found = [finding for one in merchant_ids for finding in _found(check, one)]
    findings = found[:MOST_FINDINGS]
    if not (fix and check.fix):
        return Report(check, tuple(findings))
    return Report(check, tuple(findings), tuple(check.fix(finding) for finding in findings))


def _found(check: Check, merchant_id: str) -> list[Finding]:
    """Nothing can be said of a merchant whose database is down; `databases` says that it is."""
    try:
        return check.find(merchant_id)
    except MerchantUnavailable:
        return []


def _merchants() -> list[str]:
    return [item.merchant_id for item in tenancy.catalog().items]


# --- what belongs to no merchant ------------------------------------------------------------


def _migrations(_: str) -> list[Finding]:
    """Whether the databases stand where this version of the product expects them."""
    options = Config()
    migrations = current_app.extensions["migrate"].directory
    options.set_main_option("script_location", migrations)
    options.set_main_option("prepend_sys_path", migrations)  # they share a module of their own
    wanted = ScriptDirectory.from_config(options).get_current_head()
    found = []
    for name, (address, _login) in current_app.config["MIGRATION_URLS"].items():
        if name != HOME and not databases().named(name).is_up:
            continue
        engine = create_engine(sqlalchemy_url(address), poolclass=NullPool)
        with engine.connect() as connection:
            there = MigrationContext.configure(connection).get_current_revision()
        if there != wanted:
            found += [Finding("", str(there), f"this version needs {wanted}{_at(name)}")]
    return found


def _at(name: str) -> str:
    return "" if name == HOME else f", in the database of {name}"


def _unusable(_: str) -> list[Finding]:
    """Each is looked at now."""
    return [
        Finding("", f"{place.name} at {place.address}", why)
        for place in databases().all()
        if place.watch and (why := place.watch.look())
    ]


def _stale(_: str) -> list[Finding]:
    return [
        Finding(merchant_id, table, "is another where the merchant lies")
        for merchant_id, table in directory.differences()
    ]


def _follow(finding: Finding) -> str:
    directory.follow(finding.merchant_id)
    return "copied anew"


def _late(_: str) -> list[Finding]:
    return [finding for found in everywhere(_late_here) for finding in found]


def _late_here() -> list[Finding]:
    with platform_transaction("operators look for work that nobody does") as session:
        return [Finding("", *row) for row in session.execute(_LATE)]


def _open_tables(_: str) -> list[Finding]:
    tables = [
        mapper.local_table.description
        for mapper in Base.registry.mappers
        if mapper.class_.table_kind is TableKind.TENANT
    ]
    return [one for found in everywhere(lambda: _open_here(tables)) for one in found]


def _open_here(tables: list[str]) -> list[Finding]:
    with platform_transaction("operators look at the rights of every table") as session:
        return [Finding("", *row) for row in session.execute(_OPEN_TABLES, {"tables": tables})]


INSTALLATION = (
    Check("databases", "every database answers and can be worked with", _unusable),
    Check("directory", "home knows every merchant as it is where it lies", _stale, fix=_follow),
    Check("migrations", "every database is at this version's newest migration", _migrations),
    Check("isolation", "the database keeps merchants apart in every table", _open_tables),
    Check("work", "nothing waits longer than ten minutes to be done", _late),
    *recovery.CHECKS,
    *tenancy.MOVE_CHECKS,
)
SUMS = (*wallets.CHECKS, *payments.CHECKS)
EACH_MERCHANT = (
    *SUMS,
    *alliances.CHECKS,
    *invoices.CHECKS,
    *audit.CHECKS,
    *campaigns.CHECKS,
)
