"""Home's directory: who there is, and whose phone signs in where, also of those who lie elsewhere.

It is rows of `merchants` and `staff_phones`. Of a merchant with a database of its own they are a
copy, good for finding it and for nothing else; what decides is read where the merchant lies. A
change there is news (`changed`), and the news has the copy made anew as a whole (`follow`).
"""

from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Table, delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from mealquest.core import outbox
from mealquest.core.db import (
    Base,
    beside,
    databases,
    directory_transaction,
    platform_transaction,
)
from mealquest.core.errors import Unavailable
from mealquest.core.everywhere import at_each
from mealquest.core.outbox import Event, Subscribers, Together
from mealquest.core.placements import Gate, Placement, TenantGate
from mealquest.core.places import HOME, require_up

CHANGED = "DIRECTORY_CHANGED"
# What the directory holds, and the column that names the merchant.
TABLES = {"merchants": "id", "staff_phones": "merchant_id"}

# Whoever works for the merchant anywhere is waited for, and waits.
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(:merchant, 7230028))")
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:merchant, 7230030))")

log = structlog.get_logger(__name__)


def changed(session: Session, merchant_id: str) -> None:
    """Have home's copy made anew once this transaction is committed.

    For whoever changes `merchants` or `staff_phones`. At home there is nothing to copy.
    """
    told: set[str] = session.info.setdefault("directory_changed", set())
    if session.info["place"].is_home or merchant_id in told:
        return
    told.add(merchant_id)
    outbox.publish(session, merchant_id, CHANGED, {})


def follow(merchant_id: str) -> bool:
    """Make home's copy of a merchant anew. Safe to run any number of times, and beside itself.

    What is copied is read under a lock at home, so that an older state is never written over a
    newer one, and while the placement cannot change. False: the merchant lies at home.
    """
    with directory_transaction("the directory is written for merchants elsewhere") as home:
        home.execute(_ONE_AT_A_TIME, {"merchant": merchant_id})
        where = select(Placement.place).where(Placement.merchant_id == merchant_id)
        if home.scalar(where.with_for_update(read=True)) in (None, HOME):
            return False
        with beside(merchant_id) as own:
            if own.info["place"].is_home:
                return False
            rows = {name: _rows(own, name, merchant_id) for name in TABLES}
        for name, found in rows.items():
            _replace(home, name, merchant_id, found)
    return True


def reserve(merchant_id: str) -> None:
    """Give a merchant that is about to be created its own database, if the settings name one.

    From then on its id belongs there: home refuses it, and so does every other database. What a
    crash leaves after this is finished by creating the merchant again.

    MerchantUnavailable: that database does not answer; nothing is reserved.
    """
    if not databases().has_one_of_its_own(merchant_id):
        return
    own = databases().named(merchant_id)
    if own.is_home:
        return
    require_up(own)
    with directory_transaction("a new merchant is given its own database") as home:
        home.execute(_ALONE, {"merchant": merchant_id})
        if _is_there(home, merchant_id):
            return
        for row in (
            insert(Placement).values(merchant_id=merchant_id, place=merchant_id),
            insert(TenantGate).values(merchant_id=merchant_id, state=Gate.AWAY),
        ):
            home.execute(row.on_conflict_do_nothing(index_elements=["merchant_id"]))
    databases().read_again()


def follow_now(merchant_id: str) -> None:
    """As `follow`, for who has just created a merchant; if it fails, the news has it done."""
    if lies_at_home(merchant_id):
        return
    try:
        follow(merchant_id)
    except Unavailable as away:
        log.warning("directory follows later", merchant_id=merchant_id, error=repr(away))


def lies_at_home(merchant_id: str) -> bool:
    """As far as this process knows."""
    return databases().of([merchant_id]).is_home


def follow_all() -> int:
    """Make every copy anew that differs: for what was changed by SQL. Returns how many were."""
    done = 0
    for merchant_id in sorted({merchant_id for merchant_id, _ in differences()}):
        try:
            done += follow(merchant_id)
        except (Unavailable, SQLAlchemyError) as failure:
            log.error("directory not followed", merchant_id=merchant_id, error=repr(failure)[:300])
    return done


def differences() -> list[tuple[str, str]]:
    """Merchants elsewhere of whom home's copy is another than what they have, and the table."""
    answered = at_each(_own_rows)
    there = {one: tables for _, found in answered for one, tables in found.items()}
    names = [place.name for place, _ in answered if not place.is_home]
    with directory_transaction("the directory is compared with what it copies") as home:
        placed = select(Placement.merchant_id).where(Placement.place.in_(names))
        for merchant_id in home.scalars(placed):
            there.setdefault(merchant_id, {name: [] for name in TABLES})
        return [
            (merchant_id, name)
            for merchant_id, tables in there.items()
            for name, rows in tables.items()
            if _in_order(_rows(home, name, merchant_id)) != _in_order(rows)
        ]


def _own_rows() -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Of the merchants of one database, unless it is home: what the directory holds of them."""
    with platform_transaction("the directory is compared with what it copies") as session:
        if session.info["place"].is_home:
            return {}
        ids = session.scalars(select(_table("merchants").c.id)).all()
        return {one: {name: _rows(session, name, one) for name in TABLES} for one in ids}


def _take(events: Sequence[Event]) -> None:
    """Of many changes of a merchant the last state is what counts."""
    follow(events[0].merchant_id)


SUBSCRIPTIONS: Subscribers = {CHANGED: (Together(_take),)}


def _is_there(home: Session, merchant_id: str) -> bool:
    table = _table("merchants")
    return home.scalar(select(table.c.id).where(table.c.id == merchant_id)) is not None


def _table(name: str) -> Table:
    return Base.metadata.tables[name]


def _of(table: Table, merchant_id: str) -> ColumnElement[bool]:
    return table.c[TABLES[table.name]] == merchant_id


def _rows(session: Session, name: str, merchant_id: str) -> list[dict[str, Any]]:
    table = _table(name)
    found = session.execute(select(table).where(_of(table, merchant_id)))
    return [dict(row._mapping) for row in found]


def _replace(home: Session, name: str, merchant_id: str, rows: list[dict[str, Any]]) -> None:
    """Write what is there, and remove what is there no more."""
    table = _table(name)
    keys = [column.name for column in table.primary_key]
    kept = {tuple(row[key] for key in keys) for row in rows}
    for known in _rows(home, name, merchant_id):
        if tuple(known[key] for key in keys) not in kept:
            home.execute(delete(table).where(*(table.c[key] == known[key] for key in keys)))
    for row in rows:
        new = insert(table).values(**row)
        home.execute(new.on_conflict_do_update(index_elements=keys, set_=row))


def _in_order(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(repr(row) for row in rows)
