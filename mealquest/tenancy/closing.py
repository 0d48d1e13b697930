"""A merchant that is erased: what of its row stays, and when the whole shop goes with it."""

from sqlalchemy import delete
from sqlalchemy.orm import Session

from mealquest.core import directory
from mealquest.tenancy import queries
from mealquest.tenancy.accounts import set_account
from mealquest.tenancy.models import (
    ContractApplication,
    Merchant,
    MerchantSettings,
    TenantPolicyRow,
)

_BLANK = (
    "email",
    "stripe_connect_id",
    "stripe_user_id",
    "access_token",
    "refresh_token",
    "connected_at",
    "stripe_customer_id",
    "subscription_plan_id",
    "plan_event_at",
    "billing_country",
    "billing_address",
    "logo_url",
    "from_name",
    "support_email",
)


def close_shop(session: Session, merchant_id: str, *, has_customers: bool) -> bool:
    """Erase what is known of a merchant itself. True: its shop was empty, and is gone with it.

    A shop that has customers, or keeps sums of theirs, stays: its books are kept by law.
    Of such a merchant the row stays with its name; its address, accounts and brand are blank.
    """
    if has_customers or queries.keeps_sums(session, merchant_id):
        set_account(
            session,
            merchant_id,
            **dict.fromkeys(_BLANK),
            tier="FREE",
            brand_color="#000000",
        )
        return False
    for rows in (ContractApplication, TenantPolicyRow, MerchantSettings):
        session.execute(delete(rows).where(rows.merchant_id == merchant_id))
    session.execute(delete(Merchant).where(Merchant.id == merchant_id))
    directory.changed(session, merchant_id)
    return True
