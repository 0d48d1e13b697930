"""Merchants by id and name, wherever they lie: what the public catalog tells of them."""

from collections.abc import Collection

from sqlalchemy import select

from mealquest.core.db import directory_transaction
from mealquest.tenancy.models import Merchant


def public_names(merchant_ids: Collection[str]) -> dict[str, str]:
    """Names by id, of those of the merchants that exist."""
    if not merchant_ids:
        return {}
    wanted = select(Merchant.id, Merchant.name).where(Merchant.id.in_(sorted(merchant_ids)))
    with directory_transaction("stores of an alliance may lie anywhere") as session:
        return {row.id: row.name for row in session.execute(wanted)}


def merchants_called(name: str, limit: int = 2) -> list[str]:
    """Ids of merchants with exactly this name, at most `limit`."""
    wanted = select(Merchant.id).where(Merchant.name == name).order_by(Merchant.id).limit(limit)
    with directory_transaction("stores are found by their public names") as session:
        return list(session.scalars(wanted))
