"""Bring in a snapshot of the old MealQuest server, once, all or nothing. The door to this package.

`source` reads the table, `shapes`, `reading` and `parsing` understand it, `plan` works out what
will be written, `writing` writes and proves it, `report` tells. See docs/legacy-import.md.
"""

from collections.abc import Mapping
from typing import Any

import structlog
from flask import current_app

from mealquest.audit import service as audit
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import Invalid
from mealquest.core.principal import BOOTSTRAP
from mealquest.core.wire import PHONE
from mealquest.identity import service as identity
from mealquest.legacy import report as reports
from mealquest.legacy import routed, source, writing
from mealquest.legacy.errors import LegacyRefused
from mealquest.legacy.notes import Notes
from mealquest.legacy.plan import Plan, plan
from mealquest.legacy.report import Report
from mealquest.legacy.snapshot import Document, Shops, opened, shops_of
from mealquest.legacy.source import Row, Source
from mealquest.tenancy import service as tenancy

__all__ = ["LegacyRefused", "Report", "at_start", "bring_in", "set_owner_phone"]

log = structlog.get_logger(__name__)


def bring_in(*, dry_run: bool = False, table: str | None = None, key: str | None = None) -> Report:
    """Bring in the snapshot under `key`, where there is no merchant yet; else nothing changes.

    One transaction writes every merchant. `dry_run` writes nothing and tells what would come.

    LegacyRefused: there is no such snapshot, or something in it cannot be understood.
    """
    settings = current_app.config["SETTINGS"]
    table, key = table or settings.legacy_snapshot_table, key or settings.db_snapshot_key
    with source.opened(table) as found:
        if found is None:
            raise LegacyRefused(table, ["there is no such table"])
        row = found.row(key)
        if row is None:
            there = ", ".join(found.keys()) or "nothing"
            raise LegacyRefused(table, [f"there is no snapshot {key!r}; there is: {there}"])
        return _bring_in(found, row, dry_run=dry_run)


def at_start() -> Report | None:
    """As `bring_in`, for a product that starts; None when there is nothing to bring in.

    LegacyRefused: there is a snapshot, and it cannot be understood.
    """
    settings = current_app.config["SETTINGS"]
    if tenancy.catalog().total:
        return None
    with source.opened(settings.legacy_snapshot_table) as found:
        row = found.row(settings.db_snapshot_key) if found else None
        if found is None or row is None:
            return None
        report = _bring_in(found, row, dry_run=False)
    return report if report.done else None


def set_owner_phone(merchant_id: str, phone: str) -> str:
    """Give an owner who came without a phone the one to sign in with; returns who that is.

    Raises:
        Invalid: it is no phone. MerchantNotFound; StaffNotFound: every owner has one.
        StaffPhoneTaken: it signs in a colleague.
    """
    if not PHONE.fullmatch(phone):
        raise Invalid("phone format invalid")
    with transaction(merchant_id) as session:
        tenancy.settings_of(session, merchant_id)
        staff_id = identity.restoring.give_owner_phone(session, merchant_id, phone)
        audit.record(session, merchant_id, "STAFF_DETAILS_SET", BOOTSTRAP, {"staffId": staff_id})
    return staff_id


def _bring_in(found: Source, row: Row, *, dry_run: bool) -> Report:
    """The table is open, so nobody else brings anything in meanwhile."""
    report = Report(found.table, row.key, row.saved_at, dry_run)
    is_empty = tenancy.catalog().total == 0
    if not (is_empty or dry_run):
        return report
    notes = Notes()
    shops = _read(found, row, notes)
    settings = current_app.config["SETTINGS"]
    planned = plan(shops, notes, now=utc_now(), hold_s=settings.hold_ttl_s)
    for merchant_id in settings.tenant_databases.keys() & shops.keys():
        notes.problem(merchant_id, "MQ_TENANT_DB_MAP: it is brought in first, and moved then")
    if notes.problems:
        raise LegacyRefused(f"{found.table}, {row.key}", notes.problems)
    if not is_empty:
        notes.warn("here", "there are merchants already: nothing would be brought in")
    reports.of_plan(planned, notes, report)
    if not dry_run:
        _write(planned, shops)
        report.done = True
        counts = {"changed": len(report.changed), "left_out": len(report.left_out)}
        log.info("legacy snapshot brought in", what=report.headline, **counts)
    return report


def _read(found: Source, row: Row, notes: Notes) -> Shops:
    state = opened(row.payload)
    if state is None:
        raise LegacyRefused(f"{found.table}, {row.key}", ["it is no JSON object"])
    if not _has_merchants(state):
        notes.problem("merchants", "there are none")
    main = Document(row.key, state, notes)
    return routed.merge(main, shops_of(main), found.row, notes)


def _has_merchants(state: Mapping[str, Any]) -> bool:
    return bool(state.get("merchants"))


def _write(planned: Plan, shops: Shops) -> None:
    with transaction(*planned.merchant_ids) as session:
        for shop in planned.shops:
            writing.write(session, shop)
            session.flush()
            writing.prove(session, shops[shop.merchant.id])
        for shop in planned.shops:
            writing.write_alliance(session, shop)
