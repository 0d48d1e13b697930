from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, Row, Table, bindparam, collate, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core.db import Base, TableKind
from mealquest.core.money import Currency
from mealquest.tenancy.domain import Freeze, Limit, RefundPolicy, TenantPolicy
from mealquest.tenancy.models import Merchant, MerchantSettings, TenantPolicyRow


@dataclass(frozen=True, slots=True)
class MerchantFacts:
    """What the other features need to know about a merchant."""

    merchant_id: str
    name: str
    currency: Currency
    time_zone: str
    locale: str
    refund_policy: RefundPolicy
    budget_cap_minor: int
    kill_switch_enabled: bool
    campaign_holdout_percent: int
    cluster_id: str
    onboarded_at: datetime


_FACTS = (
    MerchantSettings.merchant_id,
    MerchantSettings.name,
    MerchantSettings.currency,
    MerchantSettings.time_zone,
    MerchantSettings.locale,
    MerchantSettings.refund_policy,
    MerchantSettings.budget_cap_minor,
    MerchantSettings.kill_switch_enabled,
    MerchantSettings.campaign_holdout_percent,
    MerchantSettings.cluster_id,
    MerchantSettings.onboarded_at,
)


def facts(session: Session, merchant_id: str) -> MerchantFacts | None:
    row = session.execute(
        select(*_FACTS).where(MerchantSettings.merchant_id == merchant_id)
    ).one_or_none()
    return _facts(row)


def _facts(row: Row[*tuple[Any, ...]] | None) -> MerchantFacts | None:
    """What the merchant has not set is as the product is configured."""
    if row is None:
        return None
    values = dict(row._mapping)
    if values["campaign_holdout_percent"] is None:
        settings = current_app.config["SETTINGS"]
        values["campaign_holdout_percent"] = settings.campaign_holdout_percent
    return MerchantFacts(**values)


def names(session: Session, merchant_ids: list[str]) -> dict[str, str]:
    """Names by id, of those of the named merchants that exist and are in scope."""
    rows = session.execute(select(Merchant.id, Merchant.name).where(Merchant.id.in_(merchant_ids)))
    return {row.id: row.name for row in rows}


def is_there(session: Session, merchant_id: str) -> bool:
    return session.scalar(select(Merchant.id).where(Merchant.id == merchant_id)) is not None


def everybody(session: Session) -> list[tuple[str, str, datetime]]:
    """Id, name and day of joining of every merchant in scope, in the order of bytes of the id."""
    rows = session.execute(
        select(Merchant.id, Merchant.name, Merchant.created_at).order_by(collate(Merchant.id, "C"))
    )
    return [(row.id, row.name, row.created_at) for row in rows]


_POLICY = select(
    TenantPolicyRow.write_enabled, TenantPolicyRow.ws_enabled, TenantPolicyRow.limits
).where(TenantPolicyRow.merchant_id == bindparam("merchant"))


def policy(session: Session, merchant_id: str) -> TenantPolicy:
    row = session.execute(_POLICY, {"merchant": merchant_id}).one_or_none()
    if row is None:
        return TenantPolicy()
    return policy_in(row)


def policy_in(row: TenantPolicyRow | Row[*tuple[Any, ...]]) -> TenantPolicy:
    limits = {operation: _limit(stored) for operation, stored in row.limits.items()}
    return TenantPolicy(row.write_enabled, row.ws_enabled, limits)


def locked_policy(session: Session, merchant_id: str) -> TenantPolicyRow:
    """The merchant's row, made where there is none, for whoever changes it; nobody else does."""
    session.execute(
        insert(TenantPolicyRow)
        .values(merchant_id=merchant_id)
        .on_conflict_do_nothing(index_elements=["merchant_id"])
    )
    return session.get_one(TenantPolicyRow, merchant_id, with_for_update=True)


_FREEZE = select(TenantPolicyRow.frozen_at, TenantPolicyRow.frozen_by).where(
    TenantPolicyRow.merchant_id == bindparam("merchant"), TenantPolicyRow.write_enabled.is_(False)
)


def freeze(session: Session, merchant_id: str) -> Freeze | None:
    row = session.execute(_FREEZE, {"merchant": merchant_id}).one_or_none()
    return Freeze(row.frozen_at, row.frozen_by) if row else None


def without_realtime(session: Session, merchant_ids: Iterable[str]) -> set[str]:
    rows = session.scalars(
        select(TenantPolicyRow.merchant_id).where(
            TenantPolicyRow.merchant_id.in_(sorted(merchant_ids)),
            TenantPolicyRow.ws_enabled.is_(False),
        )
    )
    return set(rows)


def _limit(stored: Any) -> Limit:
    return Limit(stored["limit"], stored["windowMs"])


def email(session: Session, merchant_id: str) -> str | None:
    return session.scalar(select(Merchant.email).where(Merchant.id == merchant_id))


def locked_facts(session: Session, merchant_id: str) -> MerchantFacts | None:
    """As `facts`, and nobody else changes the settings until this transaction ends."""
    row = session.execute(
        select(*_FACTS).where(MerchantSettings.merchant_id == merchant_id).with_for_update()
    ).one_or_none()
    return _facts(row)


def all_locked(session: Session, merchant_ids: Iterable[str]) -> dict[str, MerchantFacts]:
    """As `locked_facts`, of those of the merchants that are in scope, by their ids.

    One statement locks them in the order of the ids, so that two callers never cross.
    """
    rows = session.execute(
        select(*_FACTS)
        .where(MerchantSettings.merchant_id.in_(sorted(merchant_ids)))
        .order_by(MerchantSettings.merchant_id)
        .with_for_update(key_share=True)
    )
    return {found.merchant_id: found for row in rows if (found := _facts(row))}


def set_kill_switch(session: Session, merchant_id: str, enabled: bool) -> None:
    session.execute(
        update(MerchantSettings)
        .where(MerchantSettings.merchant_id == merchant_id)
        .values(kill_switch_enabled=enabled)
    )


LIMITS = frozenset({"cap_minor"})  # what may be, and not what is


def keeps_sums(session: Session, merchant_id: str) -> bool:
    """Whether any row of the merchant, of whatever feature, holds a sum other than zero.

    It is read off the schema, where every sum is a column in `_minor`: so this package needs to
    know none of those that come after it, and none of theirs can be forgotten.
    """
    return bool(session.scalar(select(or_(*_sums())), {"merchant": merchant_id}))


@cache
def _sums() -> list[ColumnElement[bool]]:
    own = MerchantSettings.__table__
    tables = [
        mapper.local_table
        for mapper in Base.registry.mappers
        if mapper.class_.table_kind is TableKind.TENANT and mapper.local_table is not own
    ]
    found: list[ColumnElement[bool]] = []
    for table in sorted(tables, key=str):
        sums = [
            column
            for column in table.columns
            if column.name.endswith("_minor") and column.name not in LIMITS
        ]
        if sums and isinstance(table, Table):
            of_merchant = table.c.merchant_id == bindparam("merchant")
            found.append(
                select(1).where(of_merchant, or_(*(column != 0 for column in sums))).exists()
            )
    return found
