"""A merchant that is erased for good: at Stripe first, then here, in one transaction.

Every row of recovery goes. The shop's own books stay where it kept money of customers: wallets,
payments, invoices and the audit belong to them and to the law, and name no merchant's person. A
shop that kept nothing is closed with it. It leaves its alliance before: nobody is to be left with a
wallet that a closed shop keeps.
"""

from typing import Any, cast

from sqlalchemy import CursorResult, Table, delete, func, select
from sqlalchemy.orm import Session

from mealquest.alliance import service as alliances
from mealquest.core.db import TenantRow, transaction
from mealquest.core.principal import SYSTEM
from mealquest.identity import service as identity
from mealquest.recovery import case_models, connect, models
from mealquest.recovery.errors import StripeDidNot
from mealquest.recovery.merchant_replies import DeletedRows, ErasedView
from mealquest.recovery.merchants import account, one
from mealquest.tenancy import service as tenancy


def tables() -> list[Table]:
    """Every table of recovery, read off its models so that none can be forgotten."""
    own = {models.__name__, case_models.__name__}
    found = [m.local_table for m in TenantRow.registry.mappers if m.class_.__module__ in own]
    return sorted((table for table in found if isinstance(table, Table)), key=lambda t: t.name)


def erase(merchant_id: str) -> ErasedView:
    """Erase a merchant.

    Raises:
        NoSuchMerchant: there is none of this id.
        StripeDidNot: Stripe still lets the platform in, so nothing is erased.
    """
    known = one(merchant_id).stripe_connect_id
    if known and not connect.deauthorized(known):
        raise StripeDidNot("Stripe did not disconnect the account, nothing is erased")
    alliances.end_all(merchant_id, SYSTEM)
    with transaction(merchant_id) as session:
        now = account(session, merchant_id, lock=True).stripe_connect_id
        if now not in {None, known}:
            raise StripeDidNot("the merchant was connected meanwhile, nothing is erased")
        gone = {table.name: _emptied(session, table, merchant_id) for table in tables()}
        left = [table.name for table in tables() if _counted(session, table, merchant_id)]
        if left:
            raise RuntimeError(f"rows of {', '.join(left)} came back while they were erased")
        closed = _close(session, merchant_id)
    deleted = DeletedRows(
        tasks=gone["scheduled_tasks"],
        usage_logs=gone["usage_logs"],
        daily_metrics=gone["daily_metrics"],
    )
    return ErasedView(message="Merchant erased", deleted=deleted, shop_closed=closed)


def _emptied(session: Session, table: Table, merchant_id: str) -> int:
    gone = session.execute(delete(table).where(table.c.merchant_id == merchant_id))
    return cast(CursorResult[Any], gone).rowcount


def _counted(session: Session, table: Table, merchant_id: str) -> int:
    return (
        session.scalar(
            select(func.count()).select_from(table).where(table.c.merchant_id == merchant_id)
        )
        or 0
    )


def _close(session: Session, merchant_id: str) -> bool:
    has_customers = identity.has_customers(session, merchant_id)
    closed = tenancy.close_shop(session, merchant_id, has_customers=has_customers)
    if closed:
        identity.remove_all_staff(session, merchant_id)
    return closed
