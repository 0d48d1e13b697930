"""Merchants with their settings, as onboarding would leave them."""

from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.core.money import Currency
from mealquest.tenancy.domain import RefundPolicy
from mealquest.tenancy.models import Merchant, MerchantSettings


def make_merchant(
    merchant_id: str | None = None,
    *,
    name: str = "Fixture Merchant",
    email: str | None = None,
    currency: Currency = Currency.CNY,
    time_zone: str = "Asia/Shanghai",
    locale: str = "en",
    refund_policy: RefundPolicy = RefundPolicy.CLAWBACK,
    budget_cap_minor: int = 30_000,
) -> str:
    """Write a merchant and its settings; returns its id, a fresh one unless given."""
    merchant_id = merchant_id or new_id("m").lower()  # as the wire writes ids of merchants
    with transaction(merchant_id) as session:
        session.add(Merchant(id=merchant_id, name=name, email=email))
        session.add(
            MerchantSettings(
                merchant_id=merchant_id,
                name=name,
                currency=currency,
                time_zone=time_zone,
                locale=locale,
                refund_policy=refund_policy,
                budget_cap_minor=budget_cap_minor,
                cluster_id=f"cluster_{merchant_id}",
            )
        )
    return merchant_id
