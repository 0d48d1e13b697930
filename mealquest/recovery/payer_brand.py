"""How a merchant is called and looks on the pages of its payers."""

from typing import Any

from sqlalchemy.orm import Session

from mealquest.recovery.errors import LinkNotFound
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantAccount, MerchantNotFound


def brand_of(session: Session, merchant_id: str, token: str) -> dict[str, Any]:
    """Values of a `BrandedView`. LinkNotFound: the merchant is no more."""
    return branded(account_of(session, merchant_id), token)


def account_of(session: Session, merchant_id: str) -> MerchantAccount:
    """LinkNotFound: the merchant is no more."""
    try:
        return tenancy.account_of(session, merchant_id)
    except MerchantNotFound:
        raise LinkNotFound from None


def branded(account: MerchantAccount, token: str) -> dict[str, Any]:
    return {
        "token": token,
        "shop": account.from_name or account.name,
        "brand_color": account.brand_color,
        "logo_url": account.logo_url,
        "support_email": account.support_email or account.email,
    }
